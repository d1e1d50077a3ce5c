"""Outcomes of every test pair -> the rows of a score table, as plain JSON numbers with their intervals.

A row is an editor, or one of the two that frame every editor: the copy of the input (an editor that does nothing must
not look good) and the ground truth (what the best possible editor would score).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evaluation.metrics.fid import Features, fid
from evaluation.statistics.crossed import half_width_with_seeds, share_estimate
from evaluation.statistics.intervals import (
    NORMAL_QUANTILE,
    Interval,
    bootstrap_error_interval,
    mean_interval,
    spread,
)

Number = dict[str, Any] | None
"""mean, std, variance, num_seeds, per_seed and interval [low, high]; None where a number is not defined.

The seeds are training seeds where an editor was trained under several, else sampling seeds.
"""
Outcomes = NDArray[np.bool_]
"""bool [num_pairs, num_seeds]."""
SHARE_OF_RESAMPLES_FOR_FID = 10
"""FID's interval uses only one of so many resamples, since each needs a singular value decomposition."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What one editor (or reference) did with the pairs of a split."""

    editor: str
    """Its label; "copy" and "truth" for the references."""
    name: str
    """As printed."""
    kind: Literal["reference", "editor"]
    """Whether it is a reference row."""
    seeds: tuple[int, ...]
    """Sampling seed of each column of the outcomes; one made-up seed for a reference."""
    features: tuple[Features, ...]
    """FID features of its pictures, [num_pairs, d] a seed."""
    match_gt: Outcomes
    """Accuracy A of each pair and seed."""
    label: Outcomes
    """Accuracy B of each pair and seed."""
    carried_out: Outcomes | None = None
    """What the kitchen's oracle sees; [num_judged, num_seeds]."""
    kept: Outcomes | None = None
    """Likewise, for the rest of the scene."""
    training_seeds: tuple[int, ...] = ()
    """Training seed of each column; empty where one editor made all of them."""

    @property
    def columns_by_training(self) -> list[list[int]] | None:
        """The columns of each training seed, in ascending order of the seeds; None with fewer than two."""
        distinct = sorted(set(self.training_seeds))
        if len(distinct) < 2:
            return None
        return [[place for place, seed in enumerate(self.training_seeds) if seed == each] for each in distinct]


@dataclass(frozen=True, kw_only=True)
class SplitPairs:
    """The pairs of a split, in the order of every candidate's arrays."""

    segment_ids: tuple[str, ...]
    """Keys of the pairs."""
    verbs: tuple[str, ...]
    """Action of each pair."""
    input_features: Features
    """FID features of the inputs."""
    truth_features: Features
    """FID features of the ground truth."""
    judged: NDArray[np.intp]
    """Which pairs the oracle judges: those with a goal and without overlap; empty without a kitchen."""
    with_fid_input: bool
    """False for long-distance pairs, whose edits should differ from the input (paper, section 5)."""


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """How intervals are drawn."""

    num_resamples: int
    """Bootstrap resamples of a mean."""
    seed: int = 0
    """Start of the draws; the same for every row."""

    def rng(self) -> np.random.Generator:
        """Return a new generator, so that every interval draws the same pairs."""
        return np.random.default_rng(self.seed)


