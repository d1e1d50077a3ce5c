"""The runs of the objective study that are recorded: verdicts scene by scene, so that other machines can go on with it.

    results/objective_runs/STUDY.jsonl, such as lc_500_pairs_300_steps.jsonl
        {"segment_id": [...], "split": [...], "verb": [...]}            the scenes, in the order of the strings below
        {"start", "arm", "seed", "carried_out": "0110...", "kept": "1101...", "told_apart", "diagnostics"}   one a run

Editors stay in the workspace that trained them; what a table needs of them is here.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.objective.rows import MEASURES, JudgedRun, Record
from benchmarks.recording import RESULTS
from modeling.atomic import write_bytes

RUNS = RESULTS / "objective_runs"
"""Folder of the records."""
SCENE = ("segment_id", "split", "verb")


def runs_file(study: str) -> Path:
    """Return the file of a study's runs."""
    return RUNS / f"{study}.jsonl"


def encode(runs: Iterable[JudgedRun]) -> str:
    """Return the text of a file; ValueError when the runs are not of the same scenes."""
    ordered = sorted(runs, key=lambda run: (run.start, run.arm, run.seed))
    scenes = _scenes(_in_order(ordered[0]))
    lines: list[dict[str, Any]] = [{name: [scene[name] for scene in scenes] for name in SCENE}]
    for run in ordered:
        verdicts = _in_order(run)
        if _scenes(verdicts) != scenes:
            raise ValueError(
                f"{run.start} {run.arm} {run.seed} is of other scenes than {ordered[0].start} {ordered[0].arm}: the "
                "study's data has changed. Remove the file, and begin anew."
            )
        line: dict[str, Any] = {"start": run.start, "arm": run.arm, "seed": run.seed}
        line |= {name: "".join(str(int(row[name])) for row in verdicts) for name in MEASURES}
        lines.append(line | {"told_apart": run.told_apart, "diagnostics": run.diagnostics})
    return "".join(json.dumps(line) + "\n" for line in lines)


def decode(text: str) -> list[JudgedRun]:
    """Return the runs of a file's text: the inverse of `encode`."""
    if not text:
        return []
    first, *lines = map(json.loads, text.splitlines())
    scenes = [dict(zip(SCENE, values, strict=True)) for values in zip(*(first[name] for name in SCENE), strict=True)]
    return [
        JudgedRun(
            start=line["start"],
            arm=line["arm"],
            seed=line["seed"],
            verdicts=[
                scene | {name: line[name][number] == "1" for name in MEASURES} for number, scene in enumerate(scenes)
            ],
            told_apart=line["told_apart"],
            diagnostics=line["diagnostics"],
        )
        for line in lines
    ]


def recorded(path: Path) -> list[JudgedRun]:
    """Return the runs of a file; none where there is no file."""
    return decode(path.read_text(encoding="utf-8")) if path.is_file() else []


def remember(path: Path, new: Sequence[JudgedRun]) -> list[JudgedRun]:
    """Add runs to a file. A run replaces the one of the same start, arm and seed. Return all runs of the file."""
    runs = {(run.start, run.arm, run.seed): run for run in (*recorded(path), *new)}
    if runs:
        path.parent.mkdir(exist_ok=True)
        write_bytes(path, encode(runs.values()).encode())
    return list(runs.values())


def _in_order(run: JudgedRun) -> list[Record]:
    return sorted(run.verdicts, key=lambda row: str(row["segment_id"]))


def _scenes(verdicts: Iterable[Record]) -> list[Record]:
    return [{name: row[name] for name in SCENE} for row in verdicts]
