"""Find a stage's artifact, or build it: key -> (artifact, cached). Plain Python, no Prefect.

The rules of architecture.md in one place. A finished, undamaged artifact is used as it is. A damaged one, or one whose
failed items are tried again, is rebuilt in a folder beside it and then swapped in. An interrupted build is continued.
"""

import contextvars
import importlib.metadata
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial as partial_call
from pathlib import Path
from typing import Any, Protocol

from modeling.atomic import sync_files, write_json
from tasks.artifacts.again import begin_beside, changed_inputs, lock_of, why_again
from tasks.artifacts.artifact import (
    BUILDING,
    FILES,
    ITEMS,
    MANIFEST,
    RECORDS,
    REJECTED,
    Artifact,
    Input,
    Outside,
    artifact_folder,
    artifacts_of,
    damaged_files,
    digest_of,
    find_artifact,
    read_records,
    stage_key,
)
from tasks.artifacts.failures import StageFailed as StageFailed
from tasks.artifacts.failures import is_transient, may_pass
from tasks.artifacts.file_list import describe_files, names_below, write_file_list
from tasks.artifacts.locks import Holder, locked
from tasks.artifacts.manifest import is_link, not_ours
from tasks.artifacts.resources import resources_used
from tasks.artifacts.shared_store import fetch_finished, publish_finished
from tasks.artifacts.sources import code_commit as code_commit
from tasks.artifacts.sources import source_digest
from tasks.artifacts.swapping import remove_folder, swap_in
from tasks.artifacts.work import Work
from tasks.config import RunOptions
from tasks.stages import STAGES

PACKAGES = ("torch", "diffusers", "transformers", "av", "prefect", "numpy", "pillow")
"""Packages whose versions a manifest records."""

Build = Callable[..., None]
"""A stage's plain function: (work, config, **inputs)."""


class StageWatcher(Protocol):
    """Receives what the stages do; the command line shows it as bars."""

    def started(self, stage: str, label: str) -> None:
        """A stage is being built."""

    def progressed(self, stage: str, label: str, done: int, total: int, note: str) -> None:
        """`done` of its `total` items are finished; the note, perhaps empty, says how it goes."""

    def waiting(self, stage: str, label: str, holder: str, seconds: float) -> None:
        """Another run (`holder`) builds the same artifact; this run has waited for it for `seconds`."""

    def told(self, stage: str, label: str, message: str) -> None:
        """Something about it to be shown in one line, such as where it was fetched from."""

    def finished(self, stage: str, label: str, artifact: Artifact, cached: bool) -> None:
        """The stage is finished: built now, or found."""


watching: contextvars.ContextVar[StageWatcher | None] = contextvars.ContextVar("watching", default=None)
running_options: contextvars.ContextVar[RunOptions | None] = contextvars.ContextVar("running_options", default=None)
"""The options of speed and place for stages in this context."""


class InputChanged(Exception):
    """An input was rebuilt with other content while a stage read it. The result mixes both contents, so it is built
    again.
    """


def find_or_build(
    build: Build, stage: str, workspace: Path, label: str, config: Any, inputs: Mapping[str, Input]
) -> tuple[Artifact, bool]:
    """Return the stage's artifact, and whether it was finished before."""
    artifact, cached = _find_or_build(build, stage, workspace, label, config, inputs)
    publish_finished(artifact, running_options.get() or RunOptions(), partial_call(_tell, stage, label))
    if (watcher := watching.get()) is not None:
        watcher.finished(stage, label, artifact, cached)
    return artifact, cached


def _find_or_build(
    build: Build, stage: str, workspace: Path, label: str, config: Any, inputs: Mapping[str, Input]
) -> tuple[Artifact, bool]:
    key = stage_key(stage, config, inputs)
    options = running_options.get() or RunOptions()
    older = find_artifact(workspace, stage, key)
    again = why_again(older, options) if older is not None else None
    if older is not None and again is None:
        return older, True
    final = older.path if older is not None else artifact_folder(workspace, stage, label, key)
    partial = final.with_name(final.name + ".partial")
    if why := not_ours(final) or is_link(partial):
        raise StageFailed(f"{stage}: {why}")
    try:
        with locked(lock_of(workspace, stage, key), on_wait=partial_call(_tell_waiting, stage, label)):
            newer = find_artifact(workspace, stage, key)
            if newer is not None and (older is None or newer.manifest != older.manifest) and not damaged_files(newer):
                return newer, True  # built by the run that held the lock
            if again is None or again.damaged:
                told = {"label": label, "inputs": {name: _describe(input_) for name, input_ in inputs.items()}}
                asked = {"version": STAGES[stage].version, "config": _as_json(config)}
                if fetch_finished(final, stage, key, asked, told, options, partial_call(_tell, stage, label)):
                    return Artifact.read(final), True
            begin_beside(older, again, partial, afresh=stage in options.refresh)
            artifact = _build(build, stage, label, key, config, inputs, workspace, partial)
            if older is not None and again is not None and again.is_retry and artifact.digest == older.digest:
                remove_folder(partial)  # the failed items failed again: the content is the same
                return older, True
            swap_in(partial, final)
            return Artifact.read(final), False
    except OSError as error:
        cause = f"{stage}: {error.strerror or error} ({error.filename or partial})"
        failed = StageFailed(
            f"{cause}. Finished items are kept: make room or correct the path, then run the same command again."
        )
        failed.transient = may_pass(error)
        raise failed from error


