"""Two small grey pictures -> votes of their blocks for shifts, and the shifts with the most votes.

Each block of the first picture that has detail looks for itself in the second by normalised cross-correlation, so that
light that fades and a lower contrast do not count. A correlation above a level is a vote for the shift that it stands
for. Large blocks are rarely wrong; small ones find what a large hand leaves in view of the background.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tasks.cutting.layers import Shift
from tasks.cutting.pixels import SMALL_PX, Grey

MAX_SHIFT = SMALL_PX // 2
MIN_DETAIL = 2.0
"""Standard deviation in levels from which a block has detail."""
FLAT = 0.7 * MIN_DETAIL
"""A flat window correlates with anything by its noise: it counts as if it had this much detail."""
LARGE_PX, LARGE_STEP_PX = 16, 6
"""Side of a block, and the distance from one block to the next."""
EVERY_PX = 2
"""Every second pixel of a large block is compared."""
LARGE_ALIKE = 0.7
"""Smallest correlation with which a block votes; a vote grows with the square of the excess."""
SMALL_BLOCK_PX, SMALL_STEP_PX = 8, 4
SMALL_ALIKE = 0.8
LEAST_REST = 0.5
"""Share of a small block, and of the place where it looks for itself, that nothing has explained so far."""
PEAK_PX = 3
"""Nearer shifts are the same."""
LEAST_SHARE = 0.1
"""Share of the most votes from which a shift is looked at."""

Votes = NDArray[np.float32]
"""For each shift, [2 MAX_SHIFT + 1, 2 MAX_SHIFT + 1]; the still view is in the middle."""
_Mask = NDArray[np.bool_]
_PLACES = SMALL_PX - LARGE_PX + 1
"""Places of a large block in a row."""
_TOPS, _LEFTS = (grid.ravel() for grid in np.mgrid[0:_PLACES:LARGE_STEP_PX, 0:_PLACES:LARGE_STEP_PX])


def votes_of_all(before: Grey, after: Grey) -> Votes:
    """Return the votes of large blocks of the whole picture."""
    blocks, detail = _centred(_windows(before, LARGE_PX)[_TOPS, _LEFTS, ::EVERY_PX, ::EVERY_PX])
    everywhere = _windows(after, LARGE_PX)[..., ::EVERY_PX, ::EVERY_PX]
    windows, detail_there = _centred(everywhere.reshape(_PLACES**2, *everywhere.shape[2:]))
    voters = np.flatnonzero(detail > MIN_DETAIL)
    norms = blocks.shape[1] * detail[voters, None] * np.maximum(detail_there, FLAT)
    alike = blocks[voters] @ windows.T / norms
    votes = np.maximum(alike - LARGE_ALIKE, 0) ** 2
    side = 2 * (SMALL_PX - LARGE_PX) + 1
    cast = np.zeros((side, side), np.float32)
    for vote, top, left in zip(votes, _TOPS[voters], _LEFTS[voters], strict=True):
        cast[_around(SMALL_PX - LARGE_PX - top), _around(SMALL_PX - LARGE_PX - left)] += vote.reshape(_PLACES, _PLACES)
    near = slice(side // 2 - MAX_SHIFT, side // 2 + MAX_SHIFT + 1)
    return cast[near, near]


def votes_of_rest(before: Grey, after: Grey, rest_before: _Mask, rest_after: _Mask) -> Votes:
    """Return the votes of small blocks of the rest, the detail that nothing has explained, for places in the rest."""
    cast = np.zeros((2 * MAX_SHIFT + 1, 2 * MAX_SHIFT + 1), np.float32)
    tops, lefts = _places_in(rest_before, SMALL_STEP_PX)
    tops_after, lefts_after = _places_in(rest_after, 1)
    blocks, detail = _centred(_windows(before, SMALL_BLOCK_PX)[tops, lefts])
    windows, detail_there = _centred(_windows(after, SMALL_BLOCK_PX)[tops_after, lefts_after])
    voters, chosen = np.flatnonzero(detail > MIN_DETAIL), np.flatnonzero(detail_there > FLAT)
    scaled = blocks[voters] / (SMALL_BLOCK_PX**2 * detail[voters, None])
    alike = scaled @ (windows[chosen] / detail_there[chosen, None]).T
    voter, place = np.nonzero(alike > SMALL_ALIKE)
    down = tops_after[chosen[place]] - tops[voters[voter]] + MAX_SHIFT
    right = lefts_after[chosen[place]] - lefts[voters[voter]] + MAX_SHIFT
    is_near = (down >= 0) & (down <= 2 * MAX_SHIFT) & (right >= 0) & (right <= 2 * MAX_SHIFT)
    votes = (alike[voter, place] - SMALL_ALIKE) ** 2
    np.add.at(cast, (down[is_near], right[is_near]), votes[is_near])
    return cast


def peaks(cast: Votes, most: int) -> list[Shift]:
    """Return the shifts with the most votes, the most first, without their neighbours and those with few."""
    left, least = cast.copy(), LEAST_SHARE * cast.max()
    shifts: list[Shift] = []
    while len(shifts) < most and left.max() > least:
        down, right = (int(place) for place in np.unravel_index(int(left.argmax()), left.shape))
        shifts.append((down - MAX_SHIFT, right - MAX_SHIFT))
        left[max(0, down - PEAK_PX) : down + PEAK_PX + 1, max(0, right - PEAK_PX) : right + PEAK_PX + 1] = 0
    return shifts


def vote_share(cast: Votes, shift: Shift) -> float:
    """Return the votes for a shift, or one beside it, as a share of the most votes; `cast` has some."""
    down, right = shift[0] + MAX_SHIFT, shift[1] + MAX_SHIFT
    return float(cast[max(0, down - 1) : down + 2, max(0, right - 1) : right + 2].max() / cast.max())


def _places_in(rest: _Mask, step: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the tops and the lefts of the small blocks, each `step` apart, that lie mostly in the rest."""
    sums = np.zeros((SMALL_PX + 1, SMALL_PX + 1), np.int32)
    sums[1:, 1:] = rest.cumsum(0, dtype=np.int32).cumsum(1, dtype=np.int32)
    px = SMALL_BLOCK_PX
    inside = sums[px:, px:] - sums[:-px, px:] - sums[px:, :-px] + sums[:-px, :-px]
    tops, lefts = np.nonzero(inside[::step, ::step] >= LEAST_REST * px**2)
    return tops * step, lefts * step


def _windows(grey: Grey, side_px: int) -> NDArray[np.float32]:
    """Return the blocks at every place, [places, places, side_px, side_px]; a view."""
    windows: NDArray[np.float32] = sliding_window_view(grey.astype(np.float32), (side_px, side_px))
    return windows


def _centred(blocks: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return blocks [n, h, w] less their means as [n, h w], and their standard deviations [n]."""
    flat = blocks.reshape(len(blocks), blocks.shape[1] * blocks.shape[2])
    centred = flat - flat.mean(axis=1, keepdims=True)
    return centred, np.sqrt((centred * centred).mean(axis=1))


def _around(first: int) -> slice:
    return slice(first, first + _PLACES)
