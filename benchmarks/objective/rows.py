"""Verdicts of many editors -> rows and comparisons of arms. Pure: records in, plain data out.

An arm is a way to train; its editors differ in the training seed alone and edit the same scenes. Scenes are those of
two subsets: `seen`, the random test set, and `unseen`, the combinations of verb and thing that nobody is trained on.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.statistics.crossed import Estimate, estimate_over_seeds, paired_difference, share_estimate

Record = Mapping[str, Any]
Facts = dict[str, Any]
SUBSETS = ("seen", "unseen")
MEASURES = ("carried_out", "kept")
EQUAL_COMPUTE = 0.07
"""Two computes count as equal when they differ by at most this share."""


@dataclass(frozen=True, kw_only=True)
class JudgedRun:
    """The results of one editor, or of an untouched start."""

    start: str
    arm: str
    seed: int
    """Training seed."""
    verdicts: Sequence[Record]
    """One record per scene: segment_id, split, verb, carried_out, kept."""
    told_apart: Mapping[str, float]
    """The result of `told_apart_shares`; empty where that was not measured."""
    diagnostics: Mapping[str, float]
    """The result of `diagnostics`; empty for an untouched start."""


@dataclass(frozen=True, kw_only=True)
class ArmRuns:
    """The oracle's verdicts on one arm from one start."""

    start: str
    arm: str
    seeds: tuple[int, ...]
    tables: Mapping[tuple[str, str], NDArray[np.float64]]
    """(subset, measure) -> [scenes, seeds], scenes in the order of their ids."""
    verbs: Mapping[str, tuple[str, ...]]
    """subset -> the verb of each of its scenes."""


def subset_of(record: Record) -> str:
    """Return the subset that a scene is in."""
    return "unseen" if record["split"].startswith("unseen") else "seen"


def arm_runs(start: str, arm: str, by_seed: Mapping[int, Sequence[Record]]) -> ArmRuns:
    """Gather one arm's verdicts; a scene that a seed lacks is left out of all of its seeds."""
    seeds = tuple(sorted(by_seed))
    of_seed = {seed: {row["segment_id"]: row for row in by_seed[seed]} for seed in seeds}
    scenes = sorted(set.intersection(*(set(rows) for rows in of_seed.values())))
    tables, verbs = {}, {}
    for subset in SUBSETS:
        members = [scene for scene in scenes if subset_of(of_seed[seeds[0]][scene]) == subset]
        verbs[subset] = tuple(of_seed[seeds[0]][scene]["verb"] for scene in members)
        for measure in MEASURES:
            values = [[float(of_seed[seed][scene][measure]) for seed in seeds] for scene in members]
            tables[subset, measure] = np.array(values, dtype=np.float64).reshape(len(members), len(seeds))
    return ArmRuns(start=start, arm=arm, seeds=seeds, tables=tables, verbs=verbs)


def percent(estimate: Estimate) -> Facts:
    """Return an estimate of a share, or of a difference of shares, in percent or points."""
    facts = asdict(estimate)
    return facts | {name: round(100 * facts[name], 2) for name in ("mean", "low", "high")}


def arm_row(runs: ArmRuns) -> Facts:
    """Return the results of one arm: each subset's measures with their intervals, and carried out seed by seed."""
    row: Facts = {"start": runs.start, "arm": runs.arm, "seeds": list(runs.seeds)}
    for (subset, measure), table in runs.tables.items():
        if len(table) < 2:
            continue
        row[f"{subset}_{measure}"] = percent(share_estimate(table))
        if measure == "carried_out":
            row[f"{subset}_by_seed"] = [round(100 * float(share), 2) for share in table.mean(axis=0)]
            row[f"{subset}_by_verb"] = by_verb(table, runs.verbs[subset])
            if len(runs.seeds) > 1:
                row[f"{subset}_over_seeds"] = percent(estimate_over_seeds(table))
    return row


def by_verb(table: NDArray[np.float64], verbs: Sequence[str]) -> Facts:
    """Return each verb's share in percent and its number of scenes. A held-out combination belongs to one verb."""
    rows = {verb: [place for place, of_scene in enumerate(verbs) if of_scene == verb] for verb in sorted(set(verbs))}
    return {
        verb: {"percent": round(100 * float(table[places].mean()), 2), "num_scenes": len(places)}
        for verb, places in rows.items()
    }


def comparison(runs: ArmRuns, reference: ArmRuns) -> Facts | None:
    """Return arm minus reference on the seeds that both have; None where there is none."""
    seeds = [seed for seed in runs.seeds if seed in reference.seeds]
    if not seeds:
        return None
    compared: Facts = {"start": runs.start, "arm": runs.arm, "reference": reference.arm, "seeds": seeds}
    for key, table in runs.tables.items():
        other = reference.tables[key]
        if len(table) < 2 or len(table) != len(other):
            continue
        ours, theirs = (
            values[:, [place.index(seed) for seed in seeds]]
            for values, place in ((table, runs.seeds), (other, reference.seeds))
        )
        first, second = share_estimate(ours), share_estimate(theirs)
        facts = percent(paired_difference(ours, theirs))
        facts["intervals_apart"] = are_apart(first, second)
        if len(seeds) > 1:
            facts["apart_over_seeds"] = are_apart(estimate_over_seeds(ours), estimate_over_seeds(theirs))
        compared["_".join(key)] = facts
    return compared


