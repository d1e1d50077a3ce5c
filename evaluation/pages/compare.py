"""Two tables of pair scores -> the changes from the first to the second, with intervals and the smallest visible
change.

Each editor is compared with itself, split by split, on the pairs that both files have, with intervals clustered by
video. Holm's correction covers all changes of a split, so that one chance result among many does not count.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.scoring.measures import MEASURES, Measure
from evaluation.scoring.pair_table import Split
from evaluation.statistics.clustered_mean import Mean
from evaluation.statistics.paired_tests import difference_mean, holm


@dataclass(frozen=True, kw_only=True)
class Change:
    """One measure of one editor, second minus first, in the unit of print."""

    split: str
    editor: str
    measure: Measure
    first: float
    second: float
    difference: Mean
    """Mean difference in the Parquet's unit; it is printed times measure.factor."""
    p_holm: float

    @property
    def is_shown(self) -> bool:
        """Whether these pairs show that anything changed."""
        return self.p_holm < 0.05

    @property
    def is_worse(self) -> bool:
        """Whether it is shown that the second is worse."""
        falls = "↑" in self.measure.meaning and self.difference.mean < 0
        rises = "↓" in self.measure.meaning and self.difference.mean > 0
        return self.is_shown and (falls or rises)


def compare(first: Sequence[Split], second: Sequence[Split]) -> list[Change]:
    """Return the changes of all editors that both have; ValueError where they share no split, editor or pair."""
    changes: list[Change] = []
    of_second = {pairs.split: (pairs, candidates) for pairs, candidates in second}
    for pairs, candidates in first:
        if pairs.split in of_second:
            changes += _changes((pairs, candidates), of_second[pairs.split])
    if not changes:
        raise ValueError("The two files share no editor on the same pairs of the same split: nothing to compare.")
    return changes


def _changes(first: Split, second: Split) -> list[Change]:
    (pairs, candidates), (other_pairs, others) = first, second
    place_of = {segment_id: place for place, segment_id in enumerate(other_pairs.segment_ids)}
    shared = [place for place, segment_id in enumerate(pairs.segment_ids) if segment_id in place_of]
    if not shared:
        return []
    there = [place_of[pairs.segment_ids[place]] for place in shared]
    videos = [pairs.video_ids[place] for place in shared]
    by_label = {other.editor: other for other in others if other.kind == "editor"}
    compared_values: list[tuple[str, Measure, float, float, Mean]] = []
    for candidate in candidates:
        other = by_label.get(candidate.editor)
        for measure in MEASURES if other is not None and candidate.kind == "editor" else ():
            one, two = candidate.by_training(measure.column), other.by_training(measure.column) if other else None
            if one is None or two is None:
                continue
            difference = difference_mean(two[there], one[shared], videos)
            if difference is not None and difference.freedom > 0:
                means = (float(np.nanmean(one[shared])), float(np.nanmean(two[there])))
                compared_values.append((candidate.name, measure, *means, difference))
    adjusted = holm([change[4].p for change in compared_values])
    return [
        Change(
            split=pairs.split,
            editor=name,
            measure=measure,
            first=measure.factor * one,
            second=measure.factor * two,
            difference=difference,
            p_holm=p,
        )
        for (name, measure, one, two, difference), p in zip(compared_values, adjusted, strict=True)
    ]


def change_rows(changes: Sequence[Change]) -> list[tuple[str, ...]]:
    """Return the changes as rows of text, heading first."""
    head = ("split", "editor", "measure", "first", "second", "change", "95 % interval", "p, Holm", "n shows", "verdict")
    rows: list[tuple[str, ...]] = [head]
    for change in changes:
        factor, mean = change.measure.factor, change.difference
        verdict = "worse" if change.is_worse else "changed" if change.is_shown else "not shown"
        if change.is_shown and not change.is_worse and set("↑↓") & set(change.measure.meaning):
            verdict = "better"
        rows.append(
            (
                change.split,
                change.editor,
                change.measure.heading,
                f"{change.first:.4g}",
                f"{change.second:.4g}",
                f"{factor * mean.mean:+.4g}",
                f"{factor * mean.low:.4g} to {factor * mean.high:.4g}",
                f"{change.p_holm:.3g}",
                f"{factor * mean.smallest_visible:.4g}",
                verdict,
            )
        )
    return rows
