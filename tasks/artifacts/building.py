"""Find a stage's artifact or build it: key -> (artifact, cached). Plain Python, no Prefect.

The rules of architecture.md in one place: a finished, whole artifact without failures is taken as it is; a damaged
one, one with failed items, or one that was cut off is taken up again where it stands.
"""

import contextvars
import fcntl
import importlib.metadata
import json
import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial as partial_call
from pathlib import Path
from typing import Any, Protocol

from modeling.atomic import sync_files, sync_folder, write_json
from tasks.artifacts.artifact import (
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
    sha256_of,
    stage_key,
)
from tasks.artifacts.file_list import describe_files, names_below, write_file_list
from tasks.artifacts.work import Work
from tasks.config import RunOptions
from tasks.stages import STAGES

PACKAGES = ("torch", "diffusers", "transformers", "av", "prefect", "numpy", "pillow")
"""Whose versions a manifest records."""

Build = Callable[..., None]
"""A stage's plain function: (work, config, **inputs)."""


class Watcher(Protocol):
    """Who is told what the stages do; the command line shows bars."""

    def started(self, stage: str, label: str) -> None:
        """A stage is being built."""

    def progressed(self, stage: str, label: str, done: int, total: int, note: str) -> None:
        """`done` of its `total` items are finished; the note, perhaps empty, says how it goes."""

    def finished(self, stage: str, label: str, artifact: Artifact, cached: bool) -> None:
        """It is there: built now, or found."""


watching: contextvars.ContextVar[Watcher | None] = contextvars.ContextVar("watching", default=None)
running_options: contextvars.ContextVar[RunOptions | None] = contextvars.ContextVar("running_options", default=None)
"""Where and how fast stages run in this context."""

REPOSITORY = Path(__file__).resolve().parents[2]


class StageFailed(Exception):
    """A stage could not be finished for a reason that a person can mend; its message says where and how."""


def find_or_build(
    build: Build, stage: str, workspace: Path, label: str, config: Any, inputs: Mapping[str, Input]
) -> tuple[Artifact, bool]:
    """Return the stage's artifact and whether it was there already."""
    artifact, cached = _find_or_build(build, stage, workspace, label, config, inputs)
    if (watcher := watching.get()) is not None:
        watcher.finished(stage, label, artifact, cached)
    return artifact, cached


def _find_or_build(
    build: Build, stage: str, workspace: Path, label: str, config: Any, inputs: Mapping[str, Input]
) -> tuple[Artifact, bool]:
    key = stage_key(stage, config, inputs)
    found = find_artifact(workspace, stage, key)
    if found is not None and not damaged_files(found) and not found.num_failed:
        return found, True
    final = found.path if found is not None else artifact_folder(workspace, stage, label, key)
    partial = final.with_name(final.name + ".partial")
    try:
        with _locked(partial):
            before = found.digest if found is not None else None
            if found is not None:
                _reopen(found, partial)
            artifact = _build(build, stage, label, key, config, inputs, workspace, partial, final)
    except OSError as error:
        raise StageFailed(
            f"{stage}: {error.strerror or error} ({error.filename or partial}). "
            "What is finished is kept: make room or mend the path, then run the same command again."
        ) from error
    # Failed items that failed again: the same content, so nothing was built.
    return artifact, artifact.digest == before and bool(artifact.num_failed)


@contextmanager
def _locked(partial: Path) -> Iterator[None]:
    """Hold the lock of this artifact; another run at the same one is an error. It is freed when a process dies."""
    partial.parent.mkdir(parents=True, exist_ok=True)
    with partial.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StageFailed(f"{partial.parent.name}: another run is building {partial}. Wait for it.") from None
        yield


def _reopen(found: Artifact, partial: Path) -> None:
    """Turn a finished artifact (damaged, or with failed items) back into work to be taken up."""
    for name in damaged_files(found):
        (found.path / name).unlink(missing_ok=True)
    (found.path / MANIFEST).unlink()
    if partial.exists():
        shutil.rmtree(partial)
    os.replace(found.path, partial)


