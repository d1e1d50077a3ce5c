"""A run on Prefect's pages: its name and tags, a line for each stage, progress, failures, links.

Nothing here affects the result: the manifests are the truth, and a run without a server does the same work.
"""

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from prefect.artifacts import (
    create_link_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.client.orchestration import get_client
from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Running

from modeling.sheets import markdown_text
from modeling.visible import visible
from tasks.artifacts.artifact import Artifact
from tasks.artifacts.building import StageWatcher

LINE_EVERY_S = 60.0
"""Seconds between two log lines of one stage."""
PROGRESS_EVERY_S = 10.0
"""Seconds between two updates of a progress bar; a stage that is done sooner has none."""
NUM_IDS = 10
"""Number of failed items that are named for each reason."""
LONGEST_NAME = 120
"""Largest number of characters of a run's name."""


def run_name() -> str:
    """Return a run's name: preset, until, and changed settings, such as "demo to editor, editor.num_steps=100"."""
    request = _request()
    name = str(request.get("preset") or flow_run.get_flow_name())
    if request.get("until") and request["until"] != "report":
        name += f" to {request['until']}"
    differs = [f"{key}={value}" for key, value in dict(request.get("settings") or {}).items()]
    differs += [f"{key}={request[key]}" for key in ("start", "training_seeds", "test_set") if request.get(key)]
    return visible(", ".join([name, *differs]))[:LONGEST_NAME]


def run_tags() -> list[str]:
    """Return a run's tags: data set, last stage, methods."""
    request = _request()
    tags = [f"data:{request['preset']}"] if request.get("preset") else []
    tags += [f"until:{request['until']}"] if request.get("until") else []
    return tags + [f"method:{method}" for method in request.get("methods") or ()]


def _request() -> Mapping[str, Any]:
    request = flow_run.get_parameters().get("request") or {}
    return request if isinstance(request, Mapping) else vars(request)


def add_tags() -> None:
    """Add the run's tags on its page to the given ones."""
    if (run_id := flow_run.get_id()) is None:
        return
    with get_client(sync_client=True) as client:
        tags = sorted({*flow_run.get_tags(), *run_tags()})
        client._client.patch(f"/flow_runs/{run_id}", json={"tags": tags}).raise_for_status()


class RunPage:
    """Shows the stages of a run on its page, and forwards everything to another watcher, if there is one."""

    def __init__(self, inner: StageWatcher | None):
        self.inner = inner
        self._began: dict[tuple[str, str], float] = {}
        self._line_at: dict[tuple[str, str], float] = {}
        self._bar_at: dict[tuple[str, str], float] = {}
        self._bars: dict[tuple[str, str], UUID] = {}
        self._is_waiting = False

    def started(self, stage: str, label: str) -> None:
        """Log that the stage is being built."""
        now = time.monotonic()
        self._began[stage, label] = self._line_at[stage, label] = self._bar_at[stage, label] = now
        self._waits("")
        _log(f"{stage} {label}: started")
        if self.inner is not None:
            self.inner.started(stage, label)

    def progressed(self, stage: str, label: str, done: int, total: int, note: str) -> None:
        """Update its bar, and log its progress once a minute."""
        key, now = (stage, label), time.monotonic()
        if now - self._line_at.setdefault(key, now) >= LINE_EVERY_S:
            self._line_at[key] = now
            _log(f"{stage} {label}: {done} of {total}{note and f', {note}'}")
        if now - self._bar_at.setdefault(key, now) >= PROGRESS_EVERY_S and total:
            self._bar_at[key] = now
            self._move_bar(key, 100.0 * done / total)
        if self.inner is not None:
            self.inner.progressed(stage, label, done, total, note)

    def waiting(self, stage: str, label: str, holder: str, seconds: float) -> None:
        """Show the run as Waiting, with the run that it waits for."""
        message = f"{stage} {label}: waits for {holder}, which builds the same"
        self._waits(message)
        _log(message)
        if self.inner is not None:
            self.inner.waiting(stage, label, holder, seconds)

    def told(self, stage: str, label: str, message: str) -> None:
        """Log it."""
        _log(f"{stage} {label}: {message}")
        if self.inner is not None:
            self.inner.told(stage, label, message)

    def finished(self, stage: str, label: str, artifact: Artifact, cached: bool) -> None:
        """Log the result; list the failed items."""
        self._waits("")
        _log(stage_line(stage, label, artifact, cached))
        if (stage, label) in self._bars:
            self._move_bar((stage, label), 100.0)
        if not cached and artifact.num_failed:
            create_table_artifact(
                failed_table(artifact), key=f"failed-{artifact_key(stage)}", description=markdown_text(artifact.path)
            )
        if stage == "report":
            create_link_artifact((artifact.path / "report.html").resolve().as_uri(), link_text="Report", key="report")
            folder = artifact.path.parents[1].resolve().as_uri()
            create_link_artifact(folder, link_text="Workspace", key="workspace")
        if self.inner is not None:
            self.inner.finished(stage, label, artifact, cached)

    def _move_bar(self, key: tuple[str, str], percent: float) -> None:
        if key in self._bars:
            update_progress_artifact(self._bars[key], progress=percent)
            return
        name = markdown_text(" ".join(key))
        made: Any = create_progress_artifact(percent, key=f"progress-{artifact_key(key[0])}", description=name)
        self._bars[key] = made

    def _waits(self, message: str) -> None:
        """Let the run's state be Waiting, or Running again where it was."""
        run_id = flow_run.get_id()
        if run_id is None or bool(message) == self._is_waiting:
            return
        self._is_waiting = bool(message)
        state: Any = Running(name="Waiting", message=message) if message else Running()
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(UUID(run_id), state, force=True)


def stage_line(stage: str, label: str, artifact: Artifact, cached: bool) -> str:
    """Return the log line of a stage's end: rows in, kept, filtered, failed by reason, seconds, path."""
    counts = artifact.manifest["counts"]
    parts = [f"{counts['input']} rows in", f"{counts['kept']} kept"]
    for word in ("filtered", "failed"):
        if counts[word]:
            reasons = ", ".join(f"{reason} {number}" for reason, number in counts[word].items())
            parts.append(f"{sum(counts[word].values())} {word} ({reasons})")
    how = "Cached" if cached else f"{artifact.manifest['seconds']:.1f} s"
    return f"{stage} {label}: {', '.join(parts)}; {how}; {artifact.path}"


def failed_table(artifact: Artifact) -> list[dict[str, Any]]:
    """Return the failed items by reason, with the first ids of each."""
    counts: Counter[str] = Counter()
    ids: dict[str, list[str]] = defaultdict(list)
    for row in artifact.rejected():
        if row["status"] == "failed":
            counts[row["reason"]] += 1
            if len(ids[row["reason"]]) < NUM_IDS:
                ids[row["reason"]].append(str(row.get("segment_id", row.get("video_id", ""))))
    return [
        {"reason": visible(reason), "rows": n, "first": visible(", ".join(ids[reason]))}
        for reason, n in counts.most_common()
    ]


def artifact_key(name: str) -> str:
    """Return a name as keys of Prefect's artifacts have to be."""
    return name.replace("_", "-")


def _log(line: str) -> None:
    logger: logging.Logger | logging.LoggerAdapter[Any]
    try:
        logger = get_run_logger()
    except MissingContextError:
        logger = logging.getLogger("editaction")
    logger.info(visible(line))
