"""Pictures of a system that was not run here -> its row of a split's score table, and what is left out of it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from evaluation.scoring.made_elsewhere import gather
from evaluation.scoring.rows import Candidate, SplitPairs
from evaluation.scoring.split_scorer import Judge, SplitScorer
from modeling.data.images import Picture
from modeling.data.loader import Examples


def candidate_of(
    name: str, files: Mapping[tuple[int, str], Path], judge: Judge, examples: Examples, pairs: SplitPairs
) -> tuple[Candidate, dict[str, int]]:
    """Return the row of one system on one split, NaN for pairs without a picture, and what is left out."""
    made = gather(files, pairs.segment_ids)
    kept = [each for each in pairs.segment_ids if each not in made.reasons]
    if not kept:
        raise ValueError(f"--edits {name}: none of the {len(pairs.segment_ids)} pairs of {pairs.split} has a picture.")
    index_of = {segment_id: index for index, segment_id in enumerate(examples.segment_ids)}
    scorer = SplitScorer(judge, [examples[index_of[each]] for each in kept], pairs.split)
    by_seed: dict[tuple[int | None, int], list[Picture]] = {
        (None, seed): [found[each] for each in kept] for seed, found in made.by_seed.items()
    }
    candidate = scorer.candidate(name, name, by_seed)
    places = [pairs.segment_ids.index(each) for each in kept]
    values = {}
    for column, table in candidate.values.items():
        values[column] = np.full((len(pairs.segment_ids), table.shape[1]), np.nan)
        values[column][places] = table
    return replace(candidate, values=values), made.counts