def _build(
    build: Build,
    stage: str,
    label: str,
    key: str,
    config: Any,
    inputs: Mapping[str, Input],
    workspace: Path,
    partial: Path,
    final: Path,
) -> Artifact:
    started = time.monotonic()
    partial.mkdir(parents=True, exist_ok=True)
    watcher = watching.get()
    if watcher is not None:
        watcher.started(stage, label)
    options = running_options.get() or RunOptions()
    on_progress = partial_call(watcher.progressed, stage, label) if watcher is not None else None
    work = Work(stage=stage, path=partial, label=label, options=options, on_progress=on_progress)
    write_json(partial / "building.json", {"key": key, "label": label, "stage": stage})
    for older in artifacts_of(workspace, stage)[-1:]:
        if older.manifest["version"] == STAGES[stage].version and not damaged_files(older):
            work.offer_for_reuse(older.path)
    build(work, config, **inputs)
    manifest = _manifest(work, stage, label, key, config, inputs, time.monotonic() - started)
    write_json(partial / MANIFEST, manifest)
    if final.exists():
        shutil.rmtree(final)
    os.replace(partial, final)
    sync_folder(final.parent)
    return Artifact.read(final)


def _manifest(
    work: Work, stage: str, label: str, key: str, config: Any, inputs: Mapping[str, Input], seconds: float
) -> dict[str, Any]:
    """Describe a finished stage. Files are synced here, so that the manifest never names what is not on the disk."""
    counts = _counts(work)
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
        "facts": work.facts,
        "config": json.loads(json.dumps(config, default=_plain)),
        "inputs": {name: _describe(each) for name, each in inputs.items()},
        "items": {"total": work.num_items, "run": work.num_items_run},
        "source_digest": source_digest(stage),
        "commit": code_commit(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "finished_at": datetime.now(UTC).isoformat(timespec="microseconds"),
        "seconds": round(seconds, 3),
        "num_files": len(content),
    }


def _is_no_content(work: Work, name: str) -> bool:
    """Tell whether a file is about the artifact, or scratch: a checkpoint removed to make room is no damage."""
    return name in (MANIFEST, FILES, "building.json") or name.startswith(f"{ITEMS}/") or work.is_scratch(name)


def _counts(work: Work) -> dict[str, Any]:
    """Count the rows: input = kept + filtered + failed."""
    with (work.path / RECORDS).open("rb") as file:
        kept = sum(1 for _ in file)
    reasons: dict[str, Counter[str]] = {"filtered": Counter(), "failed": Counter()}
    for row in read_records(work.path / REJECTED):
        reasons[row["status"]][row["reason"]] += 1
    num_rejected = sum(sum(each.values()) for each in reasons.values())
    return {"input": kept + num_rejected, "kept": kept} | {
        status: dict(sorted(counter.items())) for status, counter in reasons.items()
    }


def _plain(value: Any) -> Any:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _describe(each: Input) -> dict[str, str]:
    if isinstance(each, Outside):
        return {"outside": each.location, "digest": each.digest}
    return {"artifact": f"{each.path.parent.name}/{each.path.name}", "digest": each.digest}


def source_digest(stage: str) -> str:
    """Return the digest of a stage's source files, to report that code has changed since an artifact was built."""
    digests = {}
    for source in STAGES[stage].sources:
        path = REPOSITORY / source
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                digests[file.relative_to(REPOSITORY).as_posix()] = sha256_of(file)
    return digest_of(digests)


def code_commit() -> str | None:
    """Return the git commit of the code, with "+changes" when files differ from it; None outside a checkout."""
    try:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(["git", "diff", "--quiet", "HEAD"], cwd=REPOSITORY, capture_output=True).returncode
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+changes" if changed else "")
