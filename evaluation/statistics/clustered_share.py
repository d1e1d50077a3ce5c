"""Shares of pairs (0, 1, or means of such), [n, training seeds], and their videos -> the ends of the 95 % interval.

Wilson's interval at the number of pairs that are worth one: n / deff, where the design effect is
    deff = 1 + r (n sum_g w_g^2 - 1)
(Franco, Little, Louis and Slud 2019, doi:10.1093/jssam/smy019); w_g: part of the pairs that video g has; r: part of the
variance that pairs of a video have in common, by analysis of variance. The latter knows nothing of videos that were not
drawn: where all failures lie in f videos, a draw without these looks perfect. So r is drawn to 1, as by a fifth of a
video more that fails as a whole: (f r + 1/5) / (f + 1/5), f: videos with a failure or, if fewer, with a success.
The end nearer to 0 or 100 % asks whether so many failures can be chance: normal quantile. The other end asks what
videos that were not drawn would do: Student's t at f deff / (deff - 1), since the part (deff - 1) / deff of the
variance is known from f videos only. It need not lie farther away than the share of the videos without any failure
may (Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404). Where all pairs are 1 this gives [0.05^(1/G), 1]: the
narrowest interval that holds each share under which 5 of 100 draws look so. Unlike the source, which takes r as
estimated and G - 1 for both ends: that held the truth in 82 to 100 of 100 draws.

Where few draws are possible, no interval holds in 93 to 97: 10 videos of one pair each, and a share of 98 %, give 10 of
10 in 81.7 and 9 of 10 in 16.7 of 100 draws, so that an interval holds the truth in 81.7 or in 98.4, and here in 98.4.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from evaluation.statistics.cluster_variance import with_training_seeds
from evaluation.statistics.intervals import CONFIDENCE
from evaluation.statistics.videos import Videos, shared_part

Values = NDArray[np.float64]
UNSEEN = 0.2
"""Videos that fail as a whole and are added to those from which the likeness is known. In 414 kinds of draws it held
the truth in 92 of 100 or more; a half makes shares near 100 % too wide, a tenth others too narrow."""
NORMAL = 1e6
"""Degrees of freedom at which Student's t is the normal distribution."""


def share_ends(shares: Values, videos: Videos) -> tuple[float, float]:
    """Return the lower and the upper end for the mean of [n, training seeds] shares in at least two videos."""
    share, of_pairs = float(shares.mean()), shares.mean(axis=1)
    with_failure, with_success = (int(np.count_nonzero(videos.totals(part))) for part in (1 - of_pairs, of_pairs))
    if share in (0.0, 1.0):
        tail = 1 - CONFIDENCE
        return clean_videos(videos, with_failure, tail), 1 - clean_videos(videos, with_success, tail)
    variance, freedom = share_variance(of_pairs, videos, min(with_failure, with_success))
    low, high = _wilson_ends(shares, videos, variance, freedom)
    nearer_low, nearer_high = _wilson_ends(shares, videos, variance, NORMAL)
    low, high = nearer_low if share < 0.5 else low, nearer_high if share > 0.5 else high
    if shares.shape[1] > 1:  # seeds that were not drawn may fail in all videos
        return low, high
    tail = (1 - CONFIDENCE) / 2
    return max(low, clean_videos(videos, with_failure, tail)), min(high, 1 - clean_videos(videos, with_success, tail))


def clean_videos(videos: Videos, num_others: int, tail: float) -> float:
    """Return the least share of clean videos where `num_others` of the videos are not clean; it errs in `tail`."""
    num_clean = len(videos.sizes) - num_others
    return float(stats.beta.ppf(tail, num_clean, num_others + 1)) if num_clean else 0.0


def share_variance(shares: Values, videos: Videos, telling: int) -> tuple[float, float]:
    """Return variance and degrees of freedom of the mean of [n] shares; the variance is 0 where all are equal.

    `telling`: videos with a failure or, if fewer, with a success.
    """
    within, shared = shared_part(shares, videos)
    likeness = shared / (within + shared) if within + shared > 0 else 0.0
    likeness = max(0.0, (telling * likeness + UNSEEN) / (telling + UNSEEN))
    excess = likeness * (videos.num_pairs / videos.worth - 1)
    freedom = NORMAL if excess <= 0 else min(NORMAL, max(1.0, telling * (1 + excess) / excess))
    return (1 + excess) * float(shares.var()) / videos.num_pairs, freedom


def _wilson_ends(shares: Values, videos: Videos, variance: float, freedom: float) -> tuple[float, float]:
    total, freedom = with_training_seeds(shares, videos, variance, freedom)
    share = float(shares.mean())
    worth = share * (1 - share) / total if total > 0 else float(len(videos.sizes))
    return wilson(share, worth, float(stats.t.ppf((1 + CONFIDENCE) / 2, min(freedom, NORMAL))))


def wilson(share: float, worth: float, quantile: float) -> tuple[float, float]:
    """Return Wilson's interval (1927, doi:10.1080/01621459.1927.10502953) of a share of `worth` independent pairs."""
    square = quantile**2 / worth
    centre = (share + square / 2) / (1 + square)
    half = math.sqrt(square * share * (1 - share) + square**2 / 4) / (1 + square)
    return max(0.0, centre - half), min(1.0, centre + half)
