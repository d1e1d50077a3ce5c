"""Shares of pairs (0, 1, or means of such) and their videos -> variance of their mean, and its degrees of freedom.

A share is told by Wilson's interval at the number of pairs that are worth one: n divided by the design effect, which is
the variance over that of n independent pairs (Franco, Little, Louis and Slud 2019, doi:10.1093/jssam/smy019). Of two
estimates the larger one counts, since with few videos each is often too small by chance:
    CR2                  sum_g T_g^2 / (1 - w_g) / n^2                         (cluster_variance.py)
    of likeness          (1 - r + r n sum_g w_g^2) s^2 / n    r: share of the variance that pairs of a video have in
                                                              common (analysis of variance), s^2: variance of the pairs
Degrees of freedom: only the design effect is uncertain, as the variance of a share follows from the share. With u the
variance of its logarithm, which the jackknife over videos gives, they are 2 / u (Satterthwaite 1946), kept between a
third and twice those that a mean of such videos has, since with few videos the jackknife itself is uncertain. Unlike
the source, which takes the number of videos minus 1: for shares that is too many with one odd video, and too few else.
"""

import numpy as np
from numpy.typing import NDArray

from evaluation.statistics.videos import Videos, shared_part

Values = NDArray[np.float64]
LEAST, MOST = 1 / 3, 2.0
"""Bounds of the degrees of freedom, in those of a mean."""


def share_variance(shares: Values, videos: Videos, of_mean: float) -> tuple[float, float]:
    """Return variance and degrees of freedom of the mean of [n] shares; the variance is 0 where all are equal.

    `of_mean`: the degrees of freedom that a mean of values of any kind has.
    """
    mean = float(shares.mean())
    robust = videos.robust_variance(shares - mean)
    within, shared = shared_part(shares, videos)
    likeness = shared / (shared + within) if shared > 0 else 0.0
    by_likeness = (1 - likeness + likeness * videos.num_pairs / videos.worth) * float(shares.var()) / videos.num_pairs
    if len(videos.sizes) == 2:  # one of two tells nothing of how alike the pairs of a video are
        return mean * (1 - mean) / videos.worth, MOST * of_mean
    logarithms = np.log(effects_without_each(shares, videos))
    uncertain = float(((logarithms - logarithms.mean()) ** 2).mean()) * (len(logarithms) - 1)
    freedom = max(LEAST * of_mean, min(MOST * of_mean, 2 / max(uncertain, 1e-12)))
    return max(robust, by_likeness), max(1.0, freedom)


def effects_without_each(shares: Values, videos: Videos) -> Values:
    """Return the design effect of the pairs that stay when each video in turn is left out: [G]."""
    sizes, sums = videos.sizes, videos.totals(shares)
    inside = videos.totals(shares**2) - sums**2 / sizes
    pairs, num_videos = sizes.sum() - sizes, len(sizes) - 1
    mean = (sums.sum() - sums) / pairs
    alike = (np.square(sizes).sum() - sizes**2) / pairs
    """n sum of squared weights: the design effect of videos whose pairs are all alike."""
    total = _without(sums**2 / sizes + inside) - pairs * mean**2
    robust = _without(sums**2) - 2 * mean * _without(sums * sizes) + mean**2 * _without(sizes**2)
    robust *= max(num_videos, 2) / max(num_videos - 1, 1) / pairs
    between = np.maximum(0, _without(sums**2 / sizes) - pairs * mean**2) / max(num_videos - 1, 1)
    spare = pairs - num_videos
    within = np.where(spare > 0, _without(inside) / np.maximum(spare, 1), between)
    shared = np.maximum(0, between - within) / np.maximum((pairs - alike) / max(num_videos - 1, 1), 1e-12)
    likeness = np.divide(shared, shared + within, out=np.zeros_like(shared), where=shared > 0)
    independent = mean * (1 - mean)
    effect = np.maximum(robust, (1 - likeness + likeness * alike) * total / pairs)
    known = (independent > 1e-12) & (effect > 1e-12)
    return np.divide(effect, independent, out=alike.copy(), where=known)


def _without(values: Values) -> Values:
    return values.sum() - values
