"""verdicts, told_apart and editors of many runs -> `study.json` and `study.md`: the objective study's tables.

Each run brings the inputs `verdicts__START__ARM__SEED`, `told__...` and, where something was trained, `editor__...`.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from evaluation.study import SUBSETS, arm_row, arm_runs, comparisons, diagnostics, told_apart_shares
from evaluation.study_tables import study_page
from modeling.atomic import write_bytes, write_json
from tasks.artifacts import Artifact, Record, Work, read_records
from tasks.config import StudyConfig
from tasks.editor import METRICS
from tasks.stage import stage

RESULT, PAGE = "study.json", "study.md"
Group = tuple[str, str]
"""Start and arm."""


def by_group(inputs: Mapping[str, Artifact], kind: str) -> dict[Group, dict[int, Artifact]]:
    """Return the inputs of one kind: (start, arm) -> seed -> artifact."""
    found: dict[Group, dict[int, Artifact]] = defaultdict(dict)
    for name, artifact in inputs.items():
        of, start, arm, seed = name.split("__")
        if of == kind:
            found[start, arm][int(seed)] = artifact
    return found


def mean_of(facts: list[dict[str, Any]]) -> dict[str, float]:
    """Return the mean of every number over seeds."""
    names = dict.fromkeys(name for each in facts for name in each)
    return {name: round(float(np.mean([each[name] for each in facts if name in each])), 5) for name in names}


@stage
def study(work: Work, config: StudyConfig, **inputs: Artifact) -> None:
    """Gather what is done into tables."""
    judged, told, trained = (by_group(inputs, kind) for kind in ("verdicts", "told", "editor"))
    if not judged:
        raise ValueError("study: no run is done yet.")
    arms = {each.name: asdict(each) for each in config.arms}
    every = [
        arm_runs(start, arm, {seed: list(each.records()) for seed, each in seeds.items()})
        for (start, arm), seeds in judged.items()
    ]
    order = {(start, arm): (start, list(arms).index(arm)) for start, arm in judged}
    every.sort(key=lambda runs: order[runs.start, runs.arm])
    rows: list[Record] = []
    for runs in every:
        group = (runs.start, runs.arm)
        row = arm_row(runs) | {name: value for name, value in arms[runs.arm].items() if name != "name"}
        shares = [shares_of(each) for each in told.get(group, {}).values()]
        logs = [diagnostics(list(read_records(each.path / METRICS))) for each in trained.get(group, {}).values()]
        rows.append(row | {"told_apart": mean_of(shares)} | ({"diagnostics": mean_of(logs)} if logs else {}))
    content = {
        "style": config.style,
        "num_scenes": {name: len(every[0].tables[name, "carried_out"]) for name in SUBSETS},
        "rows": rows,
        "comparisons": comparisons(every, arms),
    }
    write_json(work.path / RESULT, content)
    write_bytes(work.path / PAGE, study_page(content).encode())
    work.funnel = {"runs": sum(len(each.seeds) for each in every), "arms": len(every)}
    work.write_rows({"start": row["start"], "arm": row["arm"], "num_seeds": len(row["seeds"])} for row in rows)


def shares_of(told: Artifact) -> dict[str, float]:
    """Return an editor's shares told apart, by split and kind of the other instruction."""
    found = told_apart_shares(list(told.records()), told.manifest["config"]["kinds"])
    return {name: facts["share"] for name, facts in found.items()}
