"""Values of pairs and seeds, and the video of each pair -> a mean with an interval over other videos (and seeds).

Pairs of one video are similar (one cook, one light, one table), so the videos are the sampled units: in a trial the
interval over pairs was seven times too narrow. Variance and degrees of freedom, for few videos of unequal size too, are
those of cluster_variance.py; the interval is Student's t, and that of a share is in clustered_share.py. Where editors
of several training seeds stand side by side, videos and seeds both count. The noise of a picture is drawn for each
picture and sampling seed, so sampling seeds are averaged first and their part is in the spread of the pairs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from evaluation.statistics.cluster_variance import cluster_variance
from evaluation.statistics.clustered_share import share_ends
from evaluation.statistics.intervals import CONFIDENCE
from evaluation.statistics.videos import Videos

POWER = 0.8
"""Probability with which the smallest visible difference would be detected."""
ROUNDING = 1e-12
"""Part of a mean below which its error comes from rounding: all values are equal."""


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
    step: float = 0.0
    """For differences of shares: by how much the pairs differ that differ at all; 1 where none does."""

    @property
    def p(self) -> float:
        """Two-sided p of "the mean is 0": Student's, and where all values are equal that of the sign test."""
        if self.mean == 0:
            return 1.0
        if self.error == 0:
            return 2.0 ** (1 - self.num_videos)
        return float(2 * stats.t.sf(abs(self.mean) / self.error, self.freedom))

    @property
    def smallest_visible(self) -> float:
        """The smallest difference that such data show with a chance of 80 %, at p < 0.05.

        A difference d of shares, made by pairs that differ by `step`, has a variance of d step / n or more.
        """
        if self.freedom <= 0:
            return math.inf
        quantiles = float(stats.t.ppf([(1 + CONFIDENCE) / 2, POWER], self.freedom).sum())
        return max(quantiles * self.error, quantiles**2 * self.step / self.num_pairs)


def clustered_mean(
    values: ArrayLike, videos: Sequence[object], *, bounds: tuple[float, float] | None = None
) -> Mean | None:
    """Return the mean of [n] or [n, training seeds] with its interval; pairs with NaN are left out; None if none stay.

    `bounds`: the least and the greatest value there can be, for shares: the interval stays inside, and is never of no
    width.
    """
    table, kept = judged(values, videos)
    if not len(table):
        return None
    mean = float(table.mean())
    of_pairs = Videos(kept)
    counts = {"num_pairs": len(table), "num_videos": len(of_pairs.sizes), "num_seeds": table.shape[1]}
    if len(of_pairs.sizes) < 2:
        low, high = bounds or (mean, mean)
        return Mean(mean=mean, low=low, high=high, error=0.0, freedom=0.0, **counts)
    variance, freedom = cluster_variance(table, of_pairs)
    freedom = min(freedom, 1e6)
    error = math.sqrt(variance) if variance > (ROUNDING * mean) ** 2 else 0.0
    if bounds is None:
        half = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * error
        low, high = mean - half, mean + half
    else:
        least, greatest = bounds
        ends = share_ends((table - least) / (greatest - least), of_pairs)
        low, high = (least + (greatest - least) * end for end in ends)
    return Mean(mean=mean, low=low, high=high, error=error, freedom=freedom, **counts)


def judged(values: ArrayLike, videos: Sequence[object]) -> tuple[NDArray[np.float64], list[object]]:
    """Return the [n, training seeds] values of the pairs that have all of them, and the videos of these pairs."""
    table = np.asarray(values, dtype=np.float64)
    table = table.reshape(len(table), -1)
    valid = np.asarray(np.isfinite(table).all(axis=1))
    return table[valid], [video for video, is_valid in zip(videos, valid.tolist(), strict=True) if is_valid]
