"""Verdicts of many editors on the same scenes -> the forgetting table: a row per start and method, differences with
Holm.

    results/forgetting_runs.jsonl
        {"scene_id": [...], "set": ["static" | "action", ...], "group": [...]}     the scenes, in the strings' order
        {"start", "method", "seed", "num_steps", "carried_out": "0110...", "kept": "1101..."}      one a run

Pure but for reading and writing that file. Means and intervals are clustered by scene (actions: by video) and count
training seeds as drawn (evaluation/statistics/clustered_mean.py). *Forgotten*: start minus editor, scene by scene.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.recording import RESULTS
from evaluation.statistics.clustered_mean import Mean, clustered_mean
from evaluation.statistics.paired_tests import Difference, difference_mean, holm
from modeling.atomic import write_bytes

RUNS = RESULTS / "forgetting_runs.jsonl"
SETS, MEASURES = ("static", "action"), ("carried_out", "kept")
SCENE = ("scene_id", "set", "group")
UNTOUCHED = "untouched"
Facts = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The oracle's verdicts on one editor, or on an untouched start."""

    start: str
    method: str
    seed: int
    """Training seed."""
    num_steps: int
    scenes: Sequence[Mapping[str, Any]]
    """The columns scene_id, set, group, carried_out and kept, in the order of the ids."""

    @property
    def key(self) -> tuple[str, str, int]:
        """The key of the run."""
        return self.start, self.method, self.seed


def read_runs(path: Path = RUNS) -> list[Judged]:
    """Return the runs of a file; empty when there is no file."""
    if not path.is_file():
        return []
    first, *lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    scenes = [dict(zip(SCENE, values, strict=True)) for values in zip(*(first[name] for name in SCENE), strict=True)]
    return [
        Judged(
            **{name: line[name] for name in ("start", "method", "seed", "num_steps")},
            scenes=[
                scene | {name: line[name][place] == "1" for name in MEASURES} for place, scene in enumerate(scenes)
            ],
        )
        for line in lines
    ]


def remember(new: Iterable[Judged], path: Path = RUNS) -> list[Judged]:
    """Add runs to the file, and replace those with the same key; ValueError when they have other scenes."""
    runs = {run.key: run for run in (*read_runs(path), *new)}
    ordered = [runs[key] for key in sorted(runs)]
    lines: list[Facts] = []
    for run in ordered:
        scenes = {name: [scene[name] for scene in run.scenes] for name in SCENE}
        if not lines:
            lines.append(scenes)
        if scenes != lines[0]:
            raise ValueError(f"{run.key} is of other scenes than {ordered[0].key}. Remove {path}, and begin anew.")
        line: Facts = {"start": run.start, "method": run.method, "seed": run.seed, "num_steps": run.num_steps}
        lines.append(line | {name: "".join(str(int(scene[name])) for scene in run.scenes) for name in MEASURES})
    if lines:
        write_bytes(path, "".join(json.dumps(line) + "\n" for line in lines).encode())
    return ordered


def table_of(runs: Sequence[Judged], of_set: str, measure: str) -> tuple[NDArray[np.float64], list[str]]:
    """Return [scenes, seeds] of one method and the group of each scene."""
    places = [place for place, scene in enumerate(runs[0].scenes) if scene["set"] == of_set]
    values = [[float(run.scenes[place][measure]) for run in runs] for place in places]
    return np.array(values), [str(runs[0].scenes[place]["group"]) for place in places]


def percent(mean: Mean | None) -> Facts | None:
    """Return a mean in percent, or points, with its interval."""
    return None if mean is None else {name: round(100 * getattr(mean, name), 2) for name in ("mean", "low", "high")}


def points(difference: Difference) -> Facts:
    """Return a difference in points with its interval, p, Holm's p, and the smallest visible difference."""
    mean = difference.estimate
    told = percent(mean) or {}
    told |= {"p": round(difference.p, 5), "p_holm": round(difference.p_holm, 5)}
    return told | {"smallest_visible": round(100 * mean.smallest_visible, 1), "is_shown": difference.is_shown}


