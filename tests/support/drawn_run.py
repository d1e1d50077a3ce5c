"""A whole run in miniature for tests of scores and report: drawn kitchen pairs, made-up edits, an untrained classifier.

A stage with the real name makes every artifact, so manifests, counts and keys are real.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from evaluation.classifier.timesformer import SmallShape, save_timesformer, small_timesformer
from evaluation.kitchen.actions import apply_action, fixed_camera_sentence, fixed_view, goal_of, sample_action
from evaluation.kitchen.world import draw, random_scene
from modeling.atomic import write_json
from modeling.config import ObjectiveConfig, SamplingConfig, TrainConfig
from modeling.data.example import Example, metadata_of
from modeling.data.images import encode_png
from modeling.data.tars import write_shard
from tasks.artifacts.artifact import Artifact
from tasks.artifacts.stage import stage
from tasks.artifacts.work import Work
from tasks.config import ClassifierConfig

SIZE_PX = 48


@dataclass(frozen=True, kw_only=True)
class DrawnKitchen:
    """The actions to draw."""

    num_train: int = 6
    num_test: int = 10
    num_overlapping: int = 2
    """Number of the test pairs that overlap."""
    instruction: str | None = None
    """When given, replaces every instruction."""
    split: str = "test10"


@dataclass(frozen=True, kw_only=True)
class DrawnEdits:
    """What the made-up editor does."""

    share_right: float = 0.5
    """Share of the pairs that get the ground truth; the others get their input."""
    seeds: tuple[int, ...] = (0, 1)
    left_out: str = ""
    """Id of a segment that is not edited."""
    has_limit: bool = False
    """True when a limit left the segment out, which is no failure."""
    passes_truths: bool = False
    """True when the editor also passes the ground truths through its autoencoder: every colour is a multiple of 8."""
    sampling: SamplingConfig = field(
        default_factory=lambda: SamplingConfig(size_px=SIZE_PX, num_steps=20, text_guidance=3.0)
    )


def drawn_scenes(config: DrawnKitchen) -> list[tuple[dict, np.ndarray, np.ndarray]]:
    """Return goal, picture before and picture after of every pair."""
    rng = np.random.default_rng(7)
    pairs = []
    for number in range(config.num_train + config.num_test):
        scene = random_scene(rng, min_things=2, max_things=4, places=fixed_view())
        action = sample_action(rng, scene, fixed_view())
        goal = {
            "video_id": f"v{number % 3}",
            "start_s": number + 0.5,
            "stop_s": number + 1.0,
            "instruction": config.instruction or fixed_camera_sentence(action),
            "verb": action.verb,
            "goal": goal_of(action),
            "before": scene.to_record(),
            "view_before": 0,
        }
        pictures = [Image.fromarray(draw(shown)) for shown in (scene, apply_action(scene, action))]
        before, after = (
            np.asarray(picture.resize((SIZE_PX, SIZE_PX), Image.Resampling.LANCZOS)) for picture in pictures
        )
        pairs.append((goal, before, after))
    return pairs


@stage
def kitchen(work: Work, config: DrawnKitchen) -> None:
    """Write the goals."""
    goals = [goal for goal, _, _ in drawn_scenes(config)]
    (work.path / "goals.jsonl").write_text("".join(json.dumps(goal) + "\n" for goal in goals))
    work.write_rows([{"video_id": f"v{number}"} for number in range(3)])


@stage
def shards(work: Work, config: DrawnKitchen) -> None:
    """Write the pairs; the first ones are to train on. Starts are slightly wrong, as frames round them."""
    by_split: dict[str, list[Example]] = {"train": [], config.split: []}
    for number, (goal, before, after) in enumerate(drawn_scenes(config)):
        split = "train" if number < config.num_train else config.split
        by_split[split].append(
            Example(
                segment_id=f"{goal['video_id']}-{number:06d}",
                split=split,
                start_s=goal["start_s"] + 0.01,
                overlaps=config.num_train <= number < config.num_train + config.num_overlapping,
                object="",
                start_point="",
                end_point="",
                source_file=encode_png(before),
                edited_file=encode_png(after),
                **{name: goal[name] for name in ("video_id", "stop_s", "instruction", "verb")},
            )
        )
    rows = []
    for split, examples in by_split.items():
        shard = f"{split}/{split}-000000.tar"
        (work.path / split).mkdir(exist_ok=True)
        write_shard(work.path / shard, examples)
        rows += [metadata_of(example) | {"shard": shard} for example in examples]
    work.funnel = {"pairs": len(rows)}
    work.write_rows(rows, [{"segment_id": "v9-000000", "status": "filtered", "reason": "no_text"}])


@stage
def edits(work: Work, config: DrawnEdits, *, shards: Artifact) -> None:
    """Write the ground truth or the input of each test pair and seed."""
    from modeling.data.loader import Examples

    rows: list[dict] = []
    tested = [
        example
        for example in Examples(shards.path)
        if example.split != "train" and example.segment_id != config.left_out
    ]
    for seed in config.seeds:
        (work.path / str(seed)).mkdir(exist_ok=True)
        for number, example in enumerate(tested):
            file = example.edited_file if number < config.share_right * len(tested) else example.source_file
            image = f"{seed}/{example.segment_id}.png"
            (work.path / image).write_bytes(file)
            row = {"segment_id": example.segment_id, "split": example.split, "seed": seed, "image": image}
            rows.append(row | {"instruction": example.instruction})
    (work.path / "truth_vae").mkdir()
    for example in tested if config.passes_truths else ():
        coarse = encode_png(example.edited_image // 8 * 8)
        (work.path / "truth_vae" / f"{example.segment_id}.png").write_bytes(coarse)
    beyond = [{"segment_id": config.left_out, "status": "filtered", "reason": "beyond_limit"}]
    work.write_rows(rows, beyond if config.has_limit else [])


@stage
def classifier(work: Work, config: ClassifierConfig, *, shards: Artifact) -> None:
    """Write a classifier for all verbs that has learned nothing."""
    labels = sorted({row["verb"] for row in shards.records()})
    shape = SmallShape(size_px=SIZE_PX, patch_px=16, width=32, num_layers=1)
    save_timesformer(small_timesformer(shape, len(labels), seed=0), work.path / "model")
    write_json(work.path / "labels.json", labels)
    counts = {"num_segments": 10, "num_unknown_actions": 0, "right_on_real_clips": 8}
    write_json(work.path / "accuracy.json", {"test10": counts})
    work.write_rows(shards.records())


CARD = "---\nlicense: other\n---\n\n# A drawn editor\n\nSnippet.\n\n## Training\n\n400 steps.\n"


@stage
def editor(work: Work, config: TrainConfig) -> None:
    """Write the log and the card of a training that did not take place."""
    (work.path / "pipeline").mkdir()
    (work.path / "pipeline" / "README.md").write_text(CARD)
    rng = np.random.default_rng(0)
    with (work.path / "metrics.jsonl").open("w") as file:
        for step in range(config.num_steps):
            static = 0.05 + 0.5 * np.exp(-step / 150) + 0.02 * rng.random()
            action = 0.5 - 0.15 * (1 - np.exp(-step / 300)) + 0.03 * rng.standard_normal()
            row = {"step": step + 1, "loss": static + 0.1 * action, "static": static, "action": action}
            file.write(json.dumps(row | {"reg": 0.1 * step / config.num_steps + 0.01 * rng.random()}) + "\n")
    work.write_rows([{"editor": "drawn"}])


@dataclass(frozen=True, kw_only=True)
class DrawnRun:
    """The artifacts that scores and report read."""

    kitchen: Artifact
    shards: Artifact
    classifier: Artifact
    editor: Artifact
    edits: dict[str, Artifact]

    def scored_inputs(self) -> dict[str, Path]:
        """Return the inputs of the scores stage."""
        paths = {name: artifact.path for name, artifact in self.edits.items()}
        return paths | {"kitchen": self.kitchen.path, "shards": self.shards.path, "classifier": self.classifier.path}


def draw_run(workspace: Path, config: DrawnKitchen | None = None, right: Sequence[float] = (0.7, 0.0)) -> DrawnRun:
    """Make a run whose EditAction and start carry out these shares of the instructions."""
    config = config or DrawnKitchen()
    pairs = shards.run(workspace, "drawn", config)
    made = {
        f"edits_{label}": edits.run(workspace, f"drawn-{label}", DrawnEdits(share_right=share), shards=pairs.path)
        for label, share in zip(("editaction", "start"), right, strict=True)
    }
    training = TrainConfig(objective=ObjectiveConfig(lambda_action=0.1), size_px=SIZE_PX, batch_size=16, num_steps=400)
    return DrawnRun(
        kitchen=kitchen.run(workspace, "drawn", config),
        shards=pairs,
        classifier=classifier.run(workspace, "drawn", ClassifierConfig(size_px=SIZE_PX), shards=pairs.path),
        editor=editor.run(workspace, "drawn", training),
        edits=made,
    )
