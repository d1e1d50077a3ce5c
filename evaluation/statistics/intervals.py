"""Arrays of per-pair values -> means with intervals. This file does not depend on what is measured.

The resampled unit is the pair (a picture and its instruction), never the single edit: the edits of one pair under
several seeds are similar, and intervals that count them as independent would be too narrow.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95
"""Coverage of every interval here."""
NORMAL_QUANTILE = 1.959963984540054
"""97.5 % quantile of the standard normal distribution."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An interval that holds the true number with 95 % confidence."""

    low: float
    """Lower end."""
    high: float
    """Upper end."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How a number varies over seeds. The paper prints "mean and variance" behind its ±."""

    mean: float
    """Mean over the seeds."""
    std: float | None
    """Standard deviation over the seeds (n - 1); None for a single seed."""
    variance: float | None
    """Its square."""
    num_seeds: int
    """Seeds it was taken over."""


def spread(values: Sequence[float]) -> Spread:
    """Summarise one number per seed; ValueError when there is none."""
    if not values:
        raise ValueError("No values to summarise: an editor needs at least one seed (EditsConfig.seeds).")
    variance = float(np.var(values, ddof=1)) if len(values) > 1 else None
    std = None if variance is None else math.sqrt(variance)
    return Spread(mean=float(np.mean(values)), std=std, variance=variance, num_seeds=len(values))


def share_interval(num_true: int, num_all: int) -> Interval:
    """Return the Wilson score interval of a share: honest near 0 and 1, where the usual one shrinks to nothing.

    Source: Wilson 1927, doi:10.1080/01621459.1927.10502953.
    """
    if not 0 <= num_true <= num_all or num_all == 0:
        raise ValueError(f"{num_true} of {num_all} is no share: count at least one pair, and no more than all of them.")
    z2 = NORMAL_QUANTILE**2
    share = num_true / num_all
    centre = (share + z2 / (2 * num_all)) / (1 + z2 / num_all)
    half = NORMAL_QUANTILE / (1 + z2 / num_all) * math.sqrt(share * (1 - share) / num_all + z2 / (4 * num_all**2))
    # At 0 and at num_all the ends are exact in theory; keep rounding from moving them.
    return Interval(
        low=0.0 if num_true == 0 else max(0.0, centre - half),
        high=1.0 if num_true == num_all else min(1.0, centre + half),
    )


def bootstrap_interval(values: ArrayLike, rng: np.random.Generator, num_resamples: int) -> Interval:
    """Return the percentile interval of a mean, drawing pairs anew: values [num_pairs] or [num_pairs, num_seeds]."""
    table = np.asarray(values, dtype=np.float64)
    if table.shape[0] == 0:
        raise ValueError("No pairs to draw from: the interval of nothing is not defined.")
    per_pair = table.reshape(table.shape[0], -1).mean(axis=1)
    drawn = rng.integers(0, len(per_pair), size=(num_resamples, len(per_pair)))
    low, high = np.quantile(per_pair[drawn].mean(axis=1), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(low=float(low), high=float(high))


def mean_interval(values: ArrayLike, rng: np.random.Generator, num_resamples: int) -> Interval:
    """Return the interval of a mean of shares: Wilson for one yes or no per pair, else the bootstrap over pairs."""
    table = np.asarray(values, dtype=np.float64)
    one_each = table.ndim == 1 or table.shape[1] == 1 or bool(np.all(table == table[:, :1]))
    per_pair = table.reshape(len(table), -1)[:, 0]
    if one_each and set(np.unique(per_pair)) <= {0.0, 1.0}:
        return share_interval(int(per_pair.sum()), len(per_pair))
    return bootstrap_interval(table, rng, num_resamples)


def bootstrap_error_interval(
    statistic: Callable[[NDArray[np.intp]], float],
    value: float,
    num_pairs: int,
    rng: np.random.Generator,
    num_resamples: int,
) -> Interval:
    """Return value ± 1.96 times the bootstrap's standard error, for a statistic that resampling itself biases.

    FID rises when pairs are drawn with repetition, so percentiles of the resamples would not even hold the value;
    their standard deviation still says how firm it is. `statistic` takes the drawn indices. Not below 0.
    """
    drawn = [statistic(rng.integers(0, num_pairs, size=num_pairs)) for _ in range(num_resamples)]
    error = float(np.std(drawn, ddof=1)) if num_resamples > 1 else 0.0
    return Interval(low=max(0.0, value - NORMAL_QUANTILE * error), high=value + NORMAL_QUANTILE * error)
