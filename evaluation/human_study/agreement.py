"""Scores of several raters -> their agreement, means with intervals over items and raters, paired tests.

Krippendorff's alpha: "Computing Krippendorff's Alpha-Reliability" (2011). ICC: Shrout and Fleiss 1979, one-way model,
with McGraw and Wong's k0 for unequal numbers of raters. Interval: the pigeonhole bootstrap (Owen 2007), which resamples
both items and raters. Holm 1979. All pure functions of arrays.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Level = Literal["nominal", "ordinal", "interval"]
_DRAWS_AT_ONCE = 200


def krippendorff_alpha(ratings: ArrayLike, level: Level = "ordinal") -> float | None:
    """Return Krippendorff's alpha of ratings [raters, units], NaN where a rater did not rate.

    1 is full agreement, 0 what chance gives. None where it is not defined: no unit with two ratings, or one value only.
    """
    table = np.asarray(ratings, dtype=np.float64)
    values = np.unique(table[~np.isnan(table)])
    counts = (table[:, :, None] == values).sum(axis=0).astype(np.float64)  # [units, values]
    counts = counts[counts.sum(axis=1) >= 2]
    pairs = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(len(values))
    coincidences = (pairs / (counts.sum(axis=1) - 1)[:, None, None]).sum(axis=0)
    totals = coincidences.sum(axis=0)
    if np.count_nonzero(totals) < 2:
        return None
    expected = (np.outer(totals, totals) - np.diag(totals)) / (totals.sum() - 1)
    distances = _squared_distances(values, totals, level)
    return float(1 - (coincidences * distances).sum() / (expected * distances).sum())


def _squared_distances(values: NDArray[np.float64], totals: NDArray[np.float64], level: Level) -> NDArray[np.float64]:
    """Return the squared difference of every two values; ordinal counts the ratings that lie between them."""
    if level == "nominal":
        return 1 - np.eye(len(values))
    ranks = values if level == "interval" else np.cumsum(totals) - totals / 2
    return np.asarray((ranks[:, None] - ranks[None, :]) ** 2)


@dataclass(frozen=True, kw_only=True)
class IntraclassCorrelation:
    """Intraclass correlation of ratings; every unit may have other raters (one-way model)."""

    single: float
    """ICC(1,1): of one rating."""
    mean: float
    """ICC(1,k): of the mean of a unit's ratings."""
    raters_per_unit: float
    """k0, which is k where every unit has as many ratings."""


def intraclass_correlation(units: Sequence[int], scores: ArrayLike) -> IntraclassCorrelation | None:
    """Return ICC(1,1) and ICC(1,k) of scores, `units` naming the unit of each; None with fewer than two such units.

    Units with a single rating are left out: they contain no information about agreement.
    """
    places, all_scores = np.asarray(units), np.asarray(scores, dtype=np.float64)
    _, inverse, sizes = np.unique(places, return_inverse=True, return_counts=True)
    is_rated_twice = sizes[inverse] >= 2
    _, inverse, sizes = np.unique(places[is_rated_twice], return_inverse=True, return_counts=True)
    values, num_units = all_scores[is_rated_twice], len(sizes)
    if num_units < 2:
        return None
    means = np.bincount(inverse, values) / sizes
    between = float((sizes * (means - values.mean()) ** 2).sum()) / (num_units - 1)
    within = float(((values - means[inverse]) ** 2).sum()) / (len(values) - num_units)
    k = (len(values) - float((sizes**2).sum()) / len(values)) / (num_units - 1)
    if between + (k - 1) * within == 0:
        return None
    single = (between - within) / (between + (k - 1) * within)
    mean = (between - within) / between if between > 0 else -math.inf
    return IntraclassCorrelation(single=single, mean=mean, raters_per_unit=k)


@dataclass(frozen=True, kw_only=True)
class MeanScore:
    """A mean with its 95 % interval over other items and other raters."""

    mean: float
    low: float | None
    """None with fewer than two clusters of items and fewer than two raters."""
    high: float | None
    std: float
    """Standard deviation of the single answers."""
    num_answers: int
    num_raters: int


def mean_score(
    clusters: Sequence[Any],
    raters: Sequence[Any],
    scores: ArrayLike,
    rng: np.random.Generator,
    num_resamples: int = 2000,
) -> MeanScore:
    """Return the mean of `scores` with its interval; an answer's cluster is its item's video, its rater who gave it.

    Each draw weights every answer by how often its cluster and its rater were drawn. This is a little too wide where
    both vary, never too narrow.
    """
    values = np.asarray(scores, dtype=np.float64)
    if not len(values):
        raise ValueError("No answers to take a mean of.")
    places = [np.unique(np.asarray(labels, dtype=str), return_inverse=True)[1] for labels in (clusters, raters)]
    num_drawn = [int(place.max()) + 1 for place in places]
    low = high = None
    if max(num_drawn) > 1:
        parts = [_drawn_means(places, values, rng, part) for part in _parts(num_resamples)]
        low, high = (float(bound) for bound in np.quantile(np.concatenate(parts), [0.025, 0.975]))
    std = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return MeanScore(
        mean=float(values.mean()), low=low, high=high, std=std, num_answers=len(values), num_raters=num_drawn[1]
    )


def _parts(num_resamples: int) -> list[int]:
    """Divide the draws into parts, so that memory does not grow with their number."""
    return [min(_DRAWS_AT_ONCE, num_resamples - first) for first in range(0, num_resamples, _DRAWS_AT_ONCE)]


def _drawn_means(
    places: Sequence[NDArray[np.intp]], values: NDArray[np.float64], rng: np.random.Generator, num_draws: int
) -> NDArray[np.float64]:
    """Return the means of some draws; a draw without any answer gives none."""
    weights = np.ones((num_draws, len(values)))
    for place in places:
        size = int(place.max()) + 1
        if size > 1:
            weights *= rng.multinomial(size, np.full(size, 1 / size), num_draws)[:, place]
    totals = weights.sum(axis=1)
    return np.asarray((weights @ values)[totals > 0] / totals[totals > 0])


def paired_wilcoxon(one: ArrayLike, other: ArrayLike) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test over items; 1 where no item differs.

    Differences of means of few ratings are thirds and fifths: rounded, so that equal ones have one rank.
    """
    differences = np.round(np.asarray(one, dtype=np.float64) - np.asarray(other, dtype=np.float64), 9)
    if not np.any(differences):
        return 1.0
    return float(stats.wilcoxon(differences).pvalue)
