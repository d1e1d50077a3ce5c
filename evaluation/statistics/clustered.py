"""Paired differences of two editors on the same pairs, whose videos are the units that were drawn.

Pairs of one video share kitchen, camera and actor, so they are alike: counting them as independent makes an interval
too narrow. The variance here is that of sums over videos (Liang and Zeger 1986, doi:10.1093/biomet/73.1.13), with
Student's t at one degree of freedom less than there are videos.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student_t

from evaluation.statistics.intervals import CONFIDENCE


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How much a mean has changed."""

    mean: float
    """Mean difference."""
    low: float | None
    """Lower end of its interval; None with fewer than two videos."""
    high: float | None
    """Upper end."""
    num_pairs: int
    """Pairs that both have."""
    num_videos: int
    """Videos that these are of."""


def clustered_difference(differences: ArrayLike, videos: Sequence[str]) -> Difference:
    """Return the mean of `differences` [num_pairs], pair i being of `videos[i]`, with its 95 % interval."""
    values = np.asarray(differences, dtype=np.float64)
    if not len(values) or len(values) != len(videos):
        raise ValueError(f"{len(values)} differences of {len(videos)} pairs: give at least one, and a video for each.")
    mean = float(values.mean())
    _, number = np.unique(np.asarray(videos), return_inverse=True)
    sums = np.bincount(number, weights=values - mean)
    num_videos = len(sums)
    if num_videos < 2:
        return Difference(mean=mean, low=None, high=None, num_pairs=len(values), num_videos=num_videos)
    error = float(np.sqrt((sums**2).sum() * num_videos / (num_videos - 1))) / len(values)
    half = float(student_t.ppf((1 + CONFIDENCE) / 2, num_videos - 1)) * error
    return Difference(mean=mean, low=mean - half, high=mean + half, num_pairs=len(values), num_videos=num_videos)
