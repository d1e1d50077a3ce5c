"""Two small grey pictures + a shift -> which detail of each is found again in the other at that shift.

readings.py weighs which of several shifts is the background's and which a hand's.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from tasks.cutting.pixels import SMALL_PX, Grey

Shift = tuple[int, int]
"""Pixels down and right."""
WINDOW_PX = 7
"""Side of what is compared around each pixel."""
SOFT_PX = 3
"""Side of the mean that is taken before, so that the finest detail need not lie pixel on pixel."""
LEAST_DETAIL = 2.0
"""Standard deviation in levels from which a window has detail."""
LEAST_ALIKE = 0.7
"""Correlation from which a detail is found again."""
NEAR = ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0))
"""How far from its shift a detail may be: a view also zooms and turns a little."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Found:
    """Where the detail of a picture is found again at a shift, and where its place is out of view; both [S, S]."""

    again: Mask
    outside: Mask


class Detail:
    """Two pictures: where each has detail, and where it is found again in the other."""

    def __init__(self, before: Grey, after: Grey):
        self._soft = [uniform_filter(grey.astype(np.float32), SOFT_PX) for grey in (before, after)]
        self._means = [_mean(soft) for soft in self._soft]
        squares = [_mean(soft * soft) for soft in self._soft]
        spread = [np.sqrt(np.maximum(s - m * m, 0)) for s, m in zip(squares, self._means, strict=True)]
        self._norms = [np.maximum(levels, LEAST_DETAIL * 0.7) for levels in spread]
        self.there = [levels > LEAST_DETAIL for levels in spread]
        """Of the first and of the second picture."""

    def found(self, shift: Shift) -> tuple[Found, Found]:
        """Return what of the first picture is in the second at this shift, and what of the second was in the first."""
        again = [np.zeros((SMALL_PX, SMALL_PX), bool) for _ in range(2)]
        for down, right in NEAR:
            near = (shift[0] + down, shift[1] + right)
            there, here = common_area(near)
            if min(_size(there)) < WINDOW_PX:
                continue
            alike = self._alike(there, here) > LEAST_ALIKE
            again[0][there] |= alike
            again[1][here] |= alike
        there, here = common_area(shift)
        outside = [np.ones((SMALL_PX, SMALL_PX), bool) for _ in range(2)]
        outside[0][there] = outside[1][here] = False
        first, second = (Found(a & ~o, o) for a, o in zip(again, outside, strict=True))
        return first, second

    def _alike(self, there: tuple[slice, slice], here: tuple[slice, slice]) -> NDArray[np.float32]:
        product = _mean(self._soft[0][there] * self._soft[1][here]) - self._means[0][there] * self._means[1][here]
        correlation: NDArray[np.float32] = product / (self._norms[0][there] * self._norms[1][here])
        return correlation


def common_area(shift: Shift) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return where in the first and in the second picture the area lies that both show under a shift."""
    down, right = shift
    first, second = (
        (slice(max(0, y), SMALL_PX + min(0, y)), slice(max(0, x), SMALL_PX + min(0, x)))
        for y, x in ((-down, -right), (down, right))
    )
    return first, second


def moved(mask: Mask, shift: Shift) -> Mask:
    """Return a mask moved by a shift; nothing comes in over the border."""
    in_new_place = np.zeros_like(mask)
    there, here = common_area(shift)
    if min(_size(there)) > 0:
        in_new_place[here] = mask[there]
    return in_new_place


def _size(area: tuple[slice, slice]) -> tuple[int, int]:
    return area[0].stop - area[0].start, area[1].stop - area[1].start


def _mean(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    means: NDArray[np.float32] = uniform_filter(levels, WINDOW_PX, mode="nearest")
    return means
