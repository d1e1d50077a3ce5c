"""How far the view moved between two pictures: two small grey pictures -> the shift of their background, in pixels.

Shifts that come into question are no shift and the highest peaks of the phase correlation (Kuglin and Hines 1975). Each
block of the picture that has detail votes for those under which it looks the same, and most votes win: a hand that
moves before a still background is outvoted by it, where the highest peak alone often follows the hand.
"""

import numpy as np
from numpy.typing import NDArray

from tasks.cutting.pixels import SAME_LEVELS, SMALL_PX, Grey, extremes

BLOCK_PX = 8
NUM_PEAKS = 8
"""Peaks that are looked at beside no shift."""
MIN_DETAIL = 0.2
"""Share of a block's pixels that have detail, for it to vote."""
MAX_DIFFERENT = 0.1
"""Share of a block's pixels that may look different where it votes for a shift."""
MIN_MORE_VOTES = 2
"""Votes by which a shift must lead no shift."""
NEARLY_AS_MANY = 0.8
"""Share of the most votes with which a higher peak is taken."""
MIN_SHARE = 0.15
"""Where no shift has this share of its voters, the pictures hardly show one view: the highest peak is all there is."""
_HANN = np.hanning(SMALL_PX).astype(np.float32)
_WINDOW = _HANN[:, None] * _HANN
_HALF = np.hanning(SMALL_PX * 2 // 3).astype(np.float32)
_REST = SMALL_PX - len(_HALF)
_SIDES = (np.pad(_HALF, (0, _REST)), np.pad(_HALF, (_REST, 0)))
_PARTS = [down[:, None] * right for down in _SIDES for right in _SIDES]
"""The four corners, each two thirds of the side."""

Shift = tuple[int, int]
"""Pixels down and right."""


def camera_shift(before: Grey, after: Grey) -> Shift:
    """Return by how many pixels (down, right) the background of two grey pictures moved, each within half the side."""
    peaks = _peaks(before, after)
    lowest, highest = extremes(before.astype(np.int16))
    counted = [_votes(lowest, highest, after.astype(np.int16), shift) for shift in peaks]
    still, num_voters = _votes(lowest, highest, after.astype(np.int16), (0, 0))
    if not num_voters:
        return 0, 0
    # A shift that is a pixel off gets nearly as many votes: of those the higher peak is right.
    enough = NEARLY_AS_MANY * max(votes for votes, _ in counted)
    best = next(place for place, (votes, _) in enumerate(counted) if votes >= enough)
    votes, voters = counted[best]
    if max(still / num_voters, votes / max(1, voters)) < MIN_SHARE:
        return peaks[0]
    return peaks[best] if votes >= still + MIN_MORE_VOTES else (0, 0)


def _peaks(before: Grey, after: Grey) -> list[Shift]:
    """Return the shifts at the highest peaks of the phase correlations, those of the whole pictures first.

    Parts of the pictures have their say too: a strong thing in the middle hides the peak of what is behind it.
    """
    whole = _correlated(before, after, _WINDOW)
    parts = [_correlated(before, after, window) for window in _PARTS]
    normed = sum(np.maximum(each, 0) / max(float(each.max()), 1e-9) for each in parts)
    shifts = [*_highest(whole, NUM_PEAKS), *_highest(np.asarray(normed), NUM_PEAKS)]
    for each in parts:
        shifts += _highest(each, 2)
    return list(dict.fromkeys(shifts))


def _correlated(before: Grey, after: Grey, window: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the phase correlation of two pictures seen through a window."""
    spectra = [np.fft.rfft2((each - each.mean(dtype=np.float32)) * window) for each in (after, before)]
    cross = spectra[0] * spectra[1].conj()
    correlation: NDArray[np.float64] = np.fft.irfft2(cross / np.maximum(np.abs(cross), 1e-9), s=before.shape)
    return correlation


def _highest(correlation: NDArray[np.float64], num: int) -> list[Shift]:
    """Return the shifts at the highest points, highest first."""
    order = np.argsort(correlation, axis=None, kind="stable")[::-1][:num]
    half = SMALL_PX // 2
    return [
        (int((down + half) % SMALL_PX - half), int((right + half) % SMALL_PX - half))
        for down, right in zip(*np.unravel_index(order, correlation.shape), strict=True)
    ]


def _votes(
    lowest: NDArray[np.int16], highest: NDArray[np.int16], after: NDArray[np.int16], shift: Shift
) -> tuple[int, int]:
    """Return how many blocks of the common area look the same under a shift, and how many have detail to tell."""
    there, here = common_area(shift)
    looked = after[here]
    low, high = lowest[there], highest[there]
    different = (looked < low - SAME_LEVELS) | (looked > high + SAME_LEVELS)
    voters = _block_means(high - low > 2 * SAME_LEVELS) > MIN_DETAIL
    return int((voters & (_block_means(different) < MAX_DIFFERENT)).sum()), int(voters.sum())


def common_area(shift: Shift) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return where in the first and in the second picture the area lies that both show under a shift."""
    down, right = shift
    first, second = (
        (slice(max(0, y), SMALL_PX + min(0, y)), slice(max(0, x), SMALL_PX + min(0, x)))
        for y, x in ((-down, -right), (down, right))
    )
    return first, second


def _block_means(flags: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the mean of each whole block."""
    rows, columns = (size // BLOCK_PX for size in flags.shape)
    blocks = flags[: rows * BLOCK_PX, : columns * BLOCK_PX].reshape(rows, BLOCK_PX, columns, BLOCK_PX)
    means: NDArray[np.float64] = blocks.mean(axis=(1, 3))
    return means