def _tell(stage: str, label: str, message: str) -> None:
    if (watcher := watching.get()) is not None:
        watcher.told(stage, label, message)


def _tell_waiting(stage: str, label: str, holder: Holder, seconds: float) -> None:
    if (watcher := watching.get()) is not None:
        watcher.waiting(stage, label, str(holder), seconds)


def _build(
    build: Build,
    stage: str,
    label: str,
    key: str,
    config: Any,
    inputs: Mapping[str, Input],
    workspace: Path,
    partial: Path,
) -> Artifact:
    """Build in the folder `partial` and return it as an artifact. InputChanged when an input was replaced meanwhile."""
    started = time.monotonic()
    watcher = watching.get()
    if watcher is not None:
        watcher.started(stage, label)
    options = running_options.get() or RunOptions()
    on_progress = partial_call(watcher.progressed, stage, label) if watcher is not None else None
    work = Work(stage=stage, path=partial, label=label, options=options, on_progress=on_progress)
    write_json(partial / BUILDING, {"key": key, "label": label, "stage": stage})
    if stage not in options.refresh:
        for older in artifacts_of(workspace, stage):
            if older.manifest["version"] == STAGES[stage].version:
                work.offer_for_reuse(older.path)
    build(work, config, **inputs)
    if changed := changed_inputs(inputs):
        remove_folder(partial)
        raise InputChanged(f"{stage}: another run changed {', '.join(changed)} meanwhile.")
    manifest = _manifest(work, stage, label, key, config, inputs, time.monotonic() - started)
    write_json(partial / MANIFEST, manifest)
    return Artifact.read(partial)


def _manifest(
    work: Work, stage: str, label: str, key: str, config: Any, inputs: Mapping[str, Input], seconds: float
) -> dict[str, Any]:
    """Make the manifest of a finished stage. Files are synced to the disk first, so the manifest never names a lost
    file.
    """
    counts, num_transient = _counts(work)
    names = names_below(work.path, leave_out=lambda name: _is_no_content(work, name))
    sync_files(work.path, names)
    content = write_file_list(work.path, describe_files(work.path, names))
    return {
        "stage": stage,
        "label": label,
        "key": key,
        "version": STAGES[stage].version,
        "digest": digest_of(content),
        "funnel": work.funnel,
        "counts": counts,
        "num_transient": num_transient,
        "facts": work.facts,
        "config": _as_json(config),
        "inputs": {name: _describe(input_) for name, input_ in inputs.items()},
        "items": {"total": work.num_items, "run": work.num_items_run},
        "source_digest": source_digest(stage),
        "commit": code_commit(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "finished_at": datetime.now(UTC).isoformat(timespec="microseconds"),
        "seconds": round(seconds, 3),
        "resources": resources_used(work.options.device),
        "num_files": len(content),
    }


def _is_no_content(work: Work, name: str) -> bool:
    """Tell whether a file is no content: metadata, or scratch such as a checkpoint, which may be removed to free disk
    space.
    """
    return name in (MANIFEST, FILES, BUILDING) or name.startswith(f"{ITEMS}/") or work.is_scratch(name)


def _counts(work: Work) -> tuple[dict[str, Any], int]:
    """Count the rows (input = kept + filtered + failed), and the failed rows that may succeed next time."""
    with (work.path / RECORDS).open("rb") as file:
        kept = sum(1 for _ in file)
    reasons: dict[str, Counter[str]] = {"filtered": Counter(), "failed": Counter()}
    num_transient = 0
    for row in read_records(work.path / REJECTED):
        reasons[row["status"]][row["reason"]] += 1
        num_transient += is_transient(row)
    num_rejected = sum(sum(reason.values()) for reason in reasons.values())
    counts = {"input": kept + num_rejected, "kept": kept} | {
        status: dict(sorted(counter.items())) for status, counter in reasons.items()
    }
    return counts, num_transient


def _as_json(config: Any) -> Any:
    return json.loads(json.dumps(config, default=_plain))


def _plain(value: Any) -> Any:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _describe(input_: Input) -> dict[str, str]:
    if isinstance(input_, Outside):
        return {"outside": input_.location, "digest": input_.digest}
    return {"artifact": f"{input_.path.parent.name}/{input_.path.name}", "digest": input_.digest}
