"""Negatives that nobody wrote: c with its object exchanged for another thing of the data.

"take out red cup from fridge" -> "take out red bottle from fridge". The other kinds of c' are instructions of the data,
so what the editor makes of a combination of verb and thing that the data lacks is asked by none of them. These say of a
picture what it does not show, in combinations of all verbs and things. A draw is a function of (seed, step, row).
"""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from modeling.negatives import Negatives, NegativeSampler, Tokenize, hashed_words

NUM_SWAPS = 4
"""Things that an instruction's object is exchanged for: each makes a text that is embedded once."""
_TEXT_STREAM = 0  # which things they are depends on no run's seed


class SwappedSampler(NegativeSampler):
    """Draws c' uniformly from up to NUM_SWAPS exchanges of c's object."""

    def __init__(self, instructions: Sequence[str], tokenize: Tokenize, *, objects: Sequence[str]):
        """Take each example's instruction and object; one that does not name its object in so many words has none."""
        heads = Counter(head for each in objects if (head := head_noun(each)))
        object_of = dict(zip(instructions, objects, strict=True))
        swaps = {text: swapped(text, object_of[text], heads) for text in sorted(object_of)}
        super().__init__(instructions, tokenize, further=[each for texts in swaps.values() for each in texts])
        number = {text: index for index, text in enumerate(self.unique)}
        self._swaps = {number[text]: [number[each] for each in texts] for text, texts in swaps.items()}

    def draw(self, examples: NDArray[np.int64], *, seed: int, step: int, first_row: int = 0) -> Negatives:
        """Return a negative for each of `examples` (int64 [B]), which are rows `first_row`.. of the global batch."""
        found = super().draw(examples, seed=seed, step=step, first_row=first_row)
        words = hashed_words(seed, step, np.arange(first_row, first_row + len(examples)), 1)[:, 0]
        chosen, levels, sizes = found.instructions.copy(), found.levels.copy(), found.pool_sizes.copy()
        is_kindred = np.zeros(len(examples), dtype=np.bool_)
        for row, own in enumerate(self.number_of_example[examples].tolist()):
            swaps = self._swaps[own]
            if swaps:
                chosen[row] = swaps[int(words[row]) % len(swaps)]
                levels[row], sizes[row], is_kindred[row] = 0, len(swaps), True
        return Negatives(instructions=chosen, levels=levels, pool_sizes=sizes, is_kindred=is_kindred)


def head_noun(thing: str) -> str:
    """Return what a thing is, without what it is like: the last word of "red cup", in small letters."""
    return (thing.lower().split() or [""])[-1]


def swapped(instruction: str, thing: str, heads: Counter[str]) -> list[str]:
    """Return the instruction with the last word of its object exchanged for others of `heads`, NUM_SWAPS at most.

    Which ones is drawn from the text; each head counts as often as the data has it.
    """
    head = head_noun(thing)
    place = re.search(rf"\b{re.escape(thing.lower())}\b", instruction.lower()) if head else None
    others = [each for each in sorted(heads) if each != head]
    if place is None or not others:
        return []
    before, after = instruction[: place.end() - len(head)], instruction[place.end() :]
    seed = [_TEXT_STREAM, *instruction.encode()]
    weights = np.array([heads[each] for each in others], dtype=np.float64)
    chosen = np.random.default_rng(seed).choice(
        len(others), size=min(NUM_SWAPS, len(others)), replace=False, p=weights / weights.sum()
    )
    return [f"{before}{others[each]}{after}" for each in sorted(chosen.tolist())]
