"""The recipes by name (demo, demo-hc, lc, hc, table, pairs, lerobot) -> RunConfig, and how single settings change.

lc and hc are the paper's two datasets with the paper's numbers; table is any table of actions with the same numbers;
pairs cuts a recorded list of pairs again; the demos are the drawn kitchen, small enough for two CPU cores.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from evaluation.metrics.weights import has_packaged_efficientnet
from flows.wiring.settings import dotted_settings, with_settings
from modeling.config import ObjectiveConfig, SamplingConfig, TrainConfig
from modeling.json_text import parse_json
from modeling.small_editor.shipped import STARTING_EDITOR, named_start
from tasks.config import (
    ClassifierConfig,
    DatasetConfig,
    EditsConfig,
    FramesConfig,
    KitchenConfig,
    ReportConfig,
    RunConfig,
    ScoresConfig,
    SegmentsConfig,
    ShardsConfig,
    SplitsConfig,
)
from tasks.starting_editor.text_editors import kitchen_text_editors

INSTRUCT_PIX2PIX = "timbrooks/instruct-pix2pix"
"""Hub id of the paper's start."""

KITCHEN_NOTE = (
    "The demo departs from the paper's values where its small world asks for it. The starting editor predicts v, since "
    "predicting the noise gave blurred pictures at this size. λ1 is 0.1 on a difference of errors multiplied by 20, "
    "since errors are averaged over elements here. λ2 is 0.002, since a stronger pull towards the start holds back the "
    "actions. Text guidance is 1, since more of it saturates the small pictures. Batch size, steps and learning rate "
    "fit into the minutes at hand."
)
SMALL_START_NOTE = (
    "The start is a small editor, so picture size, training length and sampling follow it and not the paper."
)


def lc() -> RunConfig:
    """MPII Cooking 2, fixed camera, at the paper's numbers (section 4)."""
    return RunConfig(
        preset="lc",
        kitchen=None,
        start=INSTRUCT_PIX2PIX,
        segments=SegmentsConfig(reader="mpii"),
        frames=FramesConfig(),
        splits=SplitsConfig(num_test=500),
        dataset=DatasetConfig(title="LC, from MPII Cooking 2", paper="lc"),
        shards=ShardsConfig(),
        classifier=ClassifierConfig(start="facebook/timesformer-base-finetuned-ssv2", size_px=224, channel_order="bgr"),
        editor=TrainConfig(),
        edits=EditsConfig(),
        scores=ScoresConfig(),
        report=ReportConfig(title="EditAction on LC (MPII Cooking 2)", paper="lc"),
    )


def hc() -> RunConfig:
    """EPIC-KITCHENS-100's extension, head camera, at the paper's numbers."""
    return replace(
        lc(),
        preset="hc",
        segments=SegmentsConfig(reader="epic", epic_subset="extension"),
        splits=SplitsConfig(num_test=500, num_long_distance=100),
        dataset=DatasetConfig(title="HC, from EPIC-KITCHENS-100", paper="hc"),
        classifier=ClassifierConfig(start="facebook/timesformer-base-finetuned-k600", size_px=224),
        report=ReportConfig(title="EditAction on HC (EPIC-KITCHENS-100)", paper="hc"),
    )


def table() -> RunConfig:
    """Any table of actions, at the paper's numbers; a fifth of the pairs at most is set aside for testing."""
    return replace(
        lc(),
        preset="table",
        segments=SegmentsConfig(reader="table"),
        splits=SplitsConfig(num_test=500, max_test_share=0.2),
        dataset=DatasetConfig(title="A table of actions"),
        report=ReportConfig(title="EditAction on a table of actions"),
    )


def pairs() -> RunConfig:
    """The pairs of a re-materialisation manifest, cut again; `with_recorded` takes over the settings it records."""
    return replace(
        table(),
        preset="pairs",
        segments=SegmentsConfig(reader="pairs"),
        report=ReportConfig(title="EditAction on a list of pairs"),
    )


def lerobot() -> RunConfig:
    """A LeRobot v3 data set, each episode seen by each camera, at the paper's numbers."""
    return replace(
        table(),
        preset="lerobot",
        segments=SegmentsConfig(reader="lerobot"),
        dataset=DatasetConfig(title="A LeRobot data set"),
        report=ReportConfig(title="EditAction on a LeRobot data set"),
    )


