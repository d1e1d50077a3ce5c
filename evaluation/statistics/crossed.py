"""A table of scenes x seeds -> its mean with an interval. Scenes and seeds both count as random samples.

The same scenes are edited by editors of several training seeds. Another study would draw other scenes and other seeds,
so both count: Var(mean) = (MS_scenes + MS_seeds - MS_rest) / (n m), the two-way random-effects estimate, with Student's
t at Satterthwaite's degrees of freedom (Satterthwaite 1946, doi:10.2307/3002019). Two seeds thus give wide intervals.
Paired tests are the same on the table of differences. An interval over seeds alone stands beside.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from evaluation.statistics.intervals import CONFIDENCE, share_interval


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean with its interval."""

    mean: float
    """Mean over scenes and seeds."""
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end."""
    p: float | None
    """Two-sided p-value of "the mean is 0"; None for a share, for which this question makes no sense."""
    num_scenes: int
    """Scenes it was taken over."""
    num_seeds: int
    """Number of seeds. With 1 seed the interval covers the choice of scenes, and not that of the seed."""


def crossed_variance(table: ArrayLike) -> tuple[float, float]:
    """Return the variance of the mean of a [scenes, seeds] table, and its degrees of freedom; 0 where all is equal."""
    values = np.asarray(table, dtype=np.float64)
    n, m = values.shape
    by_scene, by_seed, mean = values.mean(axis=1), values.mean(axis=0), values.mean()
    scenes = m * float(((by_scene - mean) ** 2).sum()) / (n - 1)
    if m == 1:
        return scenes / n, n - 1.0
    seeds = n * float(((by_seed - mean) ** 2).sum()) / (m - 1)
    rest = float(((values - by_scene[:, None] - by_seed[None] + mean) ** 2).sum()) / ((n - 1) * (m - 1))
    # Chance can make the estimate of one source negative; then the other one is all there is.
    total = max(scenes + seeds - rest, scenes, seeds)
    if total == 0:
        return 0.0, math.inf
    spread = scenes**2 / (n - 1) + seeds**2 / (m - 1) + rest**2 / ((n - 1) * (m - 1))
    return total / (n * m), max(total**2 / spread, 1.0)


def share_estimate(table: ArrayLike) -> Estimate:
    """Return the mean of a table of yes and no, [scenes, seeds], with its interval within [0, 1]."""
    values = np.asarray(table, dtype=np.float64)
    n, m = _checked(values)
    mean = float(values.mean())
    if m == 1 or bool(np.all(values == values[:, :1])):
        of_one = share_interval(int(values[:, 0].sum()), n)
        return Estimate(mean=mean, low=of_one.low, high=of_one.high, p=None, num_scenes=n, num_seeds=m)
    half = _half_width(values)
    return Estimate(mean=mean, low=max(0.0, mean - half), high=min(1.0, mean + half), p=None, num_scenes=n, num_seeds=m)


def estimate_over_seeds(table: ArrayLike) -> Estimate:
    """Return the mean of a table of yes and no, [scenes, seeds], with an interval over seeds alone, within [0, 1].

    Its question is narrower: what other training seeds would do on these very scenes, which all arms share.
    """
    values = np.asarray(table, dtype=np.float64)
    n, m = _checked(values)
    if m < 2:
        raise ValueError("One seed has no interval over seeds: give at least 2.")
    by_seed = values.mean(axis=0)
    mean = float(by_seed.mean())
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, m - 1) * by_seed.std(ddof=1) / math.sqrt(m))
    return Estimate(mean=mean, low=max(0.0, mean - half), high=min(1.0, mean + half), p=None, num_scenes=n, num_seeds=m)


def paired_difference(first: ArrayLike, second: ArrayLike) -> Estimate:
    """Return mean(first - second), its interval and p; both [scenes, seeds], of the same scenes and seeds in order."""
    values = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    n, m = _checked(values)
    mean = float(values.mean())
    variance, freedom = crossed_variance(values)
    half = _half_width(values)
    p = 1.0 if mean == 0 else 0.0 if variance == 0 else float(2 * stats.t.sf(abs(mean) / math.sqrt(variance), freedom))
    return Estimate(mean=mean, low=mean - half, high=mean + half, p=p, num_scenes=n, num_seeds=m)


def half_width_with_seeds(pairs_error: float, by_seed: Sequence[float]) -> float:
    """Return the 95 % half width of a mean over training seeds of a number that is no mean over pairs, such as FID.

    `pairs_error`: its standard error from drawing other pairs. `by_seed`: the number under each training seed, at
    least 2. Both variances add up; Student's t at Satterthwaite's degrees of freedom, where the pairs are many.
    """
    of_seeds = float(np.var(by_seed, ddof=1)) / len(by_seed)
    total = pairs_error**2 + of_seeds
    if total == 0:
        return 0.0
    freedom = math.inf if of_seeds == 0 else total**2 * (len(by_seed) - 1) / of_seeds**2
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * math.sqrt(total)


def _half_width(values: ArrayLike) -> float:
    variance, freedom = crossed_variance(values)
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * math.sqrt(variance)


def _checked(values: np.ndarray) -> tuple[int, int]:
    if values.ndim != 2 or values.shape[0] < 2 or values.shape[1] < 1:
        raise ValueError(f"A table of shape {values.shape} cannot be judged: at least 2 scenes x 1 seed are needed.")
    return values.shape[0], values.shape[1]
