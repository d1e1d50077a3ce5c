"""Values of every test pair -> the rows of a score table, as plain JSON numbers with intervals and differences.

A row is an editor, or a reference that frames every editor: the copy of the input (an editor that does nothing must
not look good), the ground truth (what the best possible editor would score), and the ground truth through the editor's
autoencoder (what no editor with this autoencoder can beat).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evaluation.metrics.fid import Features, fid
from evaluation.metrics.kid import kid
from evaluation.scoring.measures import BESIDE, BY_VERB, MEASURES, Measure
from evaluation.statistics.clustered_mean import clustered_mean
from evaluation.statistics.intervals import spread
from evaluation.statistics.paired_tests import Difference, differences

Number = dict[str, Any] | None
"""mean, std, variance, num_seeds, per_seed, interval [low, high], num_videos and, against the compared row, difference.

None where a measure is not defined. The seeds are training seeds where an editor was trained under several, else
sampling seeds.
"""
Values = NDArray[np.float64]
"""[num_pairs, num_columns], one column a training and sampling seed; NaN where a pair has no value."""
COMPARED_WITH = ("finetuned", "start")
"""The row that differences are taken to: the first of these that there is."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """The values of one editor (or reference) on the pairs of a split."""

    editor: str
    """Label of the editor; "copy", "truth" and "truth_vae" for the references."""
    name: str
    """Name as it is printed."""
    kind: Literal["reference", "editor"]
    """"reference" for a reference row."""
    seeds: tuple[int, ...]
    """Sampling seed of each column of the values; a reference has one nominal seed."""
    values: Mapping[str, Values]
    """Measure's column -> its values; a missing measure is not defined."""
    training_seeds: tuple[int, ...] = ()
    """Training seed of each column; empty where one editor made all of them."""

    @property
    def columns_by_training(self) -> list[list[int]] | None:
        """The columns of each training seed, in ascending order of the seeds; None with fewer than two."""
        distinct = sorted(set(self.training_seeds))
        if len(distinct) < 2:
            return None
        return [[place for place, seed in enumerate(self.training_seeds) if seed == wanted] for wanted in distinct]

    def by_training(self, column: str) -> Values | None:
        """Return a measure's values with sampling seeds averaged: [num_pairs, training seeds]; None without it."""
        values = self.values.get(column)
        if values is None or not np.isfinite(values).any():
            return None
        groups = self.columns_by_training or [list(range(values.shape[1]))]
        return np.stack([values[:, group].mean(axis=1) for group in groups], axis=1)


@dataclass(frozen=True, kw_only=True)
class SplitPairs:
    """The pairs of a split, in the order of every candidate's arrays."""

    split: str
    """Name of the split."""
    segment_ids: tuple[str, ...]
    """Keys of the pairs."""
    video_ids: tuple[str, ...]
    """Video of each pair; the videos are the sampled units."""
    verbs: tuple[str, ...]
    """Action of each pair."""
    halves: Mapping[str, float | None]
    """FID and KID between the two halves of the ground truth, and on the features of the other network, if any."""


def with_told_apart(
    candidate: Candidate,
    pairs: SplitPairs,
    told: Mapping[tuple[str, int | None], Mapping[str, Mapping[str, float]]],
) -> Candidate:
    """Return an editor with its columns told_apart...; as it was where one of its editors was not asked.

    `told`: editor and training seed -> column -> segment -> share. Sampling is not in it, so sampling seeds agree.
    """
    trained = candidate.training_seeds or (None,) * len(candidate.seeds)
    of_columns = [told.get((candidate.editor, seed)) for seed in trained]
    known = [column for column in of_columns if column is not None]
    if len(known) < len(of_columns):
        return candidate
    values = dict(candidate.values)
    for name in known[0]:
        columns = [
            [of_segment[name].get(segment_id, np.nan) for segment_id in pairs.segment_ids] for of_segment in known
        ]
        values[name] = np.array(columns, dtype=np.float64).T
    return replace(candidate, values=values)


def halves_of(truth: Features) -> dict[str, float | None]:
    """Return FID and KID (× 1000) between even and odd rows of one set: the part that its size alone causes."""
    if len(truth) < 4:
        return {"fid": None, "kid": None}
    first, second = truth[0::2], truth[1::2]
    return {"fid": round(fid(first, second), 6), "kid": round(1000 * kid(first, second), 6)}


def number(candidate: Candidate, measure: Measure, videos: Sequence[str]) -> Number:
    """Return a measure's mean over pairs and seeds, its interval and its spread over seeds."""
    table = candidate.by_training(measure.column)
    mean = None if table is None else clustered_mean(table, videos, bounds=measure.bounds)
    if table is None or mean is None:
        return None
    columns = table if candidate.columns_by_training else candidate.values[measure.column]
    valid = np.isfinite(table).all(axis=1)
    per_seed = [measure.factor * float(value_of_seed) for value_of_seed in columns[valid].mean(axis=0)]
    summary = spread(per_seed)
    low, high = mean.low, mean.high
    if measure.column.startswith(("fid", "distance")):  # never below 0, where Student's t does not stop
        low = max(0.0, low)
    return {
        "mean": _rounded(measure.factor * mean.mean),
        "std": None if summary.std is None else _rounded(summary.std),
        "variance": None if summary.variance is None else _rounded(summary.variance),
        "num_seeds": summary.num_seeds,
        "per_seed": [_rounded(value_of_seed) for value_of_seed in per_seed],
        "interval": [_rounded(measure.factor * low), _rounded(measure.factor * high)],
        "num_pairs": mean.num_pairs,
        "num_videos": mean.num_videos,
    }


