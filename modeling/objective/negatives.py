"""Negative instructions c': for each training example another example's instruction, of another action.

"Randomly selected action instruction that does not share any token with c" (paper, section 3.3): a token is a CLIP BPE
id of the text, special tokens and punctuation left out; c' is uniform over the training *examples* whose instruction
shares none, so it has the data's frequencies. Where there is none: one that shares no content word, then any different
instruction; each fall-back is counted. A draw is a function of (seed, step, row of the global batch) alone, whatever
the number of workers or processes.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tokenize = Callable[[str], frozenset[int]]
LEVELS = ("disjoint", "content", "different", "none")
"""The rules by which c' is chosen, best first; "none" when all instructions are equal, and the sample has no contrast.
"""
NUM_TRIES = 16
"""Random draws to try before all candidates are listed; the result is uniform in both cases."""
FUNCTION_WORDS = """
    a an the this that these those some any all both each of to from in into inside on onto out at by with without for
    and or then while again up down off over under back away through it its them their is are be as
"""
"""Words that do not distinguish actions, separated by spaces."""
_STREAM = 0x6E65676174697665  # keeps these draws apart from all others of the same seed


@dataclass(frozen=True, kw_only=True)
class Negatives:
    """The negatives of one batch."""

    instructions: NDArray[np.int64]
    """[B] numbers in `NegativeSampler.unique`; -1 where there is none."""
    levels: NDArray[np.int64]
    """[B] places in LEVELS."""
    pool_sizes: NDArray[np.int64]
    """[B] examples that c' was drawn from."""
    is_preferred: NDArray[np.bool_] | None = None
    """[B] whether c' is of the requested kind; None when the request is any disjoint one."""


def describe_negatives(negatives: Negatives) -> dict[str, Any]:
    """Return the pool sizes of a batch's negatives and the number of fall-backs of each kind, as JSON values."""
    levels = np.bincount(negatives.levels, minlength=len(LEVELS))
    fallbacks = {name: int(count) for name, count in zip(LEVELS[1:], levels[1:], strict=True)}
    if negatives.is_preferred is not None:
        fallbacks["not_preferred"] = int((~negatives.is_preferred).sum())
    return {
        "pool_min": int(negatives.pool_sizes.min()),
        "pool_mean": round(float(negatives.pool_sizes.mean()), 1),
        "fallbacks": fallbacks,
    }


def clip_tokens(tokenizer: Any) -> Tokenize:
    """Return the function text -> set of its token ids without special tokens and punctuation, for a CLIPTokenizer."""
    special = set(tokenizer.all_special_ids)
    max_length = int(tokenizer.model_max_length) - 2  # a start and an end token belong to the text's 77

    def tokenize(text: str) -> frozenset[int]:
        ids = tokenizer(text.lower(), add_special_tokens=False, truncation=True, max_length=max_length).input_ids
        pieces = tokenizer.convert_ids_to_tokens(ids)
        worded = (id_ for id_, piece in zip(ids, pieces, strict=True) if re.search(r"\w", piece.removesuffix("</w>")))
        return frozenset(worded) - special

    return tokenize


class NegativeSampler:
    """Draws negatives from the instructions of all training examples."""

    def __init__(self, instructions: Sequence[str], tokenize: Tokenize, *, further: Sequence[str] = ()):
        """Take each example's instruction; `further` texts get numbers too, but no draw of this class gives them."""
        self.unique = sorted({*instructions, *further})
        """The distinct texts, sorted, so that their numbers do not depend on the order of examples."""
        number = {text: index for index, text in enumerate(self.unique)}
        self.number_of_example = np.array([number[text] for text in instructions], dtype=np.int64)
        """int64 [num_examples]: each example's instruction, as a number in `unique`."""
        # Of further texts 0, so that no pool has them.
        self._counts = np.bincount(self.number_of_example, minlength=len(self.unique))
        tokens = [tokenize(text) for text in self.unique]
        function_tokens = frozenset().union(*(ids for ids in map(tokenize, FUNCTION_WORDS.split()) if len(ids) == 1))
        self._indexes = (_TokenIndex(tokens), _TokenIndex([ids - function_tokens for ids in tokens]))
        self._pools: dict[int, tuple[int, int]] = {}

    def pool(self, instruction: int) -> tuple[int, int]:
        """Return (place in LEVELS, number of examples) of the pool that c' of `instruction` is drawn from."""
        known_pool = self._pools.get(instruction)
        if known_pool is None:
            sizes = (int(self._counts[self._candidates(instruction, level)].sum()) for level in range(3))
            known_pool = next(((level, size) for level, size in enumerate(sizes) if size), (LEVELS.index("none"), 0))
            self._pools[instruction] = known_pool
        return known_pool

    def _candidates(self, instruction: int, level: int) -> NDArray[np.bool_]:
        """Return bool [num_unique]: the instructions that may be c' at this level."""
        if level < len(self._indexes):
            allowed = ~self._indexes[level].sharing(instruction)
        else:
            allowed = np.ones(len(self.unique), dtype=np.bool_)
        allowed[instruction] = False
        return allowed

    def draw(self, examples: NDArray[np.int64], *, seed: int, step: int, first_row: int = 0) -> Negatives:
        """Return a negative for each of `examples` (int64 [B]), which are rows `first_row`.. of the global batch."""
        own = self.number_of_example[examples]
        words = hashed_words(seed, step, np.arange(first_row, first_row + len(own)), NUM_TRIES + 1)
        tried = self.number_of_example[(words[:, :NUM_TRIES] % np.uint64(len(self.number_of_example))).astype(np.int64)]
        levels, sizes = np.array([self.pool(int(instruction)) for instruction in own], dtype=np.int64).reshape(-1, 2).T
        good = tried != own[:, None]
        for level, index in enumerate(self._indexes):
            rows = levels == level
            good[rows] &= ~index.shares(own[rows], tried[rows])
        chosen = np.where(good.any(axis=1), tried[np.arange(len(own)), good.argmax(axis=1)], -1)
        for row in np.flatnonzero((chosen < 0) & (sizes > 0)):
            chosen[row] = self._enumerated(int(own[row]), int(levels[row]), int(words[row, -1]) % int(sizes[row]))
        return Negatives(instructions=chosen, levels=levels, pool_sizes=sizes)

    def _enumerated(self, instruction: int, level: int, place: int) -> int:
        """Return the instruction of the `place`-th example among the candidates' examples."""
        ends = np.cumsum(np.where(self._candidates(instruction, level), self._counts, 0))
        return int(np.searchsorted(ends, place, side="right"))


