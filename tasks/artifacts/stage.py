"""`@stage` makes a plain stage function a Prefect task; its state is "Cached" when the artifact was there.

The manifest is the truth, and Prefect only shows it. A stage that is already finished returns a Completed state named
"Cached". So a retry, a new run and a run after a kill all skip the same work, with any server or none.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from functools import update_wrapper
from pathlib import Path
from typing import Any

from prefect.assets import add_asset_metadata, materialize
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed, State

from tasks.artifacts.artifact import Artifact, Outside, opened
from tasks.artifacts.building import Build, InputChanged, find_or_build, running_options
from tasks.artifacts.failures import may_pass
from tasks.artifacts.processes import end, spawn
from tasks.config import RunOptions

__all__ = ["StageTask", "end", "spawn", "stage"]

RETRY_AFTER_S = [10.0, 60.0]
"""Seconds before the second and the third try of a stage whose failure may pass by itself."""


def failed_for_a_moment(task: Any, run: Any, state: State) -> bool:
    """Tell Prefect whether a failed stage shall be tried again: only where the same work may go better by itself."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, BaseException) and may_pass(error)


class StageTask:
    """A stage. `build` is its plain function; `run` finds or builds the artifact without Prefect; a call does so as a
    Prefect task.
    """

    def __init__(self, build: Build):
        self.build = build
        self.name = build.__name__
        update_wrapper(self, build)
        # a placeholder without workspace; each call names its own asset
        self._task: Any = materialize(
            f"editaction://none/{self.name}",
            name=self.name,
            task_run_name=self.name + ":{label}",
            cache_policy=NO_CACHE,
            result_serializer="json",
            retries=len(RETRY_AFTER_S),
            retry_delay_seconds=RETRY_AFTER_S,
            retry_condition_fn=failed_for_a_moment,
        )(self._shown)

    def run(
        self,
        workspace: Path,
        label: str,
        config: Any,
        *,
        options: RunOptions | None = None,
        **inputs: Path | Outside,
    ) -> Artifact:
        """Find or build the artifact without Prefect. Each input is an artifact's folder or an Outside."""
        token = running_options.set(options) if options is not None else None
        try:
            return self._find_or_build(workspace, label, config, inputs)[0]
        finally:
            if token is not None:
                running_options.reset(token)

    def __call__(self, workspace: Path, label: str, config: Any, **inputs: Path | Outside) -> Path:
        """Find or build the artifact as a Prefect task; return its folder."""
        # A direct call returns the path when built and the State when cached: unwrapped here and nowhere else.
        as_asset = self._task.with_options(
            assets=[asset_key(workspace, f"{self.name}/{label}")],
            asset_deps=[
                asset_key(workspace, f"{input_.parent.name}/{input_.name[:-9]}")  # without the key's 8 digits
                for input_ in inputs.values()
                if isinstance(input_, Path)
            ],
        )
        result: Any = as_asset(workspace, label, config, inputs)
        return Path(result.result() if isinstance(result, State) else result)

    def _shown(self, workspace: Path, label: str, config: Any, inputs: dict[str, Path | Outside]) -> Any:
        artifact, cached = self._find_or_build(workspace, label, config, inputs)
        if not cached:
            told = {name: artifact.manifest[name] for name in ("digest", "key", "counts")}
            add_asset_metadata(asset_key(workspace, f"{self.name}/{label}"), told | {"path": str(artifact.path)})
        return Completed(name="Cached", data=str(artifact.path)) if cached else str(artifact.path)

    def _find_or_build(
        self, workspace: Path, label: str, config: Any, inputs: dict[str, Path | Outside]
    ) -> tuple[Artifact, bool]:
        while True:
            with suppress(InputChanged):  # build once more from the present inputs
                return find_or_build(self.build, self.name, workspace, label, config, opened(inputs))


def asset_key(workspace: Path, name: str) -> str:
    """Return the key of an artifact among Prefect's assets; it holds the workspace's name, not its path."""
    return re.sub(r"[^A-Za-z0-9_.:/-]", "_", f"editaction://{workspace.resolve().name}/{name}")


def stage(build: Callable[..., None]) -> StageTask:
    """Make the stage named like the function `build(work, config, **inputs)`."""
    return StageTask(build)
