"""edits + test shards + classifier (+ kitchen) -> `scores.parquet`, per pair, and `scores.json`, the tables.

Every number has its N, its seeds and its interval; the copy of the input and the ground truth are rows beside the
editors. All editors are scored on the same pairs: a pair without the edit of any editor is left out and listed as
failed.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from evaluation.classifier.timesformer import load_timesformer
from evaluation.classifier.training import NUM_THREADS, fixed_threads
from evaluation.metrics.fid import feature_network
from evaluation.scoring.foreign_rows import candidate_of
from evaluation.scoring.pair_table import FILE, read_pair_table, scores_content, write_pair_table
from evaluation.scoring.rows import Candidate, SplitPairs
from evaluation.scoring.split_scorer import Judge, SplitScorer
from modeling.atomic import write_json
from modeling.data.images import Picture, read_image
from modeling.data.loader import Examples
from tasks.annotations.goals import join_goals
from tasks.artifacts.artifact import Artifact, Record, read_records
from tasks.artifacts.stage import stage
from tasks.artifacts.work import Work
from tasks.config import ScoresConfig
from tasks.pages.editor_names import EDITS, TOLD_APART, TRUTH_VAE, editor_name, editor_of
from tasks.splitting.assignment import NOT_TESTED

Key = tuple[str, int, str]
"""Editor's label (one for each method and training seed), sampling seed, segment_id."""


def edited_pictures(edits: Mapping[str, Artifact]) -> dict[Key, Path]:
    """Return the file of every edit."""
    return {
        (label, int(row["seed"]), row["segment_id"]): artifact.file(row["image"])
        for label, artifact in edits.items()
        for row in artifact.records()
    }


def truths_through_vae(edits: Mapping[str, Artifact]) -> dict[str, Path]:
    """Return the ground truth after the start's autoencoder, by segment; empty where no such pictures were made.

    Fine-tuning does not change the autoencoder, so the pictures of one editor serve for all.
    """
    for artifact in edits.values():
        if files := {path.stem: path for path in sorted((artifact.path / TRUTH_VAE).glob("*.png"))}:
            return files
    return {}


def seeds_of(files: Mapping[Key, Path], label: str) -> tuple[int, ...]:
    """Return an editor's seeds in ascending order."""
    return tuple(sorted({seed for each, seed, _ in files if each == label}))


def complete_pairs(rows: Sequence[Record], files: Mapping[Key, Path], labels: Sequence[str]) -> set[str]:
    """Return the pairs that every editor edited under all of its seeds."""
    wanted = [(label, seed) for label in labels for seed in seeds_of(files, label)]
    return {row["segment_id"] for row in rows if all((*each, row["segment_id"]) in files for each in wanted)}


def missing_rows(segment_ids: Sequence[str], edits: Iterable[Artifact]) -> Iterator[Record]:
    """Yield the reason for each pair that is not scored: filtered when only a limit excluded it, else failed."""
    reasons: dict[str, set[str]] = defaultdict(set)
    for artifact in edits:
        for row in artifact.rejected():
            reasons[str(row.get("segment_id"))].add(row["reason"])
    for segment_id in segment_ids:
        if reasons[segment_id] == {"beyond_limit"}:
            yield {"segment_id": segment_id, "status": "filtered", "reason": "beyond_limit"}
        else:
            yield {"segment_id": segment_id, "status": "failed", "reason": "edit_missing"}


def load_judge(classifier: Artifact, config: ScoresConfig, goals: Mapping[str, Record]) -> Judge:
    """Open the classifier and the feature networks."""
    paired = config.paired_features
    return Judge(
        model=load_timesformer(classifier.path / "model"),
        labels=tuple(json.loads((classifier.path / "labels.json").read_text(encoding="utf-8"))),
        size_px=classifier.manifest["config"]["size_px"],
        channel_order=classifier.manifest["config"]["channel_order"],
        network=feature_network(config.fid_features, config.fid_weights, config.fid_resize),
        paired_network=None
        if paired is None
        else feature_network(paired, config.paired_weights, config.fid_resize, "scores.paired_weights"),
        goals=goals,
    )