def are_apart(first: Estimate, second: Estimate) -> bool:
    """Tell whether two intervals have nothing in common."""
    return bool(first.low > second.high or second.low > first.high)


def equal_in(arm: Facts, reference: Facts) -> list[str]:
    """Return what is equal in an arm and a reference: "steps", "compute", both or nothing."""
    equal = ["steps"] if arm["num_steps"] == reference["num_steps"] else []
    if abs(arm["compute"] / reference["compute"] - 1) <= EQUAL_COMPUTE:
        equal.append("compute")
    return equal


def comparisons(every: Iterable[ArmRuns], arms: Mapping[str, Facts]) -> list[Facts]:
    """Compare each trained arm with those of its references, from the same start, that have equal steps or compute.

    `arms`: name -> num_steps, compute and the names of its references.
    """
    gathered = list(every)
    by_name = {(runs.start, runs.arm): runs for runs in gathered}
    compared_arms = []
    for runs in gathered:
        for name in arms[runs.arm]["references"]:
            reference = by_name.get((runs.start, name))
            if reference is None or name == runs.arm or not arms[runs.arm]["num_steps"]:
                continue
            equal = equal_in(arms[runs.arm], arms[name])
            compared = comparison(runs, reference) if equal else None
            if compared is not None:
                compared_arms.append(compared | {"equal_in": equal})
    return compared_arms


def study_content(style: str, arms: Mapping[str, Facts], runs: Iterable[JudgedRun]) -> Facts:
    """Return the study's rows, one for each start and arm in the order of `arms`, and its comparisons.

    `arms`: name -> role, budget, num_steps, compute and references.
    """
    by_arm: dict[tuple[str, str], dict[int, JudgedRun]] = defaultdict(dict)
    for run in runs:
        by_arm[run.start, run.arm][run.seed] = run
    names = list(arms)
    rows, every = [], []
    for (start, name), seeds in sorted(by_arm.items(), key=lambda item: (item[0][0], names.index(item[0][1]))):
        gathered = arm_runs(start, name, {seed: run.verdicts for seed, run in seeds.items()})
        every.append(gathered)
        row = arm_row(gathered) | {key: value for key, value in arms[name].items() if key != "name"}
        told, logs = ([getattr(run, kind) for run in seeds.values()] for kind in ("told_apart", "diagnostics"))
        rows.append(row | {"told_apart": mean_of(told)} | ({"diagnostics": mean_of(logs)} if any(logs) else {}))
    num_scenes = {name: len(every[0].tables[name, "carried_out"]) for name in SUBSETS}
    return {"style": style, "num_scenes": num_scenes, "rows": rows, "comparisons": comparisons(every, arms)}


def mean_of(facts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of every number over the seeds that have it."""
    names = dict.fromkeys(name for of_seed in facts for name in of_seed)
    return {name: round(float(np.mean([of_seed[name] for of_seed in facts if name in of_seed])), 5) for name in names}


def told_apart_shares(records: Sequence[Record], kinds: Sequence[str]) -> dict[str, float]:
    """Return P(e_c < e_c') by split (`seen`, `unseen`) and kind of c', over pairs and draws."""
    shares: dict[str, float] = {}
    for kind in kinds:
        for subset in SUBSETS:
            asked = [row for row in records if subset_of(row) == subset and row[kind] is not None]
            if asked:
                right = sum(row["own"] < row[kind] for row in asked)
                shares[f"{subset}_{kind}"] = round(right / len(asked), 4)
    return shares


def diagnostics(entries: Sequence[Record], num_last: int = 100) -> Facts:
    """Return the diagnostics in a run's log: gradient ratios, and means over its last steps."""
    facts: Facts = {}
    for name in ("action_gradient_ratio", "reg_gradient_ratio"):
        values = [row[name] for row in entries if name in row]
        if values:
            facts |= {f"{name}_first": values[0], f"{name}_mean": float(np.mean(values)), f"{name}_last": values[-1]}
    last = entries[-num_last:]
    for name in ("static", "difference", "sigmoid", "told_apart"):
        values = [row[name] for row in last if name in row]
        if values:
            facts[f"{name}_end"] = float(np.mean(values))
    fallbacks: dict[str, int] = {}
    for row in entries:
        for name, count in row["fallbacks"].items():
            fallbacks[name] = fallbacks.get(name, 0) + count
    num_drawn = sum(1 for _ in entries)
    facts |= {f"fallback_{name}_per_step": round(count / num_drawn, 3) for name, count in fallbacks.items() if count}
    return {name: round(value, 5) for name, value in facts.items()} | {"skipped": entries[-1]["skipped"]}
