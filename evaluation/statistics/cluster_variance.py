"""Values of pairs and training seeds, and the video of each pair -> variance of their mean, and its degrees of freedom.

With n pairs in G videos of n_g, weights w_g = n_g / n and totals T_g of the deviations from the mean,
    Var(mean) = sum_g T_g^2 / (1 - w_g) / n^2
Bell and McCaffrey 2002 (Survey Methodology 28, 169), "CR2": the mean is pulled to the values of large videos, so their
totals come out too small. With videos of equal size it is the textbook's G / (G - 1). The degrees of freedom are
Satterthwaite's under a model in which pairs of one video share an effect, as in Imbens and Kolesar 2016
(doi:10.1162/REST_a_00552): the part of that effect is estimated by analysis of variance. A few large videos thus count
for less than G - 1. Shares have another estimate (clustered_share.py). Seeds are crossed with videos, as in crossed.py.
"""

import numpy as np
from numpy.typing import NDArray

from evaluation.statistics.crossed import with_seeds
from evaluation.statistics.videos import Videos, shared_part

Values = NDArray[np.float64]


def cluster_variance(table: Values, videos: Videos) -> tuple[float, float]:
    """Return variance and degrees of freedom of the mean of [n, training seeds]; infinite where no value differs."""
    return with_training_seeds(table, videos, *mean_variance(table.mean(axis=1), videos))


def with_training_seeds(table: Values, videos: Videos, over_videos: float, freedom: float) -> tuple[float, float]:
    """Return variance and degrees of freedom of the mean of [n, training seeds], from those over the videos alone."""
    num_seeds = table.shape[1]
    if num_seeds == 1:
        return over_videos, freedom if over_videos > 0 else np.inf
    of_pairs, mean = table.mean(axis=1), table.mean()
    by_seed = table.mean(axis=0) - mean
    over_seeds = float((by_seed**2).sum()) / (num_seeds * (num_seeds - 1))
    left = table - of_pairs[:, None] - by_seed[None]
    rest = sum(videos.robust_variance(column) for column in left.T) / (num_seeds * (num_seeds - 1))
    return with_seeds(over_videos, over_seeds, rest, freedom=freedom, num_seeds=num_seeds)


def mean_variance(values: Values, videos: Videos) -> tuple[float, float]:
    """Return variance (CR2) and degrees of freedom of the mean of [n] values."""
    variance = videos.robust_variance(values - values.mean())
    within, shared = shared_part(values, videos)
    expected = videos.sizes * within + videos.sizes**2 * max(0.0, shared)
    return variance, satterthwaite(videos.sizes, expected if expected.sum() > 0 else videos.sizes)


def satterthwaite(sizes: Values, expected: Values) -> float:
    """Return the degrees of freedom of CR2 for a mean: tr(G)^2 / tr(G^2), where the videos' totals vary by `expected`.

    G_gh = c_g c_h (1[g = h] v_g - w_h v_g - w_g v_h + w_g w_h V) with c_g = (1 - w_g)^(-1/2), v = expected, V its sum;
    G - 1 where all videos are alike.
    """
    weights, total = sizes / sizes.sum(), expected.sum()
    scale = 1 / np.sqrt(1 - weights)
    own, lever = scale * expected, scale * weights
    diagonal = scale * own
    beside = total * lever**2 - 2 * own * lever
    inner, levers = float(own @ lever), float(lever @ lever)
    trace = float(diagonal @ diagonal) + 2 * float(diagonal @ beside)
    trace += 2 * inner**2 + 2 * float(own @ own) * levers - 4 * total * inner * levers + total**2 * levers**2
    return float((diagonal + beside).sum() ** 2 / trace)
