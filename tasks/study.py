"""verdicts, told_apart and editors of many runs -> `study.json` and `study.md`: the objective study's tables.

Each run brings the input `verdicts__START__ARM__SEED` and, where there are such, `told__...` and `editor__...`.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict

from evaluation.study import JudgedRun, diagnostics, study_content, told_apart_shares
from evaluation.study_tables import study_page
from modeling.atomic import write_bytes, write_json
from modeling.runs.log import METRICS
from tasks.artifacts.artifact import Artifact, read_records
from tasks.artifacts.stage import stage
from tasks.artifacts.work import Work
from tasks.config import StudyConfig

RESULT, PAGE = "study.json", "study.md"


def judged_run(start: str, arm: str, seed: int, artifacts: Mapping[str, Artifact]) -> JudgedRun:
    """Read what became of one run: `artifacts` are its verdicts and, where there are such, `told` and `editor`."""
    told, editor = artifacts.get("told"), artifacts.get("editor")
    return JudgedRun(
        start=start,
        arm=arm,
        seed=seed,
        verdicts=list(artifacts["verdicts"].records()),
        told_apart=told_apart_shares(list(told.records()), told.manifest["config"]["kinds"]) if told else {},
        diagnostics=diagnostics(list(read_records(editor.path / METRICS))) if editor else {},
    )


def judged_runs(inputs: Mapping[str, Artifact]) -> list[JudgedRun]:
    """Return the runs of the stage's inputs."""
    of_run: dict[tuple[str, str, int], dict[str, Artifact]] = defaultdict(dict)
    for name, artifact in inputs.items():
        kind, start, arm, seed = name.split("__")
        of_run[start, arm, int(seed)][kind] = artifact
    return [judged_run(*run, artifacts) for run, artifacts in of_run.items()]


@stage
def study(work: Work, config: StudyConfig, **inputs: Artifact) -> None:
    """Gather what is done into tables."""
    runs = judged_runs(inputs)
    if not runs:
        raise ValueError("study: no run is done yet.")
    content = study_content(config.style, {each.name: asdict(each) for each in config.arms}, runs)
    write_json(work.path / RESULT, content)
    write_bytes(work.path / PAGE, study_page(content).encode())
    work.funnel = {"runs": len(runs), "arms": len(content["rows"])}
    work.write_rows(
        {"start": row["start"], "arm": row["arm"], "num_seeds": len(row["seeds"])} for row in content["rows"]
    )
