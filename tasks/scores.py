"""edits + test shards + classifier (+ kitchen) -> `scores.parquet`, per pair, and `scores.json`, the tables.

Every number has its N, its seeds and its interval; the copy of the input and the ground truth are rows beside the
editors. All editors are scored on the same pairs: a pair without the edit of any editor is left out and listed as
failed.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from evaluation.classifier.training import NUM_THREADS, fixed_threads
from evaluation.metrics.retrieval import told_apart_shares
from evaluation.scoring.foreign_rows import candidate_of
from evaluation.scoring.measures import TRUTH_VAE
from evaluation.scoring.pair_measures import Judge
from evaluation.scoring.pair_table import FILE, read_pair_table, scores_content, write_pair_table
from evaluation.scoring.rows import Candidate, SplitPairs, with_told_apart
from evaluation.scoring.split_scorer import score_columns
from modeling.atomic import write_json
from modeling.editors.made_before import gather
from modeling.json_text import read_json
from tasks.artifacts.artifact import Artifact, Input, Outside, Record, digest_of
from tasks.artifacts.kept_arrays import KeptArrays
from tasks.artifacts.stage import stage
from tasks.artifacts.work import Work
from tasks.config import ScoresConfig
from tasks.pages.editor_names import EDITS, TOLD_APART, editor_of
from tasks.pages.which_edits import (
    columns_of,
    complete_pairs,
    edited_pictures,
    files_made_elsewhere,
    is_made_elsewhere,
    missing_rows,
    truths_through_vae,
)
from tasks.scoring.items import Bench, KeptParts, loaded_for_a_while
from tasks.scoring.judge import MAX_LABEL_BYTES
from tasks.splitting.assignment import NOT_TESTED
from tasks.stages import STAGES


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


@stage
def scores(
    work: Work,
    config: ScoresConfig,
    *,
    shards: Artifact,
    classifier: Artifact,
    kitchen: Artifact | None = None,
    **inputs: Input,
) -> None:
    """Score every editor's edits (inputs `edits_<label>`) of every test split; `told_apart_<label>` where it is given.

    Item: a part of the pairs under one editor and seed. `fid_weights` and `paired_weights`: files of the networks.
    """
    artifacts = {name: input_ for name, input_ in inputs.items() if isinstance(input_, Artifact)}
    every = {name.removeprefix(EDITS): artifact for name, artifact in artifacts.items() if name.startswith(EDITS)}
    edits = {label: artifact for label, artifact in every.items() if not is_made_elsewhere(artifact)}
    told = {
        editor_of(name.removeprefix(TOLD_APART)): told_apart_shares(artifact.records())
        for name, artifact in artifacts.items()
        if name.startswith(TOLD_APART)
    }
    tested = [row for row in shards.records() if row["split"] not in NOT_TESTED]
    files, through_vae = edited_pictures(edits), truths_through_vae(edits)
    complete = complete_pairs(tested, files, list(edits))
    by_split: dict[str, list[Record]] = defaultdict(list)
    for row in tested:
        if row["segment_id"] in complete:
            by_split[row["split"]].append(row)
    if not by_split:
        raise ValueError("scores: no test pair was edited by every editor under every seed; see the edits' records.")
    outside = {name: input_ for name, input_ in inputs.items() if isinstance(input_, Outside)}
    common: Record = {"config": asdict(config), "weights": {name: weights.digest for name, weights in outside.items()}}
    common |= {"shards": shards.digest, "classifier": classifier.digest, "goals": kitchen.digest if kitchen else None}
    splits: list[tuple[SplitPairs, list[Candidate]]] = []
    bench = Bench(classifier=classifier, shards=shards, kitchen=kitchen, config=config, weights=outside)
    with fixed_threads(NUM_THREADS), loaded_for_a_while():
        for number, (split, rows) in enumerate(sorted(by_split.items())):
            ids = [row["segment_id"] for row in rows]
            columns = columns_of(files, through_vae, ids)
            keys = partial(item_key, common | {"pairs": ids}, {label: edit.digest for label, edit in edits.items()})
            tell = partial(_tell, work, number, len(by_split))
            of_split = replace(bench, tars=tuple(sorted({shards.file(row["shard"]) for row in rows})), ids=tuple(ids))
            pairs, measured = score_columns(of_split, columns, kept_parts(work, keys, f"{split}/"), tell)
            candidates = [with_told_apart(candidate, pairs, told) for candidate in measured]
            foreign = {label: artifact for label, artifact in every.items() if label not in edits}
            candidates += foreign_rows(work, foreign, of_split, pairs, common)
            splits.append((pairs, candidates))
        write_content(work, splits, bench.judge, classifier, is_drawn=kitchen is not None)
        num_goals = len(bench.judge.goals)
    missing = [row["segment_id"] for row in tested if row["segment_id"] not in complete]
    work.funnel = {"test_pairs": len(tested), "edited_by_all": len(complete), "with_goal": num_goals}
    work.write_rows(
        [
            record
            for pairs, candidates in splits
            for candidate in candidates
            if candidate.kind == "editor"
            for record in pair_records(candidate, pairs)
        ],
        list(missing_rows(missing, edits.values())),
    )
    work.progress(len(by_split), len(by_split))


def item_key(common: Mapping[str, Any], digests: Mapping[str, str], name: str) -> str:
    """Return the key of the part `LABEL/SEED/NUMBER` or `REFERENCE/NUMBER` of a split: all that decides its values."""
    label = name.split("/")[0]
    # The truth through the autoencoder is one of the edits' pictures, of whichever editor has them.
    of_label = dict(digests) if label == TRUTH_VAE else digests.get(label)
    return digest_of({"common": common, "edits": of_label, "version": STAGES["scores"].version})


def foreign_rows(
    work: Work,
    foreign: Mapping[str, Artifact],
    source: Bench,
    pairs: SplitPairs,
    common: Record,
) -> list[Candidate]:
    """Return the rows of systems that were not run here; one without a picture of the split has none."""
    rows = []
    for name, artifact in foreign.items():
        made = gather(files_made_elsewhere(artifact), pairs.segment_ids, least_px=1)  # looked at when taken over
        if len(made.reasons) == len(pairs.segment_ids):
            continue
        kept = [segment_id for segment_id in pairs.segment_ids if segment_id not in made.reasons]
        keys = partial(item_key, common | {"pairs": kept, "elsewhere": artifact.digest}, {})
        store = kept_parts(work, keys, f"{pairs.split}/elsewhere/{name}/")
        rows.append(candidate_of(name, made, source.chosen, pairs, store))
    return rows


def kept_parts(work: Work, keys: Callable[[str], str], inside: str) -> KeptParts:
    """Return what does jobs as items of the stage: `keys` gives an item's key, `inside` stands before its name."""
    return KeptParts(KeptArrays(work, keys, inside), work.options.item_limit_s)


def write_content(
    work: Work,
    splits: Sequence[tuple[SplitPairs, list[Candidate]]],
    judge_of: Judge,
    classifier: Artifact,
    *,
    is_drawn: bool,
) -> None:
    """Write the values of every pair, and the tables made of that file."""
    paired = judge_of.paired_network or judge_of.network
    header = {
        "is_drawn_kitchen": is_drawn,
        "fid_features": judge_of.network.name,
        "paired_features": paired.name,
        "classifier": read_json(classifier.path / "accuracy.json", at_most=MAX_LABEL_BYTES),
        "num_actions": len(judge_of.labels),
    }
    write_pair_table(work.path / FILE, splits, header)
    # Made from the file just written: this shows that it holds everything that the tables need.
    write_json(work.path / "scores.json", scores_content(*read_pair_table(work.path / FILE)))


def _tell(work: Work, number: int, num_splits: int, done: int, total: int) -> None:
    work.progress(number * total + done, num_splits * total)