def _rounded(value: float) -> float:
    """Six digits, or four that count in a smaller number: enough for any reader, below the rounding of a processor."""
    return round(float(value), 6) + 0.0 if abs(value) >= 1e-2 else float(f"{value:.4g}") + 0.0


def score_rows(candidates: Sequence[Candidate], pairs: SplitPairs) -> list[dict[str, Any]]:
    """Return the rows of a split's table: every measure of every candidate, with its difference to the compared row."""
    reference = compared_with(candidates)
    differences_of: dict[str, dict[str, Difference]] = {}
    for measure in MEASURES:
        base = None if reference is None else reference.by_training(measure.column)
        others = {
            candidate.editor: table
            for candidate in candidates
            if candidate.kind == "editor" and candidate is not reference
            if (table := candidate.by_training(measure.column)) is not None
        }
        if base is None:
            differences_of[measure.key] = {}
        else:
            differences_of[measure.key] = differences(others, base, pairs.video_ids, bounds=measure.bounds)
    return [_row(candidate, pairs, differences_of) for candidate in candidates]


def compared_with(candidates: Sequence[Candidate]) -> Candidate | None:
    """Return the row that differences are taken to; None where there is none."""
    by_label = {candidate.editor: candidate for candidate in candidates if candidate.kind == "editor"}
    return next((by_label[label] for label in COMPARED_WITH if label in by_label), None)


def _row(
    candidate: Candidate, pairs: SplitPairs, differences_of: Mapping[str, Mapping[str, Difference]]
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "editor": candidate.editor,
        "name": candidate.name,
        "kind": candidate.kind,
        "seeds": sorted(set(candidate.seeds)) if candidate.kind == "editor" else [],
    }
    if candidate.training_seeds:
        row["training_seeds"] = sorted(set(candidate.training_seeds))
    for measure in MEASURES:
        value = number(candidate, measure, pairs.video_ids)
        difference = differences_of[measure.key].get(candidate.editor)
        if value is not None and difference is not None:
            value["difference"] = difference_record(difference, measure.factor)
        row[measure.key] = value
    return row


def difference_record(difference: Difference, factor: float) -> dict[str, Any]:
    """Return a difference as JSON, in the unit of print."""
    mean = difference.estimate
    return {
        "mean": _rounded(factor * mean.mean),
        "interval": [_rounded(factor * mean.low), _rounded(factor * mean.high)],
        "p": float(f"{difference.p:.4g}"),
        "p_holm": float(f"{difference.p_holm:.4g}"),
        "smallest_visible": _rounded(factor * mean.smallest_visible),
        "is_shown": difference.is_shown,
    }


def verb_rows(candidates: Sequence[Candidate], pairs: SplitPairs) -> list[dict[str, Any]]:
    """Return one row a verb, most frequent first, with each candidate's means over pairs and seeds in percent."""
    verbs = np.array(pairs.verbs)
    judged = judged_pairs(candidates, len(verbs))
    rows = []
    for verb in sorted(set(pairs.verbs), key=lambda verb: (-int((verbs == verb).sum()), verb)):
        of_verb = verbs == verb
        by_editor = {
            candidate.editor: {
                measure.key: _verb_mean(candidate.values.get(measure.column), of_verb, measure.factor)
                for measure in MEASURES
                if measure.column in BY_VERB
            }
            for candidate in candidates
        }
        row = {"verb": verb, "num_pairs": int(of_verb.sum()), "num_judged": int((of_verb & judged).sum())}
        rows.append(row | {"by_editor": by_editor})
    return rows


def judged_pairs(candidates: Sequence[Candidate], num_pairs: int) -> NDArray[np.bool_]:
    """Return which pairs the oracle judges: bool [num_pairs]."""
    seen = [candidate.values["carried_out"] for candidate in candidates if "carried_out" in candidate.values]
    return np.asarray(np.isfinite(seen[0]).all(axis=1)) if seen else np.zeros(num_pairs, dtype=np.bool_)


def _verb_mean(values: Values | None, chosen: NDArray[np.bool_], factor: float) -> float | None:
    of_verb = np.empty(0) if values is None else values[chosen]
    finite = of_verb[np.isfinite(of_verb)]
    return _rounded(factor * finite.mean()) if len(finite) else None


def split_table(candidates: Sequence[Candidate], pairs: SplitPairs) -> dict[str, Any]:
    """Return a split's table as scores.json has it."""
    reference = compared_with(candidates)
    return {
        "split": pairs.split,
        "num_pairs": len(pairs.segment_ids),
        "num_videos": len(set(pairs.video_ids)),
        "num_judged": int(judged_pairs(candidates, len(pairs.verbs)).sum()),
        "fid_of_truth_halves": pairs.halves["fid"],
        "kid_of_truth_halves": pairs.halves["kid"],
        f"fid_of_truth_halves{BESIDE}": pairs.halves.get(f"fid{BESIDE}"),
        f"kid_of_truth_halves{BESIDE}": pairs.halves.get(f"kid{BESIDE}"),
        "compared_with": None if reference is None else reference.name,
        "rows": score_rows(candidates, pairs),
        "by_verb": verb_rows(candidates, pairs),
    }