def pair_records(candidate: Candidate, pairs: SplitPairs) -> Iterator[Record]:
    """Yield one record per seed and pair; carried_out and kept are None without a verdict of the oracle."""
    for column, seed in enumerate(candidate.seeds):
        for place, segment_id in enumerate(pairs.segment_ids):
            record: Record = {"editor": candidate.editor, "seed": seed, "segment_id": segment_id, "split": pairs.split}
            if candidate.training_seeds:
                record["training_seed"] = candidate.training_seeds[column]
            record["verb"] = pairs.verbs[place]
            for name in ("match_gt", "label", "carried_out", "kept"):
                values = candidate.values.get(name)
                value = None if values is None else float(values[place, column])
                record[name] = None if value is None or math.isnan(value) else bool(value)
            yield record


def told_apart_shares(artifact: Artifact) -> dict[str, float]:
    """Return each segment's share of draws with e_c < e_c', of instructions c' without a common word.

    A segment for which no such instruction was found is left out.
    """
    outcomes: dict[str, list[bool]] = defaultdict(list)
    for row in artifact.records():
        if row["disjoint"] is not None:
            outcomes[row["segment_id"]].append(row["own"] < row["disjoint"])
    return {segment_id: sum(each) / len(each) for segment_id, each in outcomes.items()}


def with_told_apart(
    candidate: Candidate, pairs: SplitPairs, labels: Sequence[str], told: Mapping[str, Mapping[str, float]]
) -> Candidate:
    """Return an editor with its column told_apart; as it was where one of its labels was not asked.

    `labels`: the editor's label of each column. No sampling is in this measure, so sampling seeds agree.
    """
    if any(label not in told for label in labels):
        return candidate
    columns = [[told[label].get(segment_id, math.nan) for segment_id in pairs.segment_ids] for label in labels]
    return replace(candidate, values=dict(candidate.values) | {"told_apart": np.array(columns, dtype=np.float64).T})


def score_split(
    judge_of: Judge,
    shards: Artifact,
    rows: Sequence[Record],
    files: Mapping[Key, Path],
    through_vae: Mapping[str, Path],
    told: Mapping[str, Mapping[str, float]],
    elsewhere: Mapping[str, Mapping[tuple[int, str], Path]],
) -> tuple[SplitPairs, list[Candidate]]:
    """Measure every editor and the references on the pairs of one split; after them pictures made elsewhere."""
    examples = Examples(sorted({shards.file(row["shard"]) for row in rows}))
    index_of = {segment_id: index for index, segment_id in enumerate(examples.segment_ids)}
    split = rows[0]["split"]
    scorer = SplitScorer(judge_of, [examples[index_of[row["segment_id"]]] for row in rows], split)
    # EditAction first: the first editor after the start is the headline.
    first = ("start", "editaction")
    labels_of: dict[str, list[str]] = defaultdict(list)
    for label in sorted({label for label, _, _ in files}, key=editor_of):
        labels_of[editor_of(label)[0]].append(label)
    candidates = [
        scorer.candidate("copy", "copy of the input", {(None, 0): scorer.inputs}, is_editor=False),
        scorer.candidate("truth", "ground truth", {(None, 0): scorer.truths}, is_editor=False),
    ]
    if all(segment_id in through_vae for segment_id in scorer.pairs.segment_ids):
        decoded = [read_image(through_vae[segment_id]) for segment_id in scorer.pairs.segment_ids]
        name = "truth through the editor's VAE"
        candidates.append(scorer.candidate(TRUTH_VAE, name, {(None, 0): decoded}, is_editor=False))
    for editor in sorted(labels_of, key=lambda each: (*(each != name for name in first), each)):
        by_seed: dict[tuple[int | None, int], Sequence[Picture]] = {
            (editor_of(label)[1], seed): [
                read_image(files[label, seed, segment_id]) for segment_id in scorer.pairs.segment_ids
            ]
            for label in labels_of[editor]
            for seed in seeds_of(files, label)
        }
        of_columns = [label for label in labels_of[editor] for _ in seeds_of(files, label)]
        measured = scorer.candidate(editor, editor_name(editor), by_seed)
        candidates.append(with_told_apart(measured, scorer.pairs, of_columns, told))
    for name, found in elsewhere.items():
        seeds = {seed for seed, _ in found}
        if any(all((seed, each) in found for seed in seeds) for each in scorer.pairs.segment_ids):
            candidates.append(candidate_of(name, found, judge_of, examples, scorer.pairs)[0])
    return scorer.pairs, candidates


