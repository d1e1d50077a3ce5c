"""Two tables of pair scores -> the changes from the first to the second, with intervals and the smallest visible
change.

Each editor is compared with itself, split by split, on the pairs that both files have, with intervals clustered by
video. Measures of features are compared where both files have them on the same network, weights and preprocessing,
accuracies where one classifier told both.
Holm's correction covers all changes of a split, so that one chance result among many does not count.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.scoring.measures import MEASURES, NETWORKS, Measure
from evaluation.scoring.networks import headings, network_of
from evaluation.scoring.pair_table import Split
from evaluation.statistics.clustered_mean import Mean
from evaluation.statistics.paired_tests import difference_mean, holm


@dataclass(frozen=True, kw_only=True)
class Change:
    """One measure of one editor, second minus first, in the unit of print."""

    split: str
    editor: str
    measure: Measure
    heading: str
    """As printed: with the network of features where there are several."""
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


ACCURACIES = ("match_gt", "label")
"""Columns that a classifier tells."""
Header = Mapping[str, Any]
"""What scores.json has beside its splits: the names of the networks of features among it."""


def compare(first: tuple[Sequence[Split], Header], second: tuple[Sequence[Split], Header]) -> list[Change]:
    """Return the changes of all editors that both have; ValueError where they share no split, editor or pair.

    Each: the splits of a file and its header (`read_pair_table`).
    """
    changes: list[Change] = []
    shared = shared_measures(first[1], second[1])
    of_second = {pairs.split: (pairs, candidates) for pairs, candidates in second[0]}
    for pairs, candidates in first[0]:
        if pairs.split in of_second:
            changes += _changes((pairs, candidates), of_second[pairs.split], shared, second[1])
    if not changes:
        raise ValueError(
            "The two files share no editor on the same pairs of the same split, or pairs of one video alone, which "
            "give no interval: nothing to compare."
        )
    return changes


def unmatched(first: Sequence[Split], second: Sequence[Split]) -> list[str]:
    """Return in words the splits, editors and pairs that only one of two files has, so that they are left out."""
    one, other = ({split[0].split: split for split in side} for side in (first, second))
    told = [f"split {split}, which only one of the two has" for split in sorted(one.keys() ^ other.keys())]
    for split in sorted(one.keys() & other.keys()):
        sides = one[split], other[split]
        labels = [{entry.editor for entry in candidates if entry.kind == "editor"} for _, candidates in sides]
        told += [f"{label} on {split}, which only one of the two has" for label in sorted(labels[0] ^ labels[1])]
        pairs = [set(pairs.segment_ids) for pairs, _ in sides]
        if num_alone := len(pairs[0] ^ pairs[1]):
            told.append(
                f"{num_alone} pairs of {split} that only one of the two has; {len(pairs[0] & pairs[1])} are shared"
            )
    return told


def shared_measures(first: Header, second: Header) -> list[tuple[Measure, Measure]]:
    """Return each measure of the first file with the second's, if the same network or classifier took both."""
    known = {(measure.base, network_of(measure, second)): measure for measure in reversed(MEASURES)}
    pairs = [(measure, known.get((measure.base, network_of(measure, first)))) for measure in MEASURES]
    accuracies = ACCURACIES if _other_classifier(first, second) else ()
    return [(measure, other) for measure, other in pairs if other is not None and other.column not in accuracies]


def _other_classifier(first: Header, second: Header) -> bool:
    """Tell whether two classifiers saw the edits: what each is right about differs."""
    return first.get("classifier") != second.get("classifier")


def not_compared(first: Header, second: Header) -> list[str]:
    """Return in words what only one of two files has, so that its numbers are not compared."""
    networks = sorted(
        {str(header[name]) for header in (first, second) for name in NETWORKS if name in header}
        - {network_of(measure, second) for _, measure in shared_measures(first, second)}
    )
    told = [f"measures on {network}, which only one of the two has" for network in networks]
    return told + (["accuracies, which two different classifiers told"] if _other_classifier(first, second) else [])


def _changes(first: Split, second: Split, measures: Sequence[tuple[Measure, Measure]], header: Header) -> list[Change]:
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
        for of_first, measure in measures if other is not None and candidate.kind == "editor" else ():
            one, two = candidate.by_training(of_first.column), other.by_training(measure.column) if other else None
            if one is None or two is None:
                continue
            difference = difference_mean(two[there], one[shared], videos, bounds=measure.bounds)
            if difference is not None and difference.freedom > 0:
                means = (float(np.nanmean(one[shared])), float(np.nanmean(two[there])))
                compared_values.append((candidate.name, measure, *means, difference))
    adjusted = holm([change[4].p for change in compared_values])
    shown = headings([change[1] for change in compared_values], header)
    return [
        Change(
            split=pairs.split,
            editor=name,
            measure=measure,
            heading=heading,
            first=measure.factor * one,
            second=measure.factor * two,
            difference=difference,
            p_holm=p,
        )
        for (name, measure, one, two, difference), p, heading in zip(compared_values, adjusted, shown, strict=True)
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
                change.heading,
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
