"""Two small grey pictures -> the shift of their background, in pixels.

Each block of the first picture that has detail looks for itself in the second: normalised cross-correlation at every
place, so that light that fades and a lower contrast do not count. Correlations above a level are votes for the shift
that they stand for, and most votes win; the still view wins with half as many. A hand that fills half of the picture
may have more votes than the background. So layers.py looks which of the shifts with votes explains the two pictures
best as that of the background.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tasks.cutting.layers import Shift, background
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
MAX_PEAKS = 4
"""Shifts that are looked at."""
PEAK_PX = 3
"""Nearer shifts are the same."""
LEAST_SHARE = 0.1
"""Share of the most votes from which a shift is looked at."""
MAX_SHIFT = SMALL_PX // 2
_PLACES = SMALL_PX - BLOCK_PX + 1
"""Places of a block in a row."""
_TOPS, _LEFTS = (grid.ravel() for grid in np.mgrid[0:_PLACES:STEP_PX, 0:_PLACES:STEP_PX])

_Numbers = NDArray[np.float32]


def camera_shift(before: Grey, after: Grey) -> tuple[Shift, float]:
    """Return by how many pixels (down, right) the background of two grey pictures moved, each within half the side.

    Also return the certainty, in [0, 1], that it stood still or moved: 0 where the opposite explains the two pictures
    as well, where more of their detail is missing than found again, or where there is no detail.
    """
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
    return _decided(before, after, cast[near, near])


def _decided(before: Grey, after: Grey, cast: _Numbers) -> tuple[Shift, float]:
    """Return the background's shift and its certainty from the votes cast for each shift, up to MAX_SHIFT each way."""
    if cast.max() <= 0:
        return (0, 0), 0.0
    voted = _peaks(cast)
    is_still = cast[MAX_SHIFT, MAX_SHIFT] >= STILL_SHARE * cast.max()
    winner = (0, 0) if is_still else voted[0]
    middle = cast[MAX_SHIFT - 1 : MAX_SHIFT + 2, MAX_SHIFT - 1 : MAX_SHIFT + 2]
    still = [(0, 0)] if is_still or middle.max() >= LEAST_SHARE * cast.max() else []
    shifts = still + [peak for peak in voted if not still or max(map(abs, peak)) > 1]
    winner = winner if winner in shifts else (0, 0)
    return background(before, after, shifts, winner)


def _peaks(cast: _Numbers) -> list[Shift]:
    """Return the shifts with the most votes, the most first, without their neighbours and those with few."""
    left, least = cast.copy(), LEAST_SHARE * cast.max()
    peaks: list[Shift] = []
    while len(peaks) < MAX_PEAKS and left.max() >= least:
        down, right = (int(place) for place in np.unravel_index(int(left.argmax()), left.shape))
        peaks.append((down - MAX_SHIFT, right - MAX_SHIFT))
        left[max(0, down - PEAK_PX) : down + PEAK_PX + 1, max(0, right - PEAK_PX) : right + PEAK_PX + 1] = 0
    return peaks


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
