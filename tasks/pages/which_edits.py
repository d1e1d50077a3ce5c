"""Artifacts of edits -> the picture of each editor, seed and pair, and the columns of the score tables."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from evaluation.scoring.measures import TRUTH_VAE
from evaluation.scoring.pair_measures import Column
from modeling.data.example import Example
from modeling.data.images import Picture, read_image
from tasks.artifacts.artifact import Artifact, Record
from tasks.pages.editor_names import editor_name, editor_of

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
    """Return the pictures of the ground truth through the start's autoencoder, by segment; empty where none were made.

    Fine-tuning does not change the autoencoder, so the pictures of one editor serve for all.
    """
    for artifact in edits.values():
        if files := {path.stem: path for path in sorted((artifact.path / TRUTH_VAE).glob("*.png"))}:
            return files
    return {}


def seeds_of(files: Mapping[Key, Path], label: str) -> tuple[int, ...]:
    """Return an editor's seeds in ascending order."""
    return tuple(sorted({seed for file, seed, _ in files if file == label}))


def complete_pairs(rows: Sequence[Record], files: Mapping[Key, Path], labels: Sequence[str]) -> set[str]:
    """Return the pairs that every editor edited under all of its seeds."""
    wanted = [(label, seed) for label in labels for seed in seeds_of(files, label)]
    return {
        row["segment_id"]
        for row in rows
        if all((*label_and_seed, row["segment_id"]) in files for label_and_seed in wanted)
    }


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


def is_made_elsewhere(edits: Artifact) -> bool:
    """Tell whether edits are pictures of a system that was not run here."""
    return bool(edits.manifest["config"].get("made_elsewhere"))


def files_made_elsewhere(edits: Artifact) -> dict[tuple[int, str], Path]:
    """Return the pictures of a system that was not run here, by seed and segment."""
    return {(int(row["seed"]), row["segment_id"]): edits.file(row["image"]) for row in edits.records()}


def columns_of(files: Mapping[Key, Path], through_vae: Mapping[str, Path], segment_ids: Sequence[str]) -> list[Column]:
    """Return what is measured on a split: the references, then every editor under all of its seeds."""

    columns = [
        Column(editor="copy", name="copy of the input", label="copy", kind="reference", picture_of="input"),
        Column(editor="truth", name="ground truth", label="truth", kind="reference", picture_of="truth"),
    ]
    if all(segment_id in through_vae for segment_id in segment_ids):
        name = "truth through the editor's VAE"
        passed = partial(_picture, {segment_id: through_vae[segment_id] for segment_id in segment_ids})
        columns.append(Column(editor=TRUTH_VAE, name=name, label=TRUTH_VAE, kind="reference", picture_of=passed))
    # EditAction first: the first editor after the start is the headline.
    first = ("start", "editaction")
    labels = sorted({label for label, _, _ in files}, key=editor_of)
    for label in sorted(
        labels,
        key=lambda editor_label: (*(editor_of(editor_label)[0] != name for name in first), editor_of(editor_label)[0]),
    ):
        editor, training_seed = editor_of(label)
        for seed in seeds_of(files, label):
            # Its own pictures alone: columns are sent to other processes.
            of_column = {segment_id: files[label, seed, segment_id] for segment_id in segment_ids}
            columns.append(
                Column(
                    editor=editor,
                    name=editor_name(editor),
                    label=f"{label}/{seed}",
                    seed=seed,
                    training_seed=training_seed,
                    picture_of=partial(_picture, of_column),
                )
            )
    return columns


def _picture(files: Mapping[str, Path], example: Example) -> Picture:
    return read_image(files[example.segment_id])
