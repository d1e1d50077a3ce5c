"""Negatives that are hard to tell from c: the same verb with another object, or the same object with another verb.

The paper's word-disjoint c' has nothing in common with c, and nearly every editor tells the two apart. A negative of
the same verb or object differs only in the part that the edit must get right. Where there is none, c' is drawn as in
negatives.py and counted as `not_preferred`. A draw is a function of (seed, step, row), as there.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modeling.config import NegativeKind
from modeling.data.loader import Examples
from modeling.objective.negatives import ChoosySampler, NegativeSampler, Tokenize, clip_tokens
from modeling.objective.swapped_negatives import SwappedSampler


class KindredSampler(ChoosySampler):
    """Draws c' uniformly from the examples of the same verb and another object, or the other way round."""

    def __init__(
        self,
        instructions: Sequence[str],
        tokenize: Tokenize,
        *,
        kind: NegativeKind,
        verbs: Sequence[str],
        objects: Sequence[str],
    ):
        """Take each example's instruction, verb and object; an example whose shared part (verb or object) is empty has
        no kin.
        """
        super().__init__(instructions, tokenize)
        same, other = (verbs, objects) if kind == "same_verb" else (objects, verbs)
        self._same = [part.strip().lower() for part in same]
        self._other = np.array([part.strip().lower() for part in other])
        groups: dict[str, list[int]] = defaultdict(list)
        for example, name in enumerate(self._same):
            if name:
                groups[name].append(example)
        self._groups = {name: np.array(members, dtype=np.int64) for name, members in groups.items()}

    def kin(self, example: int) -> NDArray[np.int64]:
        """Return the examples whose instruction may be c' of `example`."""
        members = self._groups.get(self._same[example], np.zeros(0, dtype=np.int64))
        differs = self._other[members] != self._other[example]
        return members[differs & (self.number_of_example[members] != self.number_of_example[example])]

    def preferred(self, example: int) -> NDArray[np.int64]:
        """Return the instructions of the examples that are kin."""
        return self.number_of_example[self.kin(example)]


def make_sampler(examples: Examples, tokenizer: Any, kind: NegativeKind) -> NegativeSampler:
    """Return the sampler for a kind of negatives; it draws from the instructions of all examples."""
    tokenize = clip_tokens(tokenizer)
    if kind == "disjoint":
        return NegativeSampler(examples.instructions, tokenize)
    verbs, objects = examples.column("verb"), examples.column("object")
    if kind == "swapped":
        return SwappedSampler(examples.instructions, tokenize, objects=objects)
    return KindredSampler(examples.instructions, tokenize, kind=kind, verbs=verbs, objects=objects)
