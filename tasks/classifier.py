"""videos + training shards -> a TimeSformer that tells which action a clip shows, and how well it does.

Writes `model/` (safetensors), `labels.json` (the actions, in the order of the logits) and `accuracy.json`: correct
answers on real clips of the test videos, on ground-truth pairs (the upper bound of accuracy B) and on copies of the
input (its lower bound). Item: the clips of one video. After a kill, training continues at its last finished epoch.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from transformers import TimesformerForVideoClassification

from evaluation.classifier.clips import NUM_FRAMES, Clip, pair_clip
from evaluation.classifier.timesformer import SmallShape, published_timesformer, save_timesformer, small_timesformer
from evaluation.classifier.training import NUM_THREADS, TrainRecipe, fixed_threads, train
from evaluation.metrics.action_accuracy import UNKNOWN, label_indices, predict_actions
from modeling.atomic import atomic_folder, write_json
from modeling.data.images import Picture, squash
from modeling.data.loader import Examples
from modeling.editors.instruct_pix2pix import pick_device
from tasks.artifacts.artifact import MANIFEST, Artifact, Outside, Record
from tasks.artifacts.gpu import gpus_to_itself
from tasks.artifacts.keyed_hash import hash_rank
from tasks.artifacts.locks import Holder
from tasks.artifacts.stage import stage
from tasks.artifacts.work import Work
from tasks.config import ClassifierConfig, FramesConfig
from tasks.cutting.clips import CLIPS, CutSegment, cut_all
from tasks.cutting.pairs import how_of
from tasks.splitting.assignment import NOT_TESTED
from tasks.video.exact_frames import AS_SHOWN, How

CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True)
class TrainingClips:
    """Labelled segments for training: each draw gives a film clip or, with probability `pair_share`, a 4 + 4 clip."""

    segments: Sequence[CutSegment]
    labels: Sequence[int]
    pairs: Sequence[tuple[Picture, Picture]]
    """Input and edited picture of each segment; empty when the share is 0."""
    pair_share: float

    def clip(self, index: int, rng: np.random.Generator) -> Clip:
        """Draw a clip of segment `index`. Both kinds of clip draw the same random numbers."""
        segment = self.segments[index]
        choices = rng.integers(segment.stored.index.shape[2], size=NUM_FRAMES)
        if rng.random() < self.pair_share:
            input_picture, edited_picture = self.pairs[index]
            return pair_clip(input_picture, edited_picture, input_picture.shape[0])
        return segment.stored.clip(segment.number, [int(choice) for choice in choices])


def choose_rows(rows: Sequence[Record], config: ClassifierConfig) -> tuple[list[Record], list[Record], list[Record]]:
    """Divide the shards' records: for training, for testing, and the rest with `status` and `reason`."""
    train_rows = [row for row in rows if row["split"] == "train"]
    drawn = sorted(train_rows, key=lambda row: (hash_rank(config.seed, row["segment_id"]), row["segment_id"]))
    drawn = drawn[: config.max_segments]
    tested = [row for row in rows if row["split"] not in NOT_TESTED]
    used = {row["segment_id"] for row in drawn}
    rest = []
    for row in rows:
        if row["segment_id"] not in used:
            reason = "over_max_segments" if row["split"] == "train" else "held_out"
            rest.append({"segment_id": row["segment_id"], "status": "filtered", "reason": reason})
    if not drawn:
        raise ValueError(f"classifier: none of {len(rows)} examples is of the split train; nothing to learn from.")
    return drawn, tested, rest


class Pairs:
    """Input and edited picture of segments, squashed to the classifier's size, read from the shards."""

    def __init__(self, shards: Artifact, size_px: int):
        self._examples = Examples(shards.path)
        self._index = {segment_id: index for index, segment_id in enumerate(self._examples.segment_ids)}
        self._size_px = size_px

    def pair(self, segment_id: str) -> tuple[Picture, Picture]:
        """Return input and edited picture, uint8 [H, W, 3]."""
        example = self._examples[self._index[segment_id]]
        return squash(example.source_image, self._size_px), squash(example.edited_image, self._size_px)


def new_model(config: ClassifierConfig, num_labels: int) -> tuple[TimesformerForVideoClassification, TrainRecipe]:
    """Return the untrained classifier of a config, and the settings of its training."""
    recipe = TrainRecipe(
        optimizer="adamw" if config.start is None else "sgd",
        num_epochs=config.num_epochs,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        channel_order=config.channel_order,
        seed=config.seed,
    )
    if config.start is not None:
        model = published_timesformer(
            config.start, num_labels, config.seed, size_px=config.size_px, num_heads=config.num_heads
        )
        return model, recipe
    shape = SmallShape(
        size_px=config.size_px, patch_px=config.patch_px, width=config.width, num_layers=config.num_layers
    )
    return small_timesformer(shape, num_labels, config.seed), recipe


