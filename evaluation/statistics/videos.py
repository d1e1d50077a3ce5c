"""The video of each pair -> sizes and sums by video, and how alike the pairs of a video are."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


class Videos:
    """The videos of n pairs. Where all pairs are of one video, each pair counts as a video of its own."""

    def __init__(self, names: Sequence[object]) -> None:
        _, place = np.unique([str(name) for name in names], return_inverse=True)
        self.place: NDArray[np.int64] = place if place.max() > 0 else np.arange(len(names))
        """Number of the video of each pair, from 0."""
        self.sizes = np.bincount(self.place).astype(np.float64)
        """Pairs of each video."""
        self.num_pairs = len(names)

    @property
    def weights(self) -> Values:
        """Share of all pairs that each video has."""
        return self.sizes / self.num_pairs

    @property
    def worth(self) -> float:
        """How many values the pairs are worth where those of a video are all alike: 1 / sum of squared weights."""
        return float(1 / (self.weights**2).sum())

    def totals(self, values: Values) -> Values:
        """Return each video's sum of [n] values."""
        return np.asarray(np.bincount(self.place, weights=values), dtype=np.float64)

    def robust_variance(self, deviations: Values) -> float:
        """Return the variance of a mean, sum_g T_g^2 / (1 - w_g) / n^2, from [n] deviations from it ("CR2")."""
        return float((self.totals(deviations) ** 2 / (1 - self.weights)).sum()) / self.num_pairs**2


def shared_part(values: Values, videos: Videos) -> tuple[float, float]:
    """Return the variance between pairs of a video, and that of the effect which they share.

    One-way analysis of variance with videos of unequal size. The second is negative where videos are more alike than
    chance would have it. With one pair a video all of it is "between pairs".
    """
    num_pairs, sizes = videos.num_pairs, videos.sizes
    num_videos = len(sizes)
    if num_pairs == num_videos:
        return float(values.var(ddof=1)), 0.0
    of_video = videos.totals(values) / sizes
    within = float(((values - of_video[videos.place]) ** 2).sum()) / (num_pairs - num_videos)
    between = float((sizes * (of_video - values.mean()) ** 2).sum()) / (num_videos - 1)
    usual_size = (num_pairs - (sizes**2).sum() / num_pairs) / (num_videos - 1)
    return within, float(between - within) / usual_size
