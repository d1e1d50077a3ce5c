"""Values of two editors on the same pairs -> their difference with interval, p, Holm's p and the smallest visible
difference.

The difference is computed pair by pair, then averaged as in clustered_mean.py: the difficulty of a pair for both
editors cancels out. Holm's correction (1979, Scand. J. Stat. 6) covers one family of questions: all editors against one
reference under one measure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation.statistics.clustered_mean import Mean, clustered_mean


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


def difference_mean(first: ArrayLike, second: ArrayLike, videos: Sequence[object]) -> Mean | None:
    """Return the mean of first - second, [n] or [n, seeds] each; None where they share no value.

    Training seeds are taken side by side where both have the same number, else each pair's mean over them is used.
    """
    one, other = (_as_table(values) for values in (first, second))
    if one.shape[1] != other.shape[1]:
        one, other = one.mean(axis=1, keepdims=True), other.mean(axis=1, keepdims=True)
    return clustered_mean(one - other, videos)


def _as_table(values: ArrayLike) -> NDArray[np.float64]:
    table = np.asarray(values, dtype=np.float64)
    return table.reshape(len(table), -1)


def differences(
    others: Mapping[str, ArrayLike], reference: ArrayLike, videos: Sequence[object]
) -> dict[str, Difference]:
    """Return other - reference for each named editor, with Holm's correction over all of them."""
    means = {name: difference_mean(values, reference, videos) for name, values in others.items()}
    tested = {name: mean for name, mean in means.items() if mean is not None and mean.freedom > 0}
    p_values = [mean.p for mean in tested.values()]
    return {
        name: Difference(estimate=mean, p=p, p_holm=p_holm)
        for (name, mean), p, p_holm in zip(tested.items(), p_values, holm(p_values), strict=True)
    }
