"""Pictures of a system that was not run here -> its row of a split's score table, and the pairs that are left out."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from evaluation.scoring.pair_measures import Column
from evaluation.scoring.rows import Candidate, SplitPairs
from evaluation.scoring.split_scorer import Source, Store, score_columns
from modeling.data.example import Example
from modeling.data.images import Picture, read_image
from modeling.editors.made_before import MadeElsewhere


def candidate_of(
    name: str, made: MadeElsewhere, source_of: Callable[[list[str]], Source], pairs: SplitPairs, store: Store
) -> Candidate:
    """Return the row of one system on one split, NaN for pairs without a picture; ValueError where all lack one."""
    kept = [segment_id for segment_id in pairs.segment_ids if segment_id not in made.reasons]
    if not kept:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(made.counts.items()))
        raise ValueError(
            f"--edits {name}: none of the {len(pairs.segment_ids)} pairs of {pairs.split} has a picture that can be "
            f"used ({reasons}). A picture is named by its pair, such as {pairs.segment_ids[0]!r:.80}."
        )
    columns = [
        Column(editor=name, name=name, label=f"{name}/{seed}", seed=seed, picture_of=partial(_picture, pictures))
        for seed, pictures in made.by_seed.items()
    ]
    _, (candidate,) = score_columns(source_of(kept), columns, store)
    places = [pairs.segment_ids.index(segment_id) for segment_id in kept]
    values = {}
    for column, table in candidate.values.items():
        values[column] = np.full((len(pairs.segment_ids), table.shape[1]), np.nan)
        values[column][places] = table
    return replace(candidate, values=values)


def _picture(files: Mapping[str, Path], example: Example) -> Picture:
    return read_image(files[example.segment_id])
