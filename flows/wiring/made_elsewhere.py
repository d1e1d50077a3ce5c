"""Pictures of another system + a workspace -> the newest scores with one more row an added system."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from evaluation.classifier.training import NUM_THREADS, fixed_threads
from evaluation.scoring.made_elsewhere import files_of, gather
from evaluation.scoring.pair_table import Split
from evaluation.scoring.rows import Candidate, SplitPairs
from evaluation.scoring.split_scorer import Judge, SplitScorer
from modeling.data.images import Picture
from modeling.data.loader import Examples
from tasks.annotations.goals import join_goals
from tasks.artifacts.artifact import Artifact, artifacts_of, newest_artifact, read_records
from tasks.config import ScoresConfig
from tasks.scores import load_judge

LeftOut = tuple[str, str, dict[str, int]]
"""Name of the system, split, and reason -> number of pairs."""


def with_pictures(
    workspace: Path, splits: Sequence[Split], made: Sequence[tuple[str, Path]]
) -> tuple[list[Split], list[LeftOut]]:
    """Score the pictures of each named place on the pairs of each split; return the splits with the rows added.

    ValueError where a name is taken, or where a place has a picture for none of the pairs.
    """
    scored = newest_artifact(workspace, "scores")
    shards, classifier = (_input(workspace, scored, name) for name in ("shards", "classifier"))
    goals = {}
    if "kitchen" in scored.manifest["inputs"]:
        kitchen = _input(workspace, scored, "kitchen")
        goals = join_goals(list(shards.records()), list(read_records(kitchen.path / "goals.jsonl")))
    taken = {each.editor for _, candidates in splits for each in candidates}
    files = {name: files_of(place) for name, place in made}
    if clash := sorted(taken & files.keys()) or (["two places"] if len(files) < len(made) else []):
        raise ValueError(f"--edits: the name {clash[0]} is taken; choose another.")
    left_out: list[LeftOut] = []
    with fixed_threads(NUM_THREADS):
        judge = load_judge(classifier, ScoresConfig(**scored.manifest["config"]), goals)
        grown: list[Split] = []
        for pairs, candidates in splits:
            tars = sorted({shards.file(row["shard"]) for row in shards.records() if row["split"] == pairs.split})
            added = []
            for name, found in files.items():
                candidate, counts = _candidate(name, found, judge, Examples(tars), pairs)
                added.append(candidate)
                left_out += [(name, pairs.split, counts)] if counts else []
            grown.append((pairs, [*candidates, *added]))
    return grown, left_out


def _input(workspace: Path, scored: Artifact, name: str) -> Artifact:
    digest = scored.manifest["inputs"][name]["digest"]
    for artifact in reversed(artifacts_of(workspace, name)):
        if artifact.digest == digest:
            return artifact
    raise ValueError(f"{workspace} has no longer the {name} that its newest scores were made with.")


def _candidate(
    name: str, files: dict[tuple[int, str], Path], judge: Judge, examples: Examples, pairs: SplitPairs
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
