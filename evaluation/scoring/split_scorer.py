"""Test examples + candidates' pictures -> the values of every pair, computed in parts of some pairs.

Memory holds only the pictures of one part (and the small features of all pairs). Every result of a part goes through a
`Store`, which may keep it, so an interrupted evaluation computes none of them again.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

import numpy as np

from evaluation.metrics.by_pair import fid_by_pair, kid_by_pair
from evaluation.scoring.pair_measures import Arrays, Column, Judge, Part
from evaluation.scoring.rows import Candidate, SplitPairs, halves_of
from modeling.data.example import Example

PAIRS_AT_ONCE = 64
"""Number of pairs in a part; a kill loses at most these, and memory holds these."""


class Store(Protocol):
    """Where the results of parts are kept while a split is scored."""

    def get(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """Return the results of that name; call `make` when they do not exist yet."""


class InMemory:
    """A store for few pictures: it ends with the process."""

    def __init__(self) -> None:
        self._kept: dict[str, Arrays] = {}

    def get(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """Return the earlier results, else make them."""
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]


def score_columns(
    judge_of: Judge,
    examples: Sequence[Example],
    columns: Sequence[Column],
    store: Store,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[SplitPairs, list[Candidate]]:
    """Measure every column on the pairs of one split, part by part; return the pairs, and one candidate per editor.

    `examples` may read an example on access. `tell` is called with (results done, all results).
    """
    parts = [
        range(first, min(first + PAIRS_AT_ONCE, len(examples))) for first in range(0, len(examples), PAIRS_AT_ONCE)
    ]
    total, about = len(parts) * (1 + len(columns)), []
    for number, places in enumerate(parts):
        of_part = [examples[place] for place in places]
        about += [(example.segment_id, example.video_id, example.verb) for example in of_part]
        part = Part(judge_of, of_part)
        shared = store.get(f"shared/{number}", part.shared)
        for done, column in enumerate(columns):
            tell(number * (1 + len(columns)) + done, total)
            store.get(f"{column.label}/{number}", partial(part.measured, column, shared))

    def whole(name: str) -> Arrays:
        parts_made = [store.get(f"{name}/{number}", _made_before) for number in range(len(parts))]
        return {key: np.concatenate([arrays[key] for arrays in parts_made]) for key in parts_made[0]}

    shared = whole("shared")
    split = examples[0].split
    ids, videos, verbs = zip(*about, strict=True)
    halves = halves_of(shared["truth_features"].astype(np.float64))
    pairs = SplitPairs(split=split, segment_ids=ids, video_ids=videos, verbs=verbs, halves=halves)
    # Long-distance edits should differ from their input (paper, section 5).
    references = {"output": "truth_features"} | ({} if split.startswith("long") else {"input": "input_features"})
    values_of = [_with_sets(whole(column.label), shared, references) for column in columns]
    return pairs, _candidates(columns, values_of)


def _made_before() -> Arrays:
    raise AssertionError("every part was measured before it is read again")


def _with_sets(of_column: Arrays, shared: Arrays, references: Mapping[str, str]) -> Arrays:
    """Return a column's values with those of the set metrics, and without its features."""
    features = of_column["features"].astype(np.float64)
    values = {name: array for name, array in of_column.items() if name not in ("features", "paired")}
    if len(features) > 1:
        for name, reference in references.items():
            values[f"fid_{name}"] = fid_by_pair(features, shared[reference].astype(np.float64))
            values[f"kid_{name}"] = kid_by_pair(features, shared[reference].astype(np.float64))
    return values


def _candidates(columns: Sequence[Column], values_of: Sequence[Arrays]) -> list[Candidate]:
    """Return one candidate for each editor, in the order of their first columns."""
    made = []
    for editor in dict.fromkeys(column.editor for column in columns):
        of_editor = [place for place, column in enumerate(columns) if column.editor == editor]
        first = columns[of_editor[0]]
        trained = [columns[place].training_seed for place in of_editor]
        made.append(
            Candidate(
                editor=editor,
                name=first.name,
                kind=first.kind,
                seeds=tuple(columns[place].seed for place in of_editor),
                training_seeds=tuple(seed for seed in trained if seed is not None),
                values={
                    name: np.stack([values_of[place][name] for place in of_editor], axis=1)
                    for name in values_of[of_editor[0]]
                },
            )
        )
    return made