def is_made_elsewhere(edits: Artifact) -> bool:
    """Tell whether edits are pictures of a system that was not run here."""
    return bool(edits.manifest["config"].get("made_elsewhere"))


def files_made_elsewhere(edits: Mapping[str, Artifact]) -> dict[str, dict[tuple[int, str], Path]]:
    """Return by label the pictures of systems that were not run here."""
    return {
        name.removeprefix(EDITS): {
            (int(row["seed"]), row["segment_id"]): each.file(row["image"]) for row in each.records()
        }
        for name, each in edits.items()
        if is_made_elsewhere(each)
    }


@stage
def scores(
    work: Work,
    config: ScoresConfig,
    *,
    shards: Artifact,
    classifier: Artifact,
    kitchen: Artifact | None = None,
    **inputs: Artifact,
) -> None:
    """Score every editor's edits (inputs `edits_<label>`) of every test split; `told_apart_<label>` where asked for."""
    every = {name: each for name, each in inputs.items() if name.startswith(EDITS)}
    edits = {name: each for name, each in every.items() if not is_made_elsewhere(each)}
    told = {
        name.removeprefix(TOLD_APART): told_apart_shares(each)
        for name, each in inputs.items()
        if name.startswith(TOLD_APART)
    }
    tested = [row for row in shards.records() if row["split"] not in NOT_TESTED]
    files = edited_pictures({name.removeprefix(EDITS): artifact for name, artifact in edits.items()})
    through_vae = truths_through_vae(edits)
    complete = complete_pairs(tested, files, [name.removeprefix(EDITS) for name in edits])
    goals = join_goals(tested, list(read_records(kitchen.path / "goals.jsonl"))) if kitchen else {}
    by_split: dict[str, list[Record]] = defaultdict(list)
    for row in tested:
        if row["segment_id"] in complete:
            by_split[row["split"]].append(row)
    if not by_split:
        raise ValueError("scores: no test pair was edited by every editor under every seed; see the edits' records.")
    splits: list[tuple[SplitPairs, list[Candidate]]] = []
    with fixed_threads(NUM_THREADS):
        judge_of = load_judge(classifier, config, goals)
        for done, (_, rows) in enumerate(sorted(by_split.items())):
            work.progress(done, len(by_split))
            splits.append(score_split(judge_of, shards, rows, files, through_vae, told, files_made_elsewhere(every)))
    paired = judge_of.paired_network or judge_of.network
    header = {
        "is_drawn_kitchen": kitchen is not None,
        "fid_features": judge_of.network.name,
        "paired_features": paired.name,
        "classifier": json.loads((classifier.path / "accuracy.json").read_text(encoding="utf-8")),
        "num_actions": len(judge_of.labels),
    }
    write_pair_table(work.path / FILE, splits, header)
    # Made from the file just written: this shows that it holds everything that the tables need.
    write_json(work.path / "scores.json", scores_content(*read_pair_table(work.path / FILE)))
    records = [
        record
        for pairs, candidates in splits
        for candidate in candidates
        if candidate.kind == "editor"
        for record in pair_records(candidate, pairs)
    ]
    missing = [row["segment_id"] for row in tested if row["segment_id"] not in complete]
    work.funnel = {"test_pairs": len(tested), "edited_by_all": len(complete), "with_goal": len(goals)}
    work.write_rows(records, list(missing_rows(missing, edits.values())))
    work.progress(len(by_split), len(by_split))
