"""Pictures of another system + a workspace -> the newest scores with one more row an added system."""

from collections.abc import Sequence
from pathlib import Path

from evaluation.classifier.training import NUM_THREADS, fixed_threads
from evaluation.scoring.foreign_rows import candidate_of
from evaluation.scoring.pair_table import Split
from evaluation.scoring.split_scorer import InMemory, Loaded
from modeling.data.loader import Chosen, Examples
from modeling.editors.made_before import files_of, gather, of_no_pair
from tasks.annotations.goals import join_goals
from tasks.artifacts.artifact import Artifact, Outside, artifacts_of, newest_artifact, read_records
from tasks.config import ScoresConfig
from tasks.scoring.judge import load_judge

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
    taken = {candidate.editor for _, candidates in splits for candidate in candidates}
    files = {name: files_of(place) for name, place in made}
    if clash := sorted(taken & files.keys()) or (["two places"] if len(files) < len(made) else []):
        raise ValueError(f"--edits: the name {clash[0]} is taken; choose another.")
    every = {segment_id for pairs, _ in splits for segment_id in pairs.segment_ids}
    strange = {name: len(of_no_pair(pictures, every)) for name, pictures in files.items()}
    left_out: list[LeftOut] = [(name, "any split", {"of_no_pair": count}) for name, count in strange.items() if count]
    with fixed_threads(NUM_THREADS):
        judge = load_judge(classifier, ScoresConfig(**scored.manifest["config"]), goals, _weights(scored))
        grown: list[Split] = []
        for pairs, candidates in splits:
            tars = sorted({shards.file(row["shard"]) for row in shards.records() if row["split"] == pairs.split})
            examples, added = Examples(tars), []

            def source_of(ids: list[str], examples: Examples = examples) -> Loaded:
                return Loaded(judge, Chosen(examples, ids))

            for name, pictures in files.items():
                gathered = gather(pictures, pairs.segment_ids, len(examples[0].source_image))
                added.append(candidate_of(name, gathered, source_of, pairs, InMemory()))
                left_out += [(name, pairs.split, gathered.counts)] if gathered.counts else []
            grown.append((pairs, [*candidates, *added]))
    return grown, left_out


def _weights(scored: Artifact) -> dict[str, Outside]:
    """Return where the files of the feature networks lay when the scores were made."""
    inputs = scored.manifest["inputs"].items()
    return {
        name: Outside(location=input_["outside"], digest=input_["digest"])
        for name, input_ in inputs
        if "outside" in input_
    }


def _input(workspace: Path, scored: Artifact, name: str) -> Artifact:
    digest = scored.manifest["inputs"][name]["digest"]
    for artifact in reversed(artifacts_of(workspace, name)):
        if artifact.digest == digest:
            return artifact
    raise ValueError(f"{workspace} has no longer the {name} that its newest scores were made with.")
