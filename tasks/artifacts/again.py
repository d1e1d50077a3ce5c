"""The decision whether a finished artifact is built again, and the folder for that work."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.artifacts.artifact import Artifact, Input, damaged_files
from tasks.artifacts.inside import remove_foreign
from tasks.artifacts.locks import Holder, locked_after_a_look
from tasks.artifacts.swapping import lay_beside, remove_folder
from tasks.config import RunOptions


@dataclass(frozen=True, kw_only=True)
class Again:
    """The reason why a finished artifact is built again."""

    reason: str
    """Reason in words."""
    damaged: tuple[str, ...] = ()
    """Files that are missing or altered."""
    is_retry: bool = False
    """True when no file is damaged, and only failed items are tried again."""


def why_again(existing: Artifact, options: RunOptions) -> Again | None:
    """Return the reason to build a finished artifact again; None when it is used as it is.

    Failed items are a reason when another attempt may succeed (a server did not answer), or when the user asks for it
    (`--retry-failed`, a retry of a flow run). An item whose own input changed gives another artifact with another key.
    """
    if existing.manifest["stage"] in options.refresh:
        return Again(reason="--refresh")
    if damaged := damaged_files(existing):
        return Again(reason=f"missing or altered: {', '.join(damaged[:3])}", damaged=tuple(damaged))
    if existing.num_failed and options.retry_failed:
        return Again(reason=f"{existing.num_failed} failed rows", is_retry=True)
    if existing.num_transient:
        return Again(reason=f"{existing.num_transient} failed rows that may succeed now", is_retry=True)
    return None


def begin_beside(existing: Artifact | None, again: Again | None, partial: Path, *, afresh: bool) -> None:
    """Make the folder to work in. It begins with the good files of the finished artifact, or with those of an
    interrupted run.
    """
    if afresh and partial.exists():
        remove_folder(partial)
    partial.mkdir(parents=True, exist_ok=True)
    remove_foreign(partial)
    if existing is not None and again is not None and not afresh:
        lay_beside(existing, list(again.damaged), partial)


def changed_inputs(inputs: Mapping[str, Input]) -> list[str]:
    """Return the inputs whose content has changed since the stage began."""
    opened = {name: input_ for name, input_ in inputs.items() if isinstance(input_, Artifact)}
    return [name for name, artifact in opened.items() if Artifact.read(artifact.path).digest != artifact.digest]


def remove_unless_locked(folder: Path) -> Holder | None:
    """Remove an artifact or an interrupted build; when a run is building it, leave it and return that run."""
    key = folder.name.removesuffix(".partial")[-8:]
    with locked_after_a_look(lock_of(folder.parent.parent, folder.parent.name, key)) as holder:
        if holder is None:
            remove_folder(folder)
        return holder


def lock_of(workspace: Path, stage: str, key: str) -> Path:
    """Return the lock of the artifact of this key, whatever its label."""
    return workspace / stage / f"{key[:8]}.lock"
