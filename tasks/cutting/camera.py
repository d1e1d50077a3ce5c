"""Two small grey pictures -> the shift of their background, in pixels.

Each block of the first picture that has detail looks for itself in the second: normalised cross-correlation at every
place, so that light that fades and a lower contrast do not count. Correlations above a level are votes for the shift
that they stand for, and most votes win. A hand's blocks agree among themselves at most;
where the still view has half of the winner's votes, the camera stood still and a hand moved.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tasks.cutting.pixels import SMALL_PX, Grey

BLOCK_PX = 16
STEP_PX = 6
"""Distance from one block to the next."""
EVERY_PX = 2
"""Every second pixel of a block is compared."""
MIN_DETAIL = 2.0
"""Standard deviation in levels from which a block has detail."""
MIN_ALIKE = 0.7
"""Smallest correlation with which a block votes; a vote grows with the square of the excess."""
STILL_SHARE = 0.5
"""Share of the most votes with which the still view wins: a hand that stays in view while the camera pans has less."""
MAX_SHIFT = SMALL_PX // 2
_PLACES = SMALL_PX - BLOCK_PX + 1
"""Places of a block in a row."""
_TOPS, _LEFTS = (grid.ravel() for grid in np.mgrid[0:_PLACES:STEP_PX, 0:_PLACES:STEP_PX])

Shift = tuple[int, int]
"""Pixels down and right."""
_Numbers = NDArray[np.float32]


def camera_shift(before: Grey, after: Grey) -> Shift:
    """Return by how many pixels (down, right) the background of two grey pictures moved, each within half the side."""
    blocks, detail = _centred(_windows(before)[_TOPS, _LEFTS])
    windows, detail_there = _centred(_windows(after).reshape(-1, BLOCK_PX, BLOCK_PX))
    voters = np.flatnonzero(detail > MIN_DETAIL)
    # A flat window correlates with anything by its noise: it counts as if it had a little detail.
    norms = blocks.shape[1] * detail[voters, None] * np.maximum(detail_there, MIN_DETAIL * 0.7)
    alike = blocks[voters] @ windows.T / norms
    votes = np.maximum(alike - MIN_ALIKE, 0) ** 2
    side = 2 * (SMALL_PX - BLOCK_PX) + 1
    cast = np.zeros((side, side), np.float32)
    for vote, top, left in zip(votes, _TOPS[voters], _LEFTS[voters], strict=True):
        cast[_around(SMALL_PX - BLOCK_PX - top), _around(SMALL_PX - BLOCK_PX - left)] += vote.reshape(_PLACES, _PLACES)
    near = slice(side // 2 - MAX_SHIFT, side // 2 + MAX_SHIFT + 1)
    cast = cast[near, near]
    down, right = (int(place) - MAX_SHIFT for place in np.unravel_index(int(cast.argmax()), cast.shape))
    is_still = cast[MAX_SHIFT, MAX_SHIFT] >= STILL_SHARE * cast.max()
    return (0, 0) if is_still else (down, right)


def _windows(grey: Grey) -> _Numbers:
    """Return the blocks at every place, [_PLACES, _PLACES, BLOCK_PX, BLOCK_PX]; a view."""
    windows: _Numbers = sliding_window_view(grey.astype(np.float32), (BLOCK_PX, BLOCK_PX))
    return windows


def _centred(blocks: _Numbers) -> tuple[_Numbers, _Numbers]:
    """Return blocks [n, pixels] less their means, and their standard deviations [n]."""
    flat = blocks[:, ::EVERY_PX, ::EVERY_PX].reshape(len(blocks), -1)
    centred = flat - flat.mean(axis=1, keepdims=True)
    return centred, np.sqrt((centred * centred).mean(axis=1))


def _around(first: int) -> slice:
    return slice(first, first + _PLACES)


def common_area(shift: Shift) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return where in the first and in the second picture the area lies that both show under a shift."""
    down, right = shift
    first, second = (
        (slice(max(0, y), SMALL_PX + min(0, y)), slice(max(0, x), SMALL_PX + min(0, x)))
        for y, x in ((-down, -right), (down, right))
    )
    return first, second
