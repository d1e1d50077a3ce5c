"""Two small grey pictures -> the shift of their background, in pixels.

Blocks vote for shifts (votes.py). A hand that fills half of the picture may have more votes than the background: so
what the most votes explain is set aside, and small blocks of the rest vote again. Of the shifts with votes, the one
that explains the two pictures best as that of the background is taken (readings.py).
"""

import numpy as np

from tasks.cutting.layers import Detail, Found, Shift
from tasks.cutting.pixels import Grey
from tasks.cutting.readings import background
from tasks.cutting.votes import Votes, peaks, vote_share, votes_of_all, votes_of_rest

MOST_OF_ALL, MOST_OF_REST = 3, 4
"""Shifts that are looked at, of the votes of the whole picture and of those of the rest."""


def camera_shift(before: Grey, after: Grey) -> tuple[Shift, float]:
    """Return by how many pixels (down, right) the background of two grey pictures moved, each within half the side.

    Also return the certainty, in [0, 1], that it stood still or moved: near 0 where the opposite explains the two
    pictures as well, where little of their detail is found again, or where there is no detail.
    """
    cast = votes_of_all(before, after)
    if cast.max() <= 0:
        return (0, 0), 0.0
    detail = Detail(before, after)
    detail_at = _detail_at(before, after, detail, cast)
    return background(detail, detail_at, {shift: vote_share(cast, shift) for shift in detail_at})


def _detail_at(before: Grey, after: Grey, detail: Detail, cast: Votes) -> dict[Shift, tuple[Found, Found]]:
    """Return where detail is found again at the still view, and at the shifts with the most votes."""
    detail_at = {(0, 0): detail.found((0, 0))}
    first, *others = peaks(cast, MOST_OF_ALL)
    _look_at(detail, detail_at, [first])
    explained = [np.any([one[place].again for one in detail_at.values()], axis=0) for place in range(2)]
    _look_at(detail, detail_at, others)
    rest = [there & ~gone for there, gone in zip(detail.there, explained, strict=True)]
    _look_at(detail, detail_at, peaks(votes_of_rest(before, after, rest[0], rest[1]), MOST_OF_REST))
    return detail_at


def _look_at(detail: Detail, detail_at: dict[Shift, tuple[Found, Found]], shifts: list[Shift]) -> None:
    """Add shifts to those that are looked at, but for neighbours of one that is there."""
    for down, right in shifts:
        if all(max(abs(down - other[0]), abs(right - other[1])) > 1 for other in detail_at):
            detail_at[down, right] = detail.found((down, right))