class ChoosySampler(NegativeSampler):
    """Draws c' from the texts that `preferred` returns for an example; where it returns none, a disjoint c'."""

    def preferred(self, example: int) -> NDArray[np.int64]:
        """Return the texts to draw from, as numbers in `unique`; a text listed twice is drawn twice as often."""
        raise NotImplementedError

    def draw(self, examples: NDArray[np.int64], *, seed: int, step: int, first_row: int = 0) -> Negatives:
        """Return a negative for each of `examples` (int64 [B]), which are rows `first_row`.. of the global batch."""
        drawn = super().draw(examples, seed=seed, step=step, first_row=first_row)
        words = hashed_words(seed, step, np.arange(first_row, first_row + len(examples)), 1)[:, 0]
        chosen, levels, sizes = drawn.instructions.copy(), drawn.levels.copy(), drawn.pool_sizes.copy()
        is_preferred = np.zeros(len(examples), dtype=np.bool_)
        for row, example in enumerate(examples.tolist()):
            texts = self.preferred(example)
            if len(texts):
                chosen[row] = texts[int(words[row]) % len(texts)]
                levels[row], sizes[row], is_preferred[row] = 0, len(texts), True
        return Negatives(instructions=chosen, levels=levels, pool_sizes=sizes, is_preferred=is_preferred)


class _TokenIndex:
    """Shared tokens of instructions, as bitsets in both directions: instruction -> its tokens, token -> its
    instructions.
    """

    def __init__(self, tokens: Sequence[frozenset[int]]):
        vocabulary = {token: place for place, token in enumerate(sorted(frozenset().union(*tokens)))}
        self._places = [[vocabulary[token] for token in sorted(ids)] for ids in tokens]
        holds = np.zeros((len(tokens), -(-max(len(vocabulary), 1) // 64) * 64), dtype=np.bool_)
        for instruction, places in enumerate(self._places):
            holds[instruction, places] = True
        self._tokens_of = np.packbits(holds, axis=1).view(np.uint64)
        self._instructions_with = np.packbits(holds.T, axis=1)
        self._num_instructions = len(tokens)

    def shares(self, instructions: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return bool [B, T]: which of `others` [B, T] share a token with their row's instruction [B]."""
        common: NDArray[np.uint64] = self._tokens_of[others] & self._tokens_of[instructions][:, None]
        return np.any(common, axis=-1)

    def sharing(self, instruction: int) -> NDArray[np.bool_]:
        """Return bool [num_instructions]: all that share a token with `instruction`."""
        rows = self._instructions_with[self._places[instruction]]
        joined = np.bitwise_or.reduce(rows, axis=0) if len(rows) else np.zeros_like(self._instructions_with[0])
        return np.unpackbits(joined, count=self._num_instructions).astype(np.bool_)


def hashed_words(seed: int, step: int, rows: NDArray[np.int64], count: int) -> NDArray[np.uint64]:
    """Return uint64 [B, count] random words, a function of the arguments alone (SplitMix64, Steele et al. 2014)."""
    state = np.array([_STREAM], dtype=np.uint64)
    for part in (seed, step):
        state = _mix(state ^ np.uint64(part & 0xFFFFFFFFFFFFFFFF))
    per_row = _mix(state ^ rows.astype(np.uint64))[:, None]
    return _mix(per_row + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))


def _mix(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
