"""An instruction and its parts -> the instruction in pieces, each with its role: the paper's Figure 3.

Red is the object that the action is about, green its starting point, blue its end point. Parts are those of the
annotation's grammar, lower case and without articles; they are found again in the sentence as it is written.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Role = Literal["", "object", "start", "end"]
ARTICLES = frozenset({"the", "a", "an"})


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Words of an instruction."""

    text: str
    """The text as it is written, with the spaces around it."""
    role: Role = ""
    """"" for words that are none of the three."""


def coloured(instruction: str, parts: Mapping[Role, str]) -> list[Piece]:
    """Cut an instruction into pieces; joined they are the instruction. `parts`: role -> words, "" where there are none.

    >>> [(piece.text, piece.role) for piece in coloured("Take the lid off pan.", {"object": "lid", "start": "pan"})]
    [('Take the ', ''), ('lid', 'object'), (' off ', ''), ('pan', 'start'), ('.', '')]
    """
    words = [(word.group().lower(), word.start(), word.end()) for word in re.finditer(r"[^\s,.;:!?()\"]+", instruction)]
    marks: list[tuple[int, int, Role]] = []
    for role, text in parts.items():
        place = _find(words, text.lower().split(), marks)
        if place is not None:
            marks.append((*place, role))
    pieces, end = [], 0
    for start, stop, role in sorted(marks):
        if start > end:
            pieces.append(Piece(text=instruction[end:start]))
        pieces.append(Piece(text=instruction[start:stop], role=role))
        end = stop
    return [*pieces, Piece(text=instruction[end:])] if end < len(instruction) else pieces


def _find(
    words: list[tuple[str, int, int]], part: list[str], taken: list[tuple[int, int, Role]]
) -> tuple[int, int] | None:
    """Return where in the sentence the words of a part stand one after another, articles left out; None if nowhere."""
    for first in range(len(words)):
        place, num_matched = first, 0
        while part and place < len(words) and num_matched < len(part):
            if words[place][0] == part[num_matched]:
                num_matched += 1
            elif not (num_matched and words[place][0] in ARTICLES):
                break
            place += 1
        if part and num_matched == len(part):
            start, stop = words[first][1], words[place - 1][2]
            if all(stop <= other or start >= end for other, end, _ in taken):
                return start, stop
    return None
