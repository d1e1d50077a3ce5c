"""Values of pairs and seeds, and the video of each pair -> a mean with an interval over other videos (and seeds).

Pairs of one video are similar (one cook, one light, one table), so the videos are the sampled units: in a trial the
interval over pairs was seven times too narrow. Variance and degrees of freedom, for few videos of unequal size too, are
those of cluster_variance.py; the interval is Student's t, and for shares Wilson's at the number of pairs that are worth
one. Where editors of several training seeds stand side by side, videos and seeds both count. The noise of a picture is
drawn for each picture and sampling seed, so sampling seeds are averaged first and their part is in the spread of the
pairs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from evaluation.statistics.cluster_variance import cluster_variance
from evaluation.statistics.intervals import CONFIDENCE
from evaluation.statistics.videos import Videos

POWER = 0.8
"""Probability with which the smallest visible difference would be detected."""


@dataclass(frozen=True, kw_only=True)
class Mean:
    """A mean with its standard error and interval."""

    mean: float
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end."""
    error: float
    """Standard error of the mean."""
    freedom: float
    """Degrees of freedom behind it."""
    num_pairs: int
    num_videos: int
    """Clusters; where all pairs are of one video, the pairs themselves."""
    num_seeds: int
    """Training seeds."""

    @property
    def p(self) -> float:
        """Two-sided p of "the mean is 0"."""
        if self.mean == 0:
            return 1.0
        return float(2 * stats.t.sf(abs(self.mean) / self.error, self.freedom)) if self.error > 0 else 0.0

    @property
    def smallest_visible(self) -> float:
        """The smallest difference that such data show with a chance of 80 %, at p < 0.05."""
        if self.freedom <= 0:
            return math.inf
        quantiles = stats.t.ppf([(1 + CONFIDENCE) / 2, POWER], self.freedom)
        return float(quantiles.sum()) * self.error


def clustered_mean(
    values: ArrayLike, videos: Sequence[object], *, bounds: tuple[float, float] | None = None
) -> Mean | None:
    """Return the mean of [n] or [n, training seeds] with its interval; pairs with NaN are left out; None if none stay.

    `bounds`: the least and the greatest value there can be, for shares: the interval stays inside, and where all
    values are equal to one end it is Wilson's over the videos, never of no width.
    """
    table = np.asarray(values, dtype=np.float64)
    table = table.reshape(len(table), -1)
    valid = np.asarray(np.isfinite(table).all(axis=1))
    table, kept = table[valid], [video for video, is_valid in zip(videos, valid.tolist(), strict=True) if is_valid]
    if not len(table):
        return None
    mean = float(table.mean())
    of_pairs = Videos(kept)
    counts = {"num_pairs": len(table), "num_videos": len(of_pairs.sizes), "num_seeds": table.shape[1]}
    if len(of_pairs.sizes) < 2:
        low, high = bounds or (mean, mean)
        return Mean(mean=mean, low=low, high=high, error=0.0, freedom=0.0, **counts)
    least, greatest = bounds or (0.0, 1.0)
    scale = greatest - least
    variance, freedom = cluster_variance((table - least) / scale, of_pairs, are_shares=bounds is not None)
    freedom = min(freedom, 1e6)
    quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom))
    error = math.sqrt(variance)
    low, high = mean - quantile * error, mean + quantile * error
    if bounds is not None:
        share = (mean - least) / scale
        worth = of_pairs.worth if error == 0 else share * (1 - share) / variance
        low, high = (least + scale * end for end in wilson(share, worth, quantile))
    return Mean(mean=mean, low=low, high=high, error=scale * error, freedom=freedom, **counts)


def wilson(share: float, worth: float, quantile: float) -> tuple[float, float]:
    """Return Wilson's interval (1927, doi:10.1080/01621459.1927.10502953) of a share of `worth` independent pairs."""
    square = quantile**2 / worth
    centre = (share + square / 2) / (1 + square)
    half = math.sqrt(square * share * (1 - share) + square**2 / 4) / (1 + square)
    low = 0.0 if share == 0 else max(0.0, centre - half)
    high = 1.0 if share == 1 else min(1.0, centre + half)
    return low, high