def measure(
    model: TimesformerForVideoClassification,
    tested: Sequence[CutSegment],
    labels: list[str],
    pairs: Pairs,
    config: ClassifierConfig,
) -> Record:
    """Count the correct answers of each test split on films, ground-truth pairs and copies of the input."""
    measured = {}
    for split in sorted({segment.row["split"] for segment in tested}):
        segments = [segment for segment in tested if segment.row["split"] == split]
        truth = label_indices([segment.row["verb"] for segment in segments], labels)

        def films() -> Iterator[Clip]:
            return (segment.middle_clip() for segment in segments)  # noqa: B023 (used in this turn only)

        counts = {"num_segments": len(segments), "num_unknown_actions": int((truth == UNKNOWN).sum())}
        counts["right_on_real_clips"] = int((predict_actions(model, films(), config.channel_order) == truth).sum())
        for name, second in (("ground_truth_pairs", 1), ("copies", 0)):
            loaded = (pairs.pair(segment.row["segment_id"]) for segment in segments)
            clips = (pair_clip(both[0], both[second], config.size_px) for both in loaded)
            counts[f"right_on_{name}"] = int((predict_actions(model, clips, config.channel_order) == truth).sum())
        measured[split] = counts
    return measured


def train_model(
    work: Work, segments: Sequence[CutSegment], labels: list[str], pairs: Pairs, config: ClassifierConfig
) -> TimesformerForVideoClassification:
    """Train the classifier on the segments; resume from a kept checkpoint."""
    model, recipe = new_model(config, len(labels))
    loaded = [pairs.pair(segment.row["segment_id"]) for segment in segments] if config.pair_clip_share else []
    indices = [int(index) for index in label_indices([segment.row["verb"] for segment in segments], labels)]
    clips = TrainingClips(segments, indices, loaded, config.pair_clip_share)
    num_videos = work.num_items

    def on_epoch(num_done: int, loss: float) -> None:
        work.progress(num_videos + num_done, num_videos + config.num_epochs)

    model.to(pick_device(work.options.device))
    losses = train(model, clips, recipe, work.path / CHECKPOINT, on_epoch)
    work.facts["loss_by_epoch"] = [round(loss, 4) for loss in losses]
    return model


def how_of_pairs(shards: Artifact) -> How:
    """Return the settings that map a moment to a frame, as the pairs were cut; the default when they are not known."""
    described = shards.manifest["inputs"].get("frames", {})
    folder = shards.path.parent.parent / str(described.get("artifact"))
    if not (folder / MANIFEST).is_file():
        return AS_SHOWN
    return how_of(FramesConfig(**Artifact.read(folder).manifest["config"]))


@stage
def classifier(
    work: Work, config: ClassifierConfig, *, videos: Artifact, shards: Artifact, start: Outside | None = None
) -> None:
    """Train the action classifier, from `start` where it is given, and measure it."""
    if start is not None:
        config = replace(config, start=start.location)
    rows = list(shards.records())
    drawn, tested, rest = choose_rows(rows, config)
    segments = cut_all(work, [*drawn, *tested], videos, config, how_of_pairs(shards))
    used = [segments[row["segment_id"]] for row in drawn if row["segment_id"] in segments]
    if not used:
        raise ValueError("classifier: no clip of the training segments could be read; see the videos stage's records.")
    labels = sorted({segment.row["verb"] for segment in used})
    if len(labels) == 1:
        work.warn(
            f"There is one action only ({labels[0]}): the classifier has one class, so that action accuracy is 100 % "
            "whatever an edit shows. Read the other figures."
        )
    pairs = Pairs(shards, config.size_px)

    def wait_for_gpu(holder: Holder, _: float) -> None:
        work.progress(0, config.num_epochs, f"waits for the GPU, which {holder} has")

    with gpus_to_itself(work.options.device, wait_for_gpu), fixed_threads(NUM_THREADS):
        model = train_model(work, used, labels, pairs, config)
        test_segments = [segments[row["segment_id"]] for row in tested if row["segment_id"] in segments]
        accuracy = measure(model, test_segments, labels, pairs, config)
    with atomic_folder(work.path / "model", replaces="config.json") as folder:
        save_timesformer(model, folder)
    write_json(work.path / "labels.json", labels)
    write_json(work.path / "accuracy.json", accuracy)
    work.facts |= {"num_actions": len(labels), "accuracy": accuracy}
    work.scratch.add(CHECKPOINT)
    work.funnel = {
        "examples": len(rows),
        "of_training": sum(row["split"] == "train" for row in rows),
        "used": len(used),
    }
    used_ids = {segment.row["segment_id"] for segment in used}
    unreadable = [row for row in work.collect()[1] if row["segment_id"] in {pair["segment_id"] for pair in drawn}]
    work.write_rows(
        [{"segment_id": row["segment_id"], "verb": row["verb"]} for row in drawn if row["segment_id"] in used_ids],
        [*unreadable, *rest],
    )
    del segments, used, test_segments
    shutil.rmtree(work.path / CLIPS)
