"""The detail of two pictures at some shifts -> which of them is the background's: the best reading of the pictures.

A reading says which shift is the background's, and which is that of a hand before it, if any. Each detail is then found
again at one of the two shifts, has left the view with the background, is behind the hand now, or is missing though it
should be seen. A hand comes in over one border or two, so a background is seen at the others. A pan is told from a hand
that moves before a still view by what is missing: the strip that leaves the view, and the one that comes in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.cutting.layers import Detail, Found, Shift, moved
from tasks.cutting.pixels import MIN_CAMERA_SHIFT, SMALL_PX

BORDER_PX = 10
WEIGHTS: Mapping[str, float] = {
    "found": 0.459,
    "missing": -0.103,
    "left_view": -0.271,
    "background": -0.347,
    "hand": 0.186,
    "background_at_border": 0.329,
    "left_view_at_border": 0.291,
    "hand_at_other_borders": -0.340,
    "background_unbroken": 0.222,
    "votes": 0.051,
    "is_still": 0.019,
    "has_hand": -0.133,
}
"""Worth of each count of a reading, in steps of 0.02 for odds of e to 1. A conditional logit was fitted so that the
true reading of made pairs and of pairs of a real tripod is the best: RESULTS.md. The still view has a little more than
was fitted, as a tripod shows it in every pair."""
FOUND_FOR_CERTAINTY = 0.25
"""The certainty is at most this part of what is found again: pictures with nothing in common say nothing."""

_Counts = NDArray[np.float32]


@dataclass(frozen=True)
class _Areas:
    """What two shifts share of the detail of both pictures: float32 [areas, shifts, shifts] and [areas, shifts].

    The areas are the whole, all borders, top, bottom, left and right.
    """

    found: _Counts
    both: _Counts
    left_view: _Counts
    left_view_found: _Counts
    """Out of view at the first shift and found at the second."""
    there: _Counts
    """Detail in each area, [areas]."""


def has_moved(shift: Shift) -> bool:
    """Tell whether a view of this shift counts as moved."""
    return float(np.hypot(*shift)) >= MIN_CAMERA_SHIFT * SMALL_PX


def background(
    detail: Detail, detail_at: Mapping[Shift, Sequence[Found]], votes: Mapping[Shift, float]
) -> tuple[Shift, float]:
    """Return which of the shifts is the background's, and the certainty that it stood still or moved, in [0, 1].

    `votes`: of each shift, as a share of the most. The certainty is how much worse the best reading with the opposite
    answer is, and at most FOUND_FOR_CERTAINTY of the share of the detail that is found again.
    """
    shifts = list(detail_at)
    areas = _areas(detail, [detail_at[shift] for shift in shifts])
    worth = dict.fromkeys(shifts, -np.inf)
    found = dict.fromkeys(shifts, 0.0)
    for place, shift in enumerate(shifts):
        for other in (None, *range(len(shifts))):
            if other == place:
                continue
            hidden = 0 if other is None else _num_hidden(detail, shift, shifts[other], detail_at)
            counts = _counts(areas, place, other, hidden)
            counts |= {"votes": votes[shift], "is_still": float(shift == (0, 0))}
            total = sum(WEIGHTS[name] * count for name, count in counts.items())
            if total > worth[shift]:
                worth[shift], found[shift] = total, counts["found"]
    chosen = max(worth, key=lambda shift: worth[shift])
    opposite = [worth[shift] for shift in shifts if has_moved(shift) != has_moved(chosen)]
    certainty = min(FOUND_FOR_CERTAINTY * found[chosen], worth[chosen] - max(opposite, default=-np.inf))
    return chosen, float(min(1.0, max(0.0, certainty)))


def _counts(areas: _Areas, place: int, other: int | None, hidden: int) -> dict[str, float]:
    """Return the counts of the reading with the background's shift at `place` and the hand's at `other`.

    Shares of the detail of both pictures, those at borders of the detail there; `background_unbroken` is the share that
    is found of the background that should be seen.
    """
    found, left = areas.found[:, place], areas.left_view[:, place]
    hand = both = np.zeros_like(found)
    if other is not None:
        both = areas.both[:, place, other]
        hand, left = areas.found[:, other] - both, left - areas.left_view_found[:, place, other]
    alone = found - both
    missing = float(areas.there[0] - found[0] - hand[0] - left[0] - hidden)
    amount, at_border = max(1.0, float(areas.there[0])), max(1.0, float(areas.there[1]))
    return {
        "found": float(found[0] + hand[0]) / amount,
        "missing": missing / amount,
        "left_view": float(left[0]) / amount,
        "background": float(alone[0]) / amount,
        "hand": float(hand[0]) / amount,
        "background_at_border": float(alone[1]) / at_border,
        "left_view_at_border": float(left[1]) / at_border,
        "hand_at_other_borders": float(np.sort(hand[2:])[:2].sum()) / at_border,
        "background_unbroken": float(alone[0]) / max(1.0, float(alone[0]) + missing),
        "has_hand": float(other is not None),
    }


def _areas(detail: Detail, of_shifts: Sequence[Sequence[Found]]) -> _Areas:
    """Count at once what the shifts, two by two, share of the detail of both pictures."""
    there = np.stack(detail.there).reshape(-1)
    found = np.stack([np.stack([one.again for one in pair]).reshape(-1) & there for pair in of_shifts])
    left = np.stack([np.stack([one.outside for one in pair]).reshape(-1) & there for pair in of_shifts])
    found_there, left_there = found.astype(np.float32), left.astype(np.float32)
    weighted: _Counts = _AREAS[:, None] * found_there
    return _Areas(
        found=_AREAS @ found_there.T,
        both=np.matmul(weighted, found_there.T, dtype=np.float32),
        left_view=_AREAS @ left_there.T,
        left_view_found=np.swapaxes(np.matmul(weighted, left_there.T, dtype=np.float32), 1, 2),
        there=_AREAS @ there.astype(np.float32),
    )


def _num_hidden(detail: Detail, shift: Shift, of_hand: Shift, detail_at: Mapping[Shift, Sequence[Found]]) -> int:
    """Return how much detail of a background is behind the hand in the other picture.

    It is as far before the hand as the hand moves against the background; in the second picture the other way around.
    """
    down, right = of_hand[0] - shift[0], of_hand[1] - shift[1]
    hidden = 0
    for place, sign in ((0, 1), (1, -1)):
        view, hand = detail_at[shift][place], detail_at[of_hand][place].again
        behind = moved(hand & ~view.again, (sign * down, sign * right))
        hidden += int((behind & detail.there[place] & ~(view.again | view.outside | hand)).sum())
    return hidden


def _named_areas() -> _Counts:
    areas = np.zeros((6, 2, SMALL_PX, SMALL_PX), np.float32)
    areas[0] = 1
    areas[2, :, :BORDER_PX] = areas[3, :, -BORDER_PX:] = 1
    areas[4, :, :, :BORDER_PX] = areas[5, :, :, -BORDER_PX:] = 1
    areas[1] = areas[2:].max(axis=0)
    return areas.reshape(6, -1)


_AREAS = _named_areas()
