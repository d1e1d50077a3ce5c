"""Stretches of a file to fetch; neighbouring stretches are joined."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass
class Stretch:
    """A stretch of bytes that is being fetched."""

    at: int
    """The next one."""
    stop: int
    """The byte after the last."""


def merged(stretches: Iterable[tuple[int, int]], max_gap: int = 0) -> list[tuple[int, int]]:
    """Return stretches [first, stop) ascending, those at most `max_gap` apart as one.

    >>> merged([(7, 8), (0, 2), (3, 5)], max_gap=1)
    [(0, 5), (7, 8)]
    """
    result: list[tuple[int, int]] = []
    for first, stop in sorted(stretches):
        if result and first <= result[-1][1] + max_gap:
            result[-1] = (result[-1][0], max(stop, result[-1][1]))
        else:
            result.append((first, stop))
    return result
