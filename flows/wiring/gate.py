"""Two evaluations of the same test set -> a verdict: counts exact, each gated measure by its paired interval.

A measure is worse when its mean fell by at least the stated margin and its whole interval is below zero. So neither
noise nor an unimportant fall raises an alarm.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from evaluation.statistics.clustered import Difference, clustered_difference
from tasks.artifacts.artifact import Record

MEASURES = {
    "carried_out": "action carried out",
    "kept": "rest of the scene kept",
    "match_gt": "action as in the ground truth (A)",
    "label": "action as labelled (B)",
}
"""Compared columns of the scores' records -> their printed names."""
NUM_ROWS = 10
"""Rows of the published table."""

Pair = tuple[str, str]
"""Split and segment."""


@dataclass(frozen=True, kw_only=True)
class Margins:
    """Percentage points that each measure may fall; a measure with None is shown but does not affect the gate."""

    carried_out: float | None = 1.0
    """The kitchen's oracle: actions carried out."""
    kept: float | None = 1.0
    """The kitchen's oracle: rest of the scene kept."""
    match_gt: float | None = 1.0
    """Accuracy A, against the ground truth's action."""
    label: float | None = 1.0
    """Accuracy B, against the label."""

    __pydantic_config__: ClassVar[dict[str, bool]] = {"use_attribute_docstrings": True}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measure on one split."""

    split: str
    measure: str
    before: float
    """Percent."""
    now: float
    """Percent."""
    difference: Difference
    """Difference in percentage points."""
    is_worse: bool
    """True when the measure is worse by its margin and its interval."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The result of the gate."""

    rows: list[Row]
    """Most important first."""
    problems: list[str] = field(default_factory=list)
    """Reasons for a failure; empty: the gate is passed."""

    @property
    def is_regression(self) -> bool:
        """True when the run must fail."""
        return bool(self.problems)


def judge(
    before: Sequence[Record], now: Sequence[Record], video_of: Mapping[str, str], num_expected: int, margins: Margins
) -> Verdict:
    """Compare the records of one editor's scores with those of the one before it, pair by pair.

    `video_of`: the video of each segment. `num_expected`: number of pairs of the test set; all of them must be scored.
    """
    problems = []
    num_now = len({(row["split"], row["segment_id"]) for row in now})
    if num_now != num_expected:
        problems.append(f"{num_now} of {num_expected} test pairs were scored")
    rows = []
    for measure in MEASURES:
        old, new = _by_split(before, measure), _by_split(now, measure)
        if getattr(margins, measure) is not None:
            problems += _lost(measure, old, new)
        for split in sorted(new.keys() & old.keys()):
            row = _compare(split, measure, old[split], new[split], video_of, getattr(margins, measure))
            if row is not None:
                rows.append(row)
    rows.sort(key=lambda row: not row.is_worse)
    problems += [
        f"{MEASURES[row.measure]} on {row.split} fell by {-row.difference.mean:.1f} points{_interval(row.difference)}"
        for row in rows
        if row.is_worse
    ]
    return Verdict(rows=rows[:NUM_ROWS], problems=problems)


def _lost(measure: str, old: Mapping[str, Mapping[str, float]], new: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Name the splits with pairs that the measure judged before and does not judge now; what judges them is gone."""
    lost = {split: len(values.keys() - new.get(split, {}).keys()) for split, values in old.items()}
    return [
        f"{MEASURES[measure]} on {split}: {number} of {len(old[split])} pairs that had a value have none"
        for split, number in sorted(lost.items())
        if number
    ]


def _by_split(records: Sequence[Record], measure: str) -> dict[str, dict[str, float]]:
    """Return the percentage of right edits of each pair over its seeds: split -> segment -> percent."""
    outcomes: dict[Pair, list[float]] = defaultdict(list)
    for row in records:
        if row.get(measure) is not None:
            outcomes[row["split"], row["segment_id"]].append(100.0 * row[measure])
    by_split: dict[str, dict[str, float]] = defaultdict(dict)
    for (split, segment_id), values in outcomes.items():
        by_split[split][segment_id] = float(np.mean(values))
    return by_split


def _compare(
    split: str,
    measure: str,
    old: Mapping[str, float],
    new: Mapping[str, float],
    video_of: Mapping[str, str],
    margin: float | None,
) -> Row | None:
    common = sorted(old.keys() & new.keys())
    if not common:
        return None
    difference = clustered_difference([new[pair] - old[pair] for pair in common], [video_of[pair] for pair in common])
    is_worse = margin is not None and difference.mean <= -margin and difference.mean < 0
    is_worse = is_worse and (difference.high is None or difference.high < 0)
    means = [float(np.mean([values[pair] for pair in common])) for values in (old, new)]
    return Row(split=split, measure=measure, before=means[0], now=means[1], difference=difference, is_worse=is_worse)


def table_of(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the rows as Prefect's table artifacts take them."""
    return [
        {
            "measure": MEASURES[row.measure],
            "split": row.split,
            "before %": round(row.before, 1),
            "now %": round(row.now, 1),
            "difference": f"{row.difference.mean:+.1f}{_interval(row.difference)}",
            "pairs (videos)": f"{row.difference.num_pairs} ({row.difference.num_videos})",
            "verdict": "worse" if row.is_worse else "no regression",
        }
        for row in rows
    ]


def _interval(difference: Difference) -> str:
    if difference.low is None or difference.high is None:
        return ""
    # With few videos the interval can be wider than the range of shares.
    return f" [{max(difference.low, -100):+.1f}, {min(difference.high, 100):+.1f}]"
