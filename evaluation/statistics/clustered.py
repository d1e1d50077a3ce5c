"""Paired differences of two editors on the same pairs, where the interval may be missing.

Mean and interval come from clustered_mean.py: the videos are the sampled units.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.statistics.clustered_mean import clustered_mean


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The change of a mean."""

    mean: float
    """Mean difference."""
    low: float | None
    """Lower end of its interval; None with fewer than two videos."""
    high: float | None
    """Upper end."""
    num_pairs: int
    """Number of common pairs."""
    num_videos: int
    """Number of their videos."""


def clustered_difference(differences: ArrayLike, videos: Sequence[str]) -> Difference:
    """Return the mean of `differences` [num_pairs], pair i being of `videos[i]`, with its 95 % interval."""
    values = np.asarray(differences, dtype=np.float64)
    if not len(values) or len(values) != len(videos):
        raise ValueError(f"{len(values)} differences of {len(videos)} pairs: give at least one, and a video for each.")
    mean = clustered_mean(values, videos)
    assert mean is not None, "differences of shares are finite"
    num_videos = len(set(videos))
    low, high = (mean.low, mean.high) if num_videos > 1 else (None, None)
    return Difference(mean=mean.mean, low=low, high=high, num_pairs=mean.num_pairs, num_videos=num_videos)
