"""frames -> the split of every pair: records of (segment_id, split), and `leakage.json`.

Pairs outside the config's quality limits, those of other verbs than it names, and in the disjoint methods those that
share a video or participant with a test pair, are filtered with their reason; so are pairs of a withheld verb or of a
held-out combination of verb and thing that are not tested on, and pairs beyond `num_train`. The paper chose its
long-distance pairs (test100 of HC) by hand; here they are those of a file that a person made, or else the pairs with an
end point whose view moved the most.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from modeling.atomic import write_json
from tasks.annotations.pair_list import recorded_splits
from tasks.artifacts.artifact import Artifact, Outside, Record
from tasks.artifacts.stage import stage
from tasks.artifacts.work import Work
from tasks.config import QualityLimits, SplitsConfig
from tasks.cutting.pixels import MIN_CAMERA_SHIFT
from tasks.cutting.quality import QUALITY_REASONS, poor_quality
from tasks.splitting.assignment import GROUP_COLUMNS, Assignment, assign_splits, is_long_distance
from tasks.splitting.leakage import LEAKAGE, leakage_of
from tasks.splitting.long_distance import Choice, check_choice, read_choice
from tasks.splitting.withheld_verbs import told_withheld

OTHER_VERB = "other_verb"
"""Reason of a pair whose verb is not among `SplitsConfig.verbs`."""
FILTERED = ("segment_id", "video_id", "instruction")
"""Columns that identify a filtered pair."""


def poor_pairs(rows: Iterable[Record], limits: QualityLimits) -> dict[str, str]:
    """Return the pairs outside the limits: segment_id -> reason."""
    reasons = {row["segment_id"]: poor_quality(row, limits) for row in rows}
    return {segment_id: reason for segment_id, reason in reasons.items() if reason is not None}


def pairs_of_other_verbs(rows: Iterable[Record], verbs: Collection[str]) -> dict[str, str]:
    """Return the pairs whose verb is none of `verbs`: segment_id -> reason. ValueError for a verb that no pair has."""
    rows = list(rows)
    missing = sorted(set(verbs) - {row["verb"] for row in rows})
    if missing:
        raise ValueError(
            f"splits: no pair has the verb {missing[0]!r} of SplitsConfig.verbs; `editaction dataset` lists the verbs."
        )
    return {row["segment_id"]: OTHER_VERB for row in rows if verbs and row["verb"] not in verbs}


def read_long_distance(
    outside: Outside | None, rows: list[Record], poor: dict[str, str], num_asked: int
) -> Choice | None:
    """Return the long-distance set that a person chose, if any; ValueError when it does not fit the pairs."""
    if outside is None:
        return None
    choice = read_choice(outside.path)
    check_choice(choice, outside.location, rows, poor)
    if len(choice.segment_ids) != num_asked:
        raise ValueError(
            f"{outside.location} chooses {len(choice.segment_ids)} pairs and num_long_distance is {num_asked}. "
            f"Choose {num_asked}, or say --set splits.num_long_distance={len(choice.segment_ids)}."
        )
    return choice


def told_choice(choice: Choice | None, rows: list[Record]) -> dict[str, Any]:
    """Return how the long-distance set was made."""
    if choice is not None:
        return {"chosen": "by hand", "by": choice.chosen_by or "not said", "how": choice.how or "not said"}
    return {
        "chosen": "automatically",
        "rule": f"an end point, and the largest camera shifts of at least {MIN_CAMERA_SHIFT} of the side",
        "candidates": sum(map(is_long_distance, rows)),
    }


def draw(rows: list[Record], config: SplitsConfig, long_distance: Outside | None) -> tuple[Assignment, dict[str, Any]]:
    """Return the split of every pair by the config, and facts about the assignment."""
    poor = poor_pairs(rows, config.quality)
    other = pairs_of_other_verbs(rows, config.verbs)
    good = [row for row in rows if row["segment_id"] not in poor | other]
    choice = read_long_distance(long_distance, good, poor, config.num_long_distance)
    drawn = assign_splits(good, config, choice.segment_ids if choice is not None else ())
    facts: dict[str, Any] = {"method": config.method}
    if config.num_long_distance:
        facts["long_distance"] = told_choice(choice, good)
    if config.withhold_verbs:
        facts["withheld_verbs"] = told_withheld(good, drawn.splits, config.withhold_verbs)
    if config.method in GROUP_COLUMNS:
        facts["groups"] = GROUP_COLUMNS[config.method][0]
    return Assignment(splits=drawn.splits, left_out=other | poor | drawn.left_out), facts


def take_over(rows: list[Record], path: Path) -> tuple[Assignment, dict[str, Any]]:
    """Return the splits that a list of pairs records, for the pairs that could be cut."""
    recorded = recorded_splits(path)
    return Assignment(splits={row["segment_id"]: recorded[row["segment_id"]] for row in rows}), {"method": "recorded"}


@stage
def splits(
    work: Work,
    config: SplitsConfig,
    *,
    frames: Artifact,
    recorded: Outside | None = None,
    long_distance: Outside | None = None,
) -> None:
    """Assign every pair to a split, or give the reason why it is in none. `recorded`: a list of pairs whose splits are
    kept.
    """
    rows = list(frames.records())
    work.progress(0, len(rows))
    assignment, facts = draw(rows, config, long_distance) if recorded is None else take_over(rows, recorded.path)
    num_poor = sum(reason in QUALITY_REASONS for reason in assignment.left_out.values())
    leakage = leakage_of(rows, assignment.splits)
    write_json(work.path / LEAKAGE, leakage)
    work.funnel = {"pairs": len(rows), "of_good_quality": len(rows) - num_poor, "in_splits": len(assignment.splits)}
    work.facts = facts | {
        "split_sizes": dict(sorted(Counter(assignment.splits.values()).items())),
        "leakage": {split: _in_short(of_split) for split, of_split in leakage.items()},
    }
    work.write_rows(
        (
            {"segment_id": row["segment_id"], "split": assignment.splits[row["segment_id"]]}
            for row in rows
            if row["segment_id"] in assignment.splits
        ),
        (
            {name: row[name] for name in FILTERED}
            | {"status": "filtered", "reason": assignment.left_out[row["segment_id"]]}
            for row in rows
            if row["segment_id"] in assignment.left_out
        ),
    )
    work.progress(len(rows), len(rows))


def _in_short(leakage: dict[str, Any]) -> dict[str, int]:
    return {name: value for name, value in leakage.items() if isinstance(value, int)}