def forgetting_rows(runs: Iterable[Judged]) -> list[Facts]:
    """Return one row for each start and method: measures with intervals, what was forgotten, the difference to
    plain.
    """
    by_start: dict[str, dict[str, list[Judged]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        by_start[run.start][run.method].append(run)
    rows = []
    for start, methods in by_start.items():
        for name, every in methods.items():
            row: Facts = {"start": start, "method": name, "seeds": [run.seed for run in every]}
            row |= {"num_steps": every[0].num_steps}
            for of_set in SETS:
                for measure in MEASURES:
                    values, groups = table_of(every, of_set, measure)
                    row[f"{of_set}_{measure}"] = percent(clustered_mean(values, groups, bounds=(0.0, 1.0)))
            rows.append(row)
        for of_set, measure in ((of_set, measure) for of_set in SETS for measure in MEASURES):
            _compare(rows, start, methods, (of_set, measure))
    return rows


def _compare(rows: list[Facts], start: str, methods: Mapping[str, list[Judged]], what: tuple[str, str]) -> None:
    """Add to the rows of a start: editor minus start, minus plain (equal steps, equal compute), minus EditAction.

    Differences use the training seeds that both have. Holm's correction is over the methods of one start and reference.
    """
    of_row = {row["method"]: row for row in rows if row["start"] == start}
    references = {"start": UNTOUCHED, "plain_equal_steps": "finetuned", "plain_equal_compute": "finetuned_x2.1"}
    references["editaction"] = "editaction"
    for told, reference in references.items():
        means: dict[str, Mean] = {}
        for name, every in methods.items():
            if reference not in methods or name in (reference, UNTOUCHED):
                continue
            by_seed = {run.seed: run for run in methods[reference]}
            ours = [run for run in every if reference == UNTOUCHED or run.seed in by_seed]
            if not ours:
                continue
            theirs = [methods[reference][0] if reference == UNTOUCHED else by_seed[run.seed] for run in ours]
            (values, groups), (base, _) = table_of(ours, *what), table_of(theirs, *what)
            mean_difference = difference_mean(values, base, groups, bounds=(0.0, 1.0))
            if mean_difference is not None:
                means[name] = mean_difference
        for (name, mean), p_holm in zip(means.items(), holm([mean.p for mean in means.values()]), strict=True):
            difference = Difference(estimate=mean, p=mean.p, p_holm=p_holm)
            of_row[name].setdefault(f"minus_{told}", {})["_".join(what)] = points(difference)


def measures_of(rows: Iterable[Facts]) -> dict[str, float]:
    """Return the plain numbers: START.METHOD.MEASURE -> percent."""
    return {
        f"{row['start']}.{row['method']}.{of_set}_{measure}_percent": row[f"{of_set}_{measure}"]["mean"]
        for row in rows
        for of_set in SETS
        for measure in MEASURES
        if row[f"{of_set}_{measure}"] is not None
    }


def markdown(rows: Iterable[Facts]) -> str:
    """Return the forgetting table."""

    def told(facts: Facts | None) -> str:
        return "" if facts is None else f"{facts['mean']:.1f} ({facts['low']:.1f} to {facts['high']:.1f})"

    def against(row: Facts, reference: str) -> str:
        facts = row.get(f"minus_{reference}", {}).get("static_carried_out")
        if facts is None:
            return ""
        p = "p < 0.001" if facts["p_holm"] < 0.001 else f"p {facts['p_holm']:.3f}"
        return f"{facts['mean']:+.1f} ({facts['low']:+.1f} to {facts['high']:+.1f}), {p}"

    head = "| start | method | steps | seeds | static carried out | static kept | actions carried out | actions kept |"
    lines = [head + " static, minus start | minus plain, equal steps | minus plain, equal compute |", "|" + "---|" * 11]
    for row in rows:
        cells = [row["start"], row["method"], str(row["num_steps"]), str(len(row["seeds"]))]
        cells += [told(row[f"{of_set}_{measure}"]) for of_set in SETS for measure in MEASURES]
        cells += [against(row, baseline) for baseline in ("start", "plain_equal_steps", "plain_equal_compute")]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