def by_training(outcomes: Outcomes, columns: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """Return the share of right edits of each pair and training seed, over the sampling seeds: [num_pairs, seeds]."""
    return np.stack([outcomes[:, list(each)].mean(axis=1) for each in columns], axis=1)


def percent(
    outcomes: Outcomes | None, resampling: Resampling, columns: Sequence[Sequence[int]] | None = None
) -> Number:
    """Return the share of true outcomes in percent; None without outcomes.

    `columns`: those of each training seed. With it the interval counts pairs and training seeds as drawn (crossed),
    and the spread is that over training seeds; without it both are about sampling seeds, and the training is given.
    """
    if outcomes is None or not len(outcomes):
        return None
    if columns is not None and len(outcomes) > 1:
        table = by_training(outcomes, columns)
        estimate = share_estimate(table)
        return _number([float(each) * 100 for each in table.mean(axis=0)], estimate.low * 100, estimate.high * 100)
    interval = mean_interval(outcomes, resampling.rng(), resampling.num_resamples)
    per_seed = [float(share) * 100 for share in outcomes.mean(axis=0)]
    return _number(per_seed, interval.low * 100, interval.high * 100)


def fid_number(candidate: Candidate, reference: Features, resampling: Resampling) -> Number:
    """Return the FID of each seed's pictures against the same reference set [num_pairs, d]."""
    if len(reference) < 2:
        return None
    per_seed = [fid(features, reference) for features in candidate.features]
    if max(per_seed) < 1e-9:  # the set itself
        return _number([0.0] * len(per_seed), 0.0, 0.0)

    def resampled(drawn: NDArray[np.intp]) -> float:
        return float(np.mean([fid(features[drawn], reference[drawn]) for features in candidate.features]))

    num_resamples = max(2, resampling.num_resamples // SHARE_OF_RESAMPLES_FOR_FID)
    value = float(np.mean(per_seed))
    interval = bootstrap_error_interval(resampled, value, len(reference), resampling.rng(), num_resamples)
    if candidate.columns_by_training is not None:
        per_seed = [float(np.mean([per_seed[place] for place in each])) for each in candidate.columns_by_training]
        half = half_width_with_seeds((interval.high - value) / NORMAL_QUANTILE, per_seed)
        interval = Interval(low=max(0.0, value - half), high=value + half)
    return _number(per_seed, interval.low, interval.high)


def _number(per_seed: Sequence[float], low: float, high: float) -> dict[str, Any]:
    """Round to six digits: enough for any reader, and below the rounding of another processor."""
    summary = asdict(spread(list(per_seed)))
    rounded = {name: round(value, 6) if isinstance(value, float) else value for name, value in summary.items()}
    return rounded | {"per_seed": [round(value, 6) for value in per_seed], "interval": [round(low, 6), round(high, 6)]}


def score_row(candidate: Candidate, pairs: SplitPairs, resampling: Resampling) -> dict[str, Any]:
    """Return one row of the split's table."""
    columns = candidate.columns_by_training
    return {
        "editor": candidate.editor,
        "name": candidate.name,
        "kind": candidate.kind,
        "seeds": sorted(set(candidate.seeds)) if candidate.kind == "editor" else [],
        "training_seeds": sorted(set(candidate.training_seeds)),
        "fid_input": fid_number(candidate, pairs.input_features, resampling) if pairs.with_fid_input else None,
        "fid_output": fid_number(candidate, pairs.truth_features, resampling),
        "acc_match_gt_percent": percent(candidate.match_gt, resampling, columns),
        "acc_label_percent": percent(candidate.label, resampling, columns),
        "carried_out_percent": percent(candidate.carried_out, resampling, columns),
        "kept_percent": percent(candidate.kept, resampling, columns),
    }


def verb_rows(candidates: Sequence[Candidate], pairs: SplitPairs) -> list[dict[str, Any]]:
    """Return one row a verb, most frequent first, with each candidate's means over pairs and seeds in percent."""
    verbs = np.array(pairs.verbs)
    judged_verbs = verbs[pairs.judged]
    rows = []
    for verb in sorted(set(pairs.verbs), key=lambda verb: (-int((verbs == verb).sum()), verb)):
        of_verb, of_judged = verbs == verb, judged_verbs == verb
        by_editor = {
            candidate.editor: {
                "acc_match_gt_percent": _mean(candidate.match_gt, of_verb),
                "acc_label_percent": _mean(candidate.label, of_verb),
                "carried_out_percent": _mean(candidate.carried_out, of_judged),
                "kept_percent": _mean(candidate.kept, of_judged),
            }
            for candidate in candidates
        }
        row = {"verb": verb, "num_pairs": int(of_verb.sum()), "num_judged": int(of_judged.sum())}
        rows.append(row | {"by_editor": by_editor})
    return rows


def _mean(outcomes: Outcomes | None, chosen: NDArray[np.bool_]) -> float | None:
    if outcomes is None or not chosen.any():
        return None
    return round(float(outcomes[chosen].mean()) * 100, 6)


def half_split_fid(features: Features) -> float | None:
    """Return the FID between the even and the odd rows of one set: how far above 0 the size of a set alone puts it."""
    return round(fid(features[0::2], features[1::2]), 6) if len(features) >= 4 else None
