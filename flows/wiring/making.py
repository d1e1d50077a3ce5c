"""Three ways to make a stage: as a Prefect task, by a plain call, or only planned. Each gives a `make` for main_job."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.wiring.job import MEASURED_AFTER, Job
from flows.wiring.main_job import (
    Make,
    Place,
    Reached,
    editors,
    ending_with,
    evaluation,
    make_dataset,
    told_apart_of,
)
from flows.wiring.measuring import forgetting_of
from tasks.artifacts.again import why_again
from tasks.artifacts.artifact import Outside, artifact_folder, find_artifact, opened, stage_key
from tasks.artifacts.shared_store import in_store
from tasks.config import RunOptions

if TYPE_CHECKING:
    from tasks.artifacts.stage import StageTask


ONLY_SHOW = ("dataset", "report")
"""Stages whose artifacts no other stage reads."""


def stage_task(stage: str) -> "StageTask":
    """Import a stage's file and return the stage; only now its libraries (for example torch) are imported."""
    return getattr(importlib.import_module(f"tasks.{stage}"), stage)


def as_tasks(workspace: Path) -> Make:
    """Make stages as tasks of the running Prefect flow."""

    def make(stage: str, label: str, config: object, **inputs: Place) -> Path:
        return stage_task(stage)(workspace, label, config, **_known(inputs))

    return make


def plainly(workspace: Path, options: RunOptions) -> Make:
    """Make stages by plain calls, with no Prefect API."""

    def make(stage: str, label: str, config: object, **inputs: Place) -> Path:
        return stage_task(stage).run(workspace, label, config, options=options, **_known(inputs)).path

    return make


def _known(inputs: dict[str, Place]) -> dict[str, Path | Outside]:
    return {name: place for name, place in inputs.items() if place is not None}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One line of a plan: the action of a run for one stage."""

    stage: str
    label: str
    state: str
    """Cached | fetch (from the store) | build | resume | rebuild | retry | waits"""
    reason: str
    """Why, in words."""
    expected_s: float | None
    """Seconds for the newest artifact of this stage, if any."""
    path: str | None
    """Folder of the artifact, where its key is already known."""
    num_failed: int = 0
    """Failed rows of the existing artifact."""

    @property
    def is_found(self) -> bool:
        """Whether nothing needs to be built."""
        return self.state in ("Cached", "fetch")

    @property
    def is_cached(self) -> bool:
        """True when nothing needs to be done."""
        return self.state == "Cached"


def plan(
    job: Job,
    *,
    options: RunOptions | None = None,
    before: Callable[[str], float | None] = lambda stage: None,
) -> list[Step]:
    """Return what a run of `job` would do, from manifests alone. `before` gives a stage's earlier seconds."""
    steps: list[Step] = []

    def make(stage: str, label: str, config: object, **inputs: Place) -> Path | None:
        step, path = _plan_stage(job.workspace, stage, label, config, inputs, options or RunOptions(), before)
        steps.append(step)
        return path

    run_job(job, make)
    return steps


def run_job(job: Job, make: Make, on_lost_page: Callable[[str], None] | None = None) -> Path | None:
    """Make every stage of the job up to its `until`; return the folder of the last stage that is no measurement.

    With `on_lost_page`, the failure of a stage that only shows results (ONLY_SHOW) does not end the job: it is reported
    there.
    """
    last: list[Path | None] = [None]

    def remembering(stage: str, label: str, config: object, **inputs: Place) -> Path | None:
        try:
            made = make(stage, label, config, **inputs)
        except Exception as error:  # any error: it is reported at the end, and the run ends with a status of its own
            is_signal = type(error).__module__.startswith("prefect")
            if on_lost_page is None or stage not in ONLY_SHOW or is_signal:
                raise
            on_lost_page(f"{stage}: {type(error).__name__}: {str(error)[:500]}")
            return last[0]
        if stage not in MEASURED_AFTER:
            last[0] = made
        return made

    made = ending_with(job.request.until, remembering)
    try:
        data = make_dataset(job, made)
        trained = editors(job, data, made)
        told = told_apart_of(job, data, trained, made) if "told_apart" in job.request.measure else {}
        asked = forgetting_of(job, trained, made) if "forgetting" in job.request.measure else {}
        evaluation(job, data, trained, made, told, asked)
    except Reached:
        pass
    return last[0]


def _plan_stage(
    workspace: Path,
    stage: str,
    label: str,
    config: Any,
    inputs: dict[str, Place],
    options: RunOptions,
    before: Callable[[str], float | None],
) -> tuple[Step, Path | None]:
    def step(state: str, reason: str, path: Path | None = None, num_failed: int = 0) -> Step:
        return Step(
            stage=stage,
            label=label,
            state=state,
            reason=reason,
            expected_s=None if state == "Cached" else before(stage),
            path=str(path) if path else None,
            num_failed=num_failed,
        )

    waiting_for = [name for name, place in inputs.items() if place is None]
    if waiting_for:
        return step("waits", f"for {', '.join(waiting_for)}"), None
    key = stage_key(stage, config, opened(_known(inputs)))
    artifact = find_artifact(workspace, stage, key)
    if artifact is None:
        partial = artifact_folder(workspace, stage, label, key)
        partial = partial.with_name(partial.name + ".partial")
        if (shown := in_store(stage, key, options)) is not None:
            return step("fetch", f"is in {shown}"), None
        state = "resume" if partial.exists() else "build"
        return step(state, "was cut off" if partial.exists() else "not there yet", partial), None
    again = why_again(artifact, options)
    if again is None:
        reason = f"done, {artifact.num_failed} failed rows" if artifact.num_failed else "done"
        return step("Cached", reason, artifact.path, artifact.num_failed), artifact.path
    if again.is_retry:
        return step("retry", again.reason, artifact.path, artifact.num_failed), artifact.path
    return step("rebuild", again.reason, artifact.path), None
