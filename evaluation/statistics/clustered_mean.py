"""Values of pairs and seeds, and the video of each pair -> a mean with an interval over other videos (and seeds).

Pairs of one video are similar (one cook, one light, one table), so the videos are the sampled units: in a trial the
interval over pairs was seven times too narrow. With totals T_c of the deviations in video c of G videos and n pairs,
Var(mean) = G / (G - 1) x sum T_c^2 / n^2, Student's t at G - 1 degrees of freedom (Cameron and Miller 2015,
doi:10.3368/jhr.50.2.317). Where editors of several training seeds stand side by side, both count: the table of videos x
seeds goes through the crossed estimate of evaluation/statistics/crossed.py. The noise of a picture is drawn for each
picture and sampling seed, so sampling seeds are averaged first and their part is in the spread of the pairs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from evaluation.statistics.crossed import crossed_variance
from evaluation.statistics.intervals import CONFIDENCE

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


def cluster_table(values: ArrayLike, videos: Sequence[object]) -> NDArray[np.float64]:
    """Return [G, seeds] from [n, seeds]: each video's total, scaled so that the mean over videos is that over pairs."""
    table = np.asarray(values, dtype=np.float64)
    _, place = np.unique([str(video) for video in videos], return_inverse=True)
    num_videos = int(place.max()) + 1
    if num_videos < 2:
        return table
    mean = table.mean()
    totals = np.zeros((num_videos, table.shape[1]))
    np.add.at(totals, place, table - mean)
    return totals * (num_videos / len(table)) + mean


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
    units = cluster_table(table, kept)
    counts = {"num_pairs": len(table), "num_videos": len(units), "num_seeds": table.shape[1]}
    if len(units) < 2:
        low, high = bounds or (mean, mean)
        return Mean(mean=mean, low=low, high=high, error=0.0, freedom=0.0, **counts)
    variance, freedom = crossed_variance(units)
    freedom = min(freedom, 1e6)
    quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom))
    error = math.sqrt(variance)
    low, high = mean - quantile * error, mean + quantile * error
    if bounds is not None:
        low, high = _inside(mean, error, quantile, len(units), len(table), bounds)
    return Mean(mean=mean, low=low, high=high, error=error, freedom=freedom, **counts)


def _inside(
    mean: float, error: float, quantile: float, num_videos: int, num_pairs: int, bounds: tuple[float, float]
) -> tuple[float, float]:
    """Return Wilson's interval (1927, doi:10.1080/01621459.1927.10502953) at the number of pairs that are worth one."""
    least, greatest = bounds
    share, spread = (mean - least) / (greatest - least), error / (greatest - least)
    worth = num_videos if spread == 0 else min(num_pairs, share * (1 - share) / spread**2)
    square = quantile**2 / worth
    centre = (share + square / 2) / (1 + square)
    half = math.sqrt(square * share * (1 - share) + square**2 / 4) / (1 + square)
    low = 0.0 if share == 0 else max(0.0, centre - half)
    high = 1.0 if share == 1 else min(1.0, centre + half)
    return least + low * (greatest - least), least + high * (greatest - least)
