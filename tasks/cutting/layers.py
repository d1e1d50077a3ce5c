"""Two small grey pictures + the shifts that blocks voted for -> which of the shifts is the background's.

A background with one shift and a hand with another explain two pictures where each detail is found again at one of the
two shifts, has left the view with the background, or is behind the hand now. The other way around, with the hand taken
for the background, details are missing that should be seen. A hand comes in over one border, so a background is also
seen at the others. Where both readings are as good, the more votes decide.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from tasks.cutting.pixels import MIN_CAMERA_SHIFT, SMALL_PX, Grey

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
BORDER_PX = 10
UNSEEN_COST = 0.15
"""Of a detail that left the view or is hidden; one that is missing costs 1, one that is found gains 1."""
BORDER_GAIN = 0.3
"""For a background that alone explains all detail at the borders."""
STILL_GAIN = 0.03
HAND_COST = 0.05
"""Of a second shift: one that explains as much is the simpler explanation."""
LEAST_GAIN, LEAST_GAIN_OVER_STILL = 0.04, 0.12
"""By which the votes' winner must be surpassed, and by which the still view, which a tripod shows in every pair. All of
these were chosen on made pairs and on pairs of real clips: RESULTS.md."""

_Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Found:
    """Where the detail of a picture is found again at a shift, and where its place is out of view; both [S, S]."""

    again: _Mask
    outside: _Mask


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
        self.amount = max(1, sum(int(mask.sum()) for mask in self.there))

    def found(self, shift: Shift) -> tuple[Found, Found]:
        """Return what of the first picture is in the second at this shift, and what of the second was in the first."""
        again = [np.zeros((SMALL_PX, SMALL_PX), bool) for _ in range(2)]
        for down, right in NEAR:
            moved = (shift[0] + down, shift[1] + right)
            there, here = common_area(moved)
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


def background(before: Grey, after: Grey, shifts: Iterable[Shift], winner: Shift) -> tuple[Shift, float]:
    """Return which of the `shifts` is the background's, and the certainty that it stood still or moved, in [0, 1].

    It is the votes' `winner`, one of the shifts, where no other is much better. The certainty is low where the opposite
    explains the pictures as well, and where as much detail is missing as is found again.
    """
    detail = Detail(before, after)
    detail_at = {shift: detail.found(shift) for shift in shifts}
    worth = {shift: max(_worths(detail, shift, detail_at)) for shift in detail_at}
    best = max(worth, key=lambda shift: worth[shift])
    least = LEAST_GAIN_OVER_STILL if winner == (0, 0) else LEAST_GAIN
    chosen = best if worth[best] > worth[winner] + least else winner
    ahead = {(0, 0): LEAST_GAIN_OVER_STILL - LEAST_GAIN}
    opposite = [worth[shift] + ahead.get(shift, 0.0) for shift in worth if has_moved(shift) != has_moved(chosen)]
    return chosen, min(1.0, max(0.0, worth[chosen] - max([0.0, *opposite])))


def has_moved(shift: Shift) -> bool:
    """Tell whether a view of this shift counts as moved."""
    return float(np.hypot(*shift)) >= MIN_CAMERA_SHIFT * SMALL_PX


def _worths(detail: Detail, shift: Shift, detail_at: Mapping[Shift, tuple[Found, Found]]) -> Iterable[float]:
    """Yield how well a background of this shift explains the pictures: alone, and with a hand of each other shift."""
    gain = STILL_GAIN if shift == (0, 0) else 0.0
    yield gain + _worth(detail, detail_at[shift], None, (0, 0))
    for other, of_hand in detail_at.items():
        if other != shift:
            apart = (other[0] - shift[0], other[1] - shift[1])
            yield gain - HAND_COST + _worth(detail, detail_at[shift], of_hand, apart)


def _worth(detail: Detail, of_view: tuple[Found, Found], of_hand: tuple[Found, Found] | None, apart: Shift) -> float:
    """Return how well a background and a hand explain the detail of both pictures.

    `apart`: the hand's shift less the background's. What the hand covers in the first picture it uncovers, and what is
    as far before it as it moves apart is hidden in the second; in the second picture the other way around.
    """
    border = np.ones((SMALL_PX, SMALL_PX), bool)
    border[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX] = False
    explained, at_border, num_border = 0.0, 0, 1
    for place, sign in ((0, 1), (1, -1)):
        there, view = detail.there[place], of_view[place]
        hand = of_hand[place].again if of_hand is not None else np.zeros_like(there)
        alone = view.again & ~hand
        hidden = _moved(hand & ~view.again, (sign * apart[0], sign * apart[1]))
        unseen = (view.outside | hidden) & ~(view.again | hand)
        missing = ~(view.again | hand | unseen)
        explained += int((there & (view.again | hand)).sum()) - int((there & missing).sum())
        explained -= UNSEEN_COST * int((there & unseen).sum())
        at_border += int((there & border & alone).sum())
        num_border += int((there & border).sum())
    return explained / detail.amount + BORDER_GAIN * at_border / num_border


def common_area(shift: Shift) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return where in the first and in the second picture the area lies that both show under a shift."""
    down, right = shift
    first, second = (
        (slice(max(0, y), SMALL_PX + min(0, y)), slice(max(0, x), SMALL_PX + min(0, x)))
        for y, x in ((-down, -right), (down, right))
    )
    return first, second


def _moved(mask: _Mask, shift: Shift) -> _Mask:
    """Return a mask moved by a shift; nothing comes in over the border."""
    moved = np.zeros_like(mask)
    there, here = common_area(shift)
    if min(_size(there)) > 0:
        moved[here] = mask[there]
    return moved


def _size(area: tuple[slice, slice]) -> tuple[int, int]:
    return area[0].stop - area[0].start, area[1].stop - area[1].start


def _mean(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    means: NDArray[np.float32] = uniform_filter(levels, WINDOW_PX, mode="nearest")
    return means
