"""Negatives that are not in the data: c with its object replaced by another object of the data.

"take out red cup from fridge" -> "take out red bottle from fridge". The other kinds of c' are instructions of the data,
so they never combine a verb with an object that the data does not combine. These do. A draw is a function of (seed,
step, row).
"""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from modeling.objective.negatives import ChoosySampler, Tokenize

NUM_SWAPS = 4
"""Number of replacements of an instruction's object; each gives a text that is embedded once."""


class SwappedSampler(ChoosySampler):
    """Draws c' uniformly from up to NUM_SWAPS replacements of c's object."""

    def __init__(self, instructions: Sequence[str], tokenize: Tokenize, *, objects: Sequence[str]):
        """Take each example's instruction and object; an instruction that does not contain its object's name has no
        replacement.
        """
        heads = Counter(head for thing in objects if (head := head_noun(thing)))
        object_of = dict(zip(instructions, objects, strict=True))
        swaps = {text: swapped(text, object_of[text], heads) for text in sorted(object_of)}
        super().__init__(instructions, tokenize, further=[text for texts in swaps.values() for text in texts])
        number = {text: index for index, text in enumerate(self.unique)}
        self._swaps = {
            number[text]: np.array([number[text] for text in texts], dtype=np.int64) for text, texts in swaps.items()
        }

    def preferred(self, example: int) -> NDArray[np.int64]:
        """Return the texts with the example's object replaced."""
        return self._swaps[int(self.number_of_example[example])]


def head_noun(thing: str) -> str:
    """Return the head noun of an object, in small letters: the last word, "cup" in "red cup"."""
    return (thing.lower().split() or [""])[-1]


def swapped(instruction: str, thing: str, heads: Counter[str]) -> list[str]:
    """Return the instruction with the head noun of its object replaced by others of `heads`, at most NUM_SWAPS texts.

    The choice depends on the text alone; a head noun is drawn in proportion to its frequency in the data.
    """
    head = head_noun(thing)
    place = re.search(rf"\b{re.escape(thing.lower())}\b", instruction.lower()) if head else None
    others = [other for other in sorted(heads) if other != head]
    if place is None or not others:
        return []
    before, after = instruction[: place.end() - len(head)], instruction[place.end() :]
    weights = np.array([heads[other] for other in others], dtype=np.float64)
    chosen = np.random.default_rng(list(instruction.encode())).choice(
        len(others), size=min(NUM_SWAPS, len(others)), replace=False, p=weights / weights.sum()
    )
    return [f"{before}{others[index]}{after}" for index in sorted(chosen.tolist())]
