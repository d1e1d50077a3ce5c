"""Counts -> a share with its interval; values of several seeds -> their spread. What is measured does not matter here.

Means over pairs, whose unit is the video, are in clustered_mean.py; scenes crossed with training seeds in crossed.py.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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
    """Square of the standard deviation."""
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
