"""A table of scenes x seeds -> its mean with an interval. Scenes and seeds both count as random samples.

The same scenes are edited by editors of several training seeds. Another study would draw other scenes and other seeds,
so both count: Var(mean) = (MS_scenes + MS_seeds - MS_rest) / (n m), the two-way random-effects estimate, with Student's
t at Satterthwaite's degrees of freedom (Satterthwaite 1946, doi:10.2307/3002019). An interval is never narrower than
that of the seeds' own part at m - 1: two seeds may agree by chance, which would pass for many degrees of freedom (88 of
100 intervals held the truth). Two seeds thus give wide intervals. Paired tests are the same on the table of
differences. An interval over seeds alone stands beside.
"""

import math
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
    return with_seeds(scenes / (n * m), seeds / (n * m), rest / (n * m), freedom=n - 1, num_seeds=m)


def with_seeds(scenes: float, seeds: float, rest: float, *, freedom: float, num_seeds: int) -> tuple[float, float]:
    """Return variance and degrees of freedom of a mean over scenes, of such `freedom`, and training seeds.

    Each part: what its mean square contributes to the variance of the mean, the rest included.
    """
    # Chance can make the estimate of one source negative; then the other one is all there is.
    total = max(scenes + seeds - rest, scenes, seeds)
    if total == 0:
        return 0.0, math.inf
    spread = scenes**2 / freedom + seeds**2 / (num_seeds - 1) + rest**2 / (freedom * (num_seeds - 1))
    of_both, of_seeds = (total, max(total**2 / spread, 1.0)), (seeds - rest, num_seeds - 1.0)
    return max((of_both, of_seeds), key=lambda part: half_width(*part))


def half_width(variance: float, freedom: float) -> float:
    """Return half of the 95 % interval."""
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * math.sqrt(max(0.0, variance))


def share_estimate(table: ArrayLike) -> Estimate:
    """Return the mean of a table of yes and no, [scenes, seeds], with its interval within [0, 1]."""
    values = np.asarray(table, dtype=np.float64)
    n, m = _checked(values)
    mean = float(values.mean())
    if m == 1 or bool(np.all(values == values[:, :1])):
        of_one = share_interval(int(values[:, 0].sum()), n)
        return Estimate(mean=mean, low=of_one.low, high=of_one.high, p=None, num_scenes=n, num_seeds=m)
    half = half_width(*crossed_variance(values))
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
    half = half_width(variance, freedom)
    p = 1.0 if mean == 0 else 0.0 if variance == 0 else float(2 * stats.t.sf(abs(mean) / math.sqrt(variance), freedom))
    return Estimate(mean=mean, low=mean - half, high=mean + half, p=p, num_scenes=n, num_seeds=m)


def _checked(values: np.ndarray) -> tuple[int, int]:
    if values.ndim != 2 or values.shape[0] < 2 or values.shape[1] < 1:
        raise ValueError(f"A table of shape {values.shape} cannot be judged: at least 2 scenes x 1 seed are needed.")
    return values.shape[0], values.shape[1]