def demo() -> RunConfig:
    """The drawn kitchen, fixed camera: the whole main job in minutes on two CPU cores."""
    return RunConfig(
        preset="demo",
        kitchen=KitchenConfig(style="mpii", num_videos=160),
        start=str(STARTING_EDITOR),
        segments=SegmentsConfig(reader="mpii"),
        frames=FramesConfig(size_px=96, image_format="png"),
        splits=SplitsConfig(num_test=240, test_without_overlap=True),
        dataset=DatasetConfig(title="The drawn kitchen"),
        shards=ShardsConfig(),
        classifier=ClassifierConfig(
            size_px=48,
            num_epochs=5,
            max_segments=2_000,
            learning_rate=1e-3,
            batch_size=32,
            pair_clip_share=0.7,
            moments_per_part=1,
        ),
        editor=TrainConfig(
            objective=ObjectiveConfig(lambda_action=0.1, lambda_reg=0.002, action_temperature=20.0),
            size_px=96,
            batch_size=8,
            num_steps=3_200,
            learning_rate=1e-3,
            lr_schedule="cosine",
            adam_beta2=0.99,
            weight_decay=0.0,
            max_grad_norm=1.0,
            ema_decay=0.99,
            flip_probability=0.0,
            precision="fp32",
            checkpoint_every=400,
        ),
        edits=EditsConfig(
            sampling=SamplingConfig(
                size_px=96, num_steps=10, text_guidance=1.0, scheduler="pipeline", precision="fp32"
            ),
            seeds=(0,),
        ),
        text_editors=kitchen_text_editors(),
        # Real features beside the random ones, where the extra is installed: every measure of features on both.
        scores=ScoresConfig(paired_features="efficientnet" if has_packaged_efficientnet() else None),
        report=ReportConfig(title="EditAction in the drawn kitchen", notes=(KITCHEN_NOTE,)),
    )


def demo_hc() -> RunConfig:
    """The drawn kitchen seen by a head camera that pans."""
    return replace(
        demo(),
        preset="demo-hc",
        kitchen=KitchenConfig(style="epic", num_videos=160),
        segments=SegmentsConfig(reader="epic", epic_subset="all"),
        splits=SplitsConfig(num_test=240, num_long_distance=60, test_without_overlap=True),
        dataset=DatasetConfig(title="The drawn kitchen, head camera"),
        report=ReportConfig(title="EditAction in the drawn kitchen, head camera", notes=(KITCHEN_NOTE,)),
    )


PRESETS = {"demo": demo, "demo-hc": demo_hc, "lc": lc, "hc": hc, "table": table, "pairs": pairs, "lerobot": lerobot}


def preset(name: str) -> RunConfig:
    """Return the preset called `name`."""
    if name not in PRESETS:
        raise ValueError(f"There is no preset {name!r}; choose one of {', '.join(PRESETS)}.")
    return PRESETS[name]()


def with_start(config: RunConfig, start: str) -> RunConfig:
    """Let training begin from `start` (`small`: the shipped editor).

    A small start (a folder for pictures below 256 px) also sets the sizes.
    """
    start = named_start(start)
    config = replace(config, start=start)
    side = picture_side(Path(start))
    if side is None or side >= 256 or config.kitchen is not None:
        return config
    small = demo()
    return replace(
        config,
        frames=replace(small.frames, size_px=side),
        classifier=small.classifier,
        editor=replace(small.editor, size_px=side, num_steps=200),
        edits=replace(small.edits, sampling=replace(small.edits.sampling, size_px=side)),
        report=replace(config.report, notes=(*config.report.notes, SMALL_START_NOTE), paper=None),
    )


def with_recorded(config: RunConfig, frames: Mapping[str, Any], shards: Mapping[str, Any]) -> RunConfig:
    """Return the config with the settings of stages `frames` and `shards` that a list of pairs records.

    ValueError for one that does not exist here, or has a value that it cannot have.
    """
    return with_settings(config, dict(dotted_settings({"frames": frames, "shards": shards})))


def sampling_for(editor: str) -> SamplingConfig:
    """Return the sampling settings for an editor: the paper's, or the demo's for a small one."""
    editor = named_start(editor)
    side = picture_side(Path(editor)) or picture_side(Path(editor) / "pipeline")
    if side is None or side >= 256:
        return SamplingConfig()
    return replace(demo().edits.sampling, size_px=side)


def picture_side(start: Path) -> int | None:
    """Return the side in pixels of the pictures that the pipeline folder `start` was made for; None for a hub id."""
    unet, autoencoder = start / "unet" / "config.json", start / "vae" / "config.json"
    if not (unet.is_file() and autoencoder.is_file()):
        return None
    try:
        shape = parse_json(autoencoder.read_bytes())
        factor = shape.get("patch_size") or 2 ** (len(shape["block_out_channels"]) - 1)
        return int(parse_json(unet.read_bytes())["sample_size"] * factor)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise ValueError(f"{start}: sample_size of the unet, or a shape of the vae, is missing ({error}).") from error
