"""Values of two editors on the same pairs -> their difference with interval, p, Holm's p and the smallest visible
difference.

The difference is computed pair by pair, then averaged as in clustered_mean.py: the difficulty of a pair for both
editors cancels out. 0 is in the interval exactly where p is 0.05 or more. Where all pairs differ by the same amount, p
is that of the sign test over G videos, 2^(1 - G), and the end towards 0 is mean (2 0.025^(1/G) - 1), which agrees with
it: such a draw is likely enough while so many of the videos differ by the mean, and the rest by its opposite. Holm's
correction (1979, Scand. J. Stat. 6) covers one family of questions: all editors against one reference under one
measure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation.statistics.clustered_mean import Mean, clustered_mean, judged
from evaluation.statistics.intervals import CONFIDENCE
from evaluation.statistics.share_difference import with_far_end
from evaluation.statistics.videos import Videos


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The difference of two editors' means."""

    estimate: Mean
    """The mean difference, its interval and error."""
    p: float
    """Two-sided."""
    p_holm: float
    """p after Holm's correction over the family."""

    @property
    def is_shown(self) -> bool:
        """Whether the difference is shown at 5 % after the correction."""
        return self.p_holm < 0.05


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p values, in the order given.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def difference_mean(
    first: ArrayLike, second: ArrayLike, videos: Sequence[object], *, bounds: tuple[float, float] | None = None
) -> Mean | None:
    """Return the mean of first - second, [n] or [n, seeds] each; None where they share no value.

    Training seeds are taken side by side where both have the same number, else each pair's mean over them is used.
    `bounds`: (0, 1) for shares, None for values of any kind.
    """
    one, other = (_as_table(values) for values in (first, second))
    if one.shape[1] != other.shape[1]:
        one, other = one.mean(axis=1, keepdims=True), other.mean(axis=1, keepdims=True)
    differences_of_pairs, kept = judged(one - other, videos)
    mean = clustered_mean(differences_of_pairs, kept)
    if mean is None or mean.freedom == 0:
        return mean
    if mean.error == 0:
        nearer = mean.mean * (2 * ((1 - CONFIDENCE) / 2) ** (1 / mean.num_videos) - 1)
        mean = replace(mean, low=min(nearer, mean.mean), high=max(nearer, mean.mean))
    return mean if bounds is None else with_far_end(mean, differences_of_pairs, Videos(kept))


def _as_table(values: ArrayLike) -> NDArray[np.float64]:
    table = np.asarray(values, dtype=np.float64)
    return table.reshape(len(table), -1)


def differences(
    others: Mapping[str, ArrayLike],
    reference: ArrayLike,
    videos: Sequence[object],
    *,
    bounds: tuple[float, float] | None = None,
) -> dict[str, Difference]:
    """Return other - reference for each named editor, with Holm's correction over all of them."""
    means = {name: difference_mean(values, reference, videos, bounds=bounds) for name, values in others.items()}
    tested = {name: mean for name, mean in means.items() if mean is not None and mean.freedom > 0}
    p_values = [mean.p for mean in tested.values()]
    return {
        name: Difference(estimate=mean, p=p, p_holm=p_holm)
        for (name, mean), p, p_holm in zip(tested.items(), p_values, holm(p_values), strict=True)
    }
