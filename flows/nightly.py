"""Every night: evaluate the finished editors that are new, on a frozen test set, and say whether they got worse.

It trains nothing, and the test set never changes by itself. "Before" is the last evaluation of the same recipe with the
same test set and settings; when there is none, the verdict says why. A regression makes the run Failed.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.events import emit_event
from prefect.runtime import flow_run
from prefect.states import Failed, State

from flows.wiring.evaluations import Evaluation, before, evaluations_of, series_of, setting_of
from flows.wiring.frozen_set import frozen_set
from flows.wiring.gate import Verdict, judge, table_of
from flows.wiring.making import as_tasks
from flows.wiring.nightly_job import (
    NightlyRequest,
    config_of,
    evaluate_editor,
    judge_of,
    label_of,
    new_editors,
)
from flows.wiring.running import run_in
from flows.wiring.shown import run_name
from modeling.sheets import markdown_text
from tasks.artifacts.artifact import Artifact, artifacts_of
from tasks.splitting.assignment import NOT_TESTED

REGRESSION = "editaction.regression"
"""Name of the event that automations.yaml waits for."""
NUM_IDS = 10
"""Number of failed items that are named for each reason."""


@flow(name="nightly", flow_run_name=run_name, result_serializer="json")
def nightly(request: NightlyRequest) -> str | State[str]:
    """Evaluate new editors; return the verdict. The run fails when an editor got worse or test pairs are missing."""
    workspace, make = Path(request.workspace), as_tasks(Path(request.workspace))
    # A retry of the flow run tries failed items again: the video of a test pair was mended, say.
    options = replace(request.options, retry_failed=(flow_run.get_run_count() or 0) > 1)
    with run_in(workspace, options):
        evaluated = evaluations_of(workspace)
        test_set = frozen_set(request, evaluated, make) if artifacts_of(workspace, "editor") else None
        if test_set is None:
            return _publish(f"Nothing new: {workspace} has no finished editor with a test set.")
        if test_set.problem:
            return Failed(message=_publish(test_set.problem))
        shards = test_set.shards
        config, classifier = config_of(request), judge_of(request, evaluated, shards)
        setting = setting_of(shards, classifier, config.edits, config.scores)
        editors = new_editors(request, evaluated, setting)
        if not editors:
            return _publish(f"Nothing new: the newest editors were evaluated on {shards.path.name} before.")
        told = [_evaluate(request, editor, shards, classifier, evaluated, setting, make) for editor in editors]
    verdict = _publish(told[0][0], [line for _, lines, _ in told for line in lines])
    if any(is_regression for *_, is_regression in told):
        tell_regression(workspace, verdict)
        return Failed(message=verdict)
    return verdict


def tell_regression(workspace: Path, verdict: str) -> None:
    """Emit the event that automations.yaml sends on."""
    of_night = {"prefect.resource.id": "editaction.nightly", "prefect.resource.name": str(workspace)}
    emit_event(REGRESSION, resource=of_night, payload={"verdict": verdict})


def _evaluate(
    request: NightlyRequest,
    editor: Artifact,
    shards: Artifact,
    classifier: Artifact,
    evaluated: list[Evaluation],
    setting: Any,
    make: Any,
) -> tuple[str, list[str], bool]:
    """Evaluate one editor; return the verdict, the lines of its page in Markdown, and whether it failed the gate."""
    scores, report = evaluate_editor(request, editor, shards, classifier, make)
    series = series_of(editor.path.name)
    now = Evaluation(series=series, editor=editor.digest, label=label_of(series), setting=setting, scores=scores)
    rows = [row for row in shards.records() if row["split"] not in NOT_TESTED]
    earlier = before(evaluated, now)
    records = [row for row in scores.records() if row["editor"] == now.label]
    past = []
    if isinstance(earlier, Evaluation):
        past = [row for row in earlier.scores.records() if row["editor"] == earlier.label]
    verdict = judge(past, records, {row["segment_id"]: row["video_id"] for row in rows}, len(rows), request.margins)
    if verdict.rows:
        told = markdown_text(f"{series}, paired")
        create_table_artifact(table_of(verdict.rows), key=f"nightly-{_key(series)}", description=told)
    if report is not None:
        create_link_artifact((report / "report.html").resolve().as_uri(), key=f"nightly-report-{_key(series)}")
    told = _verdict_line(editor, earlier, verdict)
    texts = [told, *_leak_line(request, editor, {row["segment_id"] for row in rows}), *_failed_lines(scores)]
    where = f"Report: {(report / 'report.html').resolve()}" if report is not None else ""
    return told, page_lines(texts, verdict, where), verdict.is_regression


def page_lines(texts: Iterable[str], verdict: Verdict, where: str) -> list[str]:
    """Return the lines of an editor's part of the page, in Markdown that shows all texts as they are."""
    return [*map(markdown_text, texts), "", *_table_lines(verdict), markdown_text(where)]


def _verdict_line(editor: Artifact, earlier: Evaluation | str, verdict: Verdict) -> str:
    """Return the verdict in one line: a regression with its reasons, no regression, or why nothing can be compared."""
    name = editor.path.name
    if verdict.problems:
        return f"REGRESSION of {name}: {'; '.join(verdict.problems)}."
    if isinstance(earlier, str):
        return f"{name}: not comparable, because {earlier}."
    return f"{name}: no regression against the evaluation {earlier.scores.path.name}."


def _leak_line(request: NightlyRequest, editor: Artifact, tested: set[str]) -> list[str]:
    """Warn of test pairs that the editor was trained on; this needs its training shards."""
    for shards in artifacts_of(Path(request.workspace), "shards"):
        if shards.digest == editor.manifest["inputs"]["shards"]["digest"]:
            seen = {row["segment_id"] for row in shards.records() if row["split"] == "train"} & tested
            return [f"Warning: it was trained on {len(seen)} of the {len(tested)} test pairs."] if seen else []
    return []


def _failed_lines(scores: Artifact) -> list[str]:
    """Return each reason of failed pairs with its count and first ids."""
    failed = [row for row in scores.rejected() if row["status"] == "failed"]
    counts = Counter(row["reason"] for row in failed)
    lines = []
    for reason, number in sorted(counts.items()):
        ids = [row["segment_id"] for row in failed if row["reason"] == reason][:NUM_IDS]
        lines.append(f"{number} failed: {reason} ({', '.join(ids)}).")
    return lines


def _table_lines(verdict: Verdict) -> list[str]:
    table = table_of(verdict.rows)
    if not table:
        return []
    lines = [table_line(table[0]), "|" + "---|" * len(table[0])]
    return [*lines, *(table_line(row.values()) for row in table), ""]


def table_line(cells: Iterable[object]) -> str:
    """Return one line of a Markdown table; nothing in a cell ends it or is read as a link."""
    return "| " + " | ".join(map(markdown_text, cells)) + " |"


def _publish(verdict: str, page: Iterable[str] = ()) -> str:
    """Write the night's page, lines of Markdown, or the verdict alone; return the verdict."""
    text = "\n".join(page) or markdown_text(verdict)
    create_markdown_artifact(text, key="nightly", description="The night's verdict")
    return verdict


def _key(series: str) -> str:
    """Return a name as Prefect's artifact keys take it: lower case letters, digits and dashes."""
    return "".join(
        character if character.isascii() and character.isalnum() else "-" for character in series.lower()
    ).strip("-")
