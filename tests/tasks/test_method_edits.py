"""Methods with a text-to-image model edit the test pictures: the same stage, with the settings of the methods."""

from dataclasses import replace

import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline

from modeling.editors.settings import ImagicConfig, MasaCtrlConfig, NoiseSpaceConfig
from tasks.artifacts.artifact import Outside
from tasks.config import MethodEditsConfig, ShardsConfig, SplitsConfig
from tasks.edits import edits
from tasks.shards import shards
from tasks.splits import splits
from tests.support.drawn_frames import draw_frames
from tests.support.tiny_pipeline import SIZE_PX, tiny_pipeline

MASACTRL = MethodEditsConfig(
    method="masactrl",
    settings=MasaCtrlConfig(size_px=SIZE_PX, num_steps=2, start_step=0, start_layer=1),
    seeds=(0, 1),
)
NOISE_SPACE = replace(
    MASACTRL, method="ddpm_noise_space", settings=NoiseSpaceConfig(size_px=SIZE_PX, num_steps=2, skip=0)
)


def saved_start(folder, *, is_broken=False):
    """Save a folder as the hub lays out Stable Diffusion: `StableDiffusionPipeline`, weights as safetensors."""
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, clip_sample=False
    )
    parts = tiny_pipeline(in_channels=4, scheduler=scheduler)
    if is_broken:
        with torch.no_grad():
            parts.unet.conv_out.weight.fill_(1e38)  # the weights are finite, as they must be, but the result is not
    pipeline = StableDiffusionPipeline(
        vae=parts.vae, text_encoder=parts.text_encoder, tokenizer=parts.tokenizer, unet=parts.unet,
        scheduler=scheduler, safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.save_pretrained(folder)
    return Outside(location=str(folder), digest=f"tiny text to image {is_broken}")


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return saved_start(tmp_path_factory.mktemp("start"))


@pytest.fixture
def sharded(tmp_path):
    frames = draw_frames(tmp_path, num_pairs=12)
    split = splits.run(tmp_path, "t", SplitsConfig(num_test=3, num_validation=2), frames=frames.path)
    return shards.run(tmp_path, "t", ShardsConfig(), frames=frames.path, splits=split.path)


def test_a_method_without_noise_is_computed_once_and_stands_for_every_seed(tmp_path, start, sharded):
    artifact = edits.run(tmp_path, "t", MASACTRL, editor=start, shards=sharded.path)
    records = list(artifact.records())
    assert {(row["seed"], row["image"].split("/")[0]) for row in records} == {(0, "0"), (1, "0")}
    assert len(records) == 6
    assert len(list(artifact.path.rglob("*.png"))) == 3
    assert {row["prompt_policy"] for row in records} == {"instruction"}


def test_a_method_with_noise_is_computed_once_a_seed(tmp_path, start, sharded):
    artifact = edits.run(tmp_path, "t", NOISE_SPACE, editor=start, shards=sharded.path)
    assert len({row["image"] for row in artifact.records()}) == 6


def test_a_limit_leaves_the_other_pictures_out_and_says_so(tmp_path, start, sharded):
    settings = ImagicConfig(size_px=SIZE_PX, num_steps=2, embedding_steps=1, unet_steps=1)
    config = MethodEditsConfig(method="imagic", settings=settings, seeds=(0,), limit=1)
    artifact = edits.run(tmp_path, "t", config, editor=start, shards=sharded.path)
    assert len(list(artifact.records())) == 1
    assert [row["reason"] for row in artifact.rejected()] == ["beyond_limit"] * 2


def test_an_edit_that_is_not_finite_is_a_failed_picture_under_every_seed_and_no_black_one(tmp_path, sharded):
    broken = saved_start(tmp_path / "broken", is_broken=True)
    artifact = edits.run(tmp_path, "t", MASACTRL, editor=broken, shards=sharded.path)
    assert not list(artifact.records())
    assert len(list(artifact.rejected())) == 6
    assert not list(artifact.path.rglob("*.png"))


def test_captions_go_with_the_instruction_and_their_policy_is_recorded(tmp_path, start, sharded):
    tested = [row["segment_id"] for row in sharded.records() if row["split"] == "test3"]
    captioned = replace(
        MASACTRL,
        settings=replace(MASACTRL.settings, prompt_policy="caption_plus"),
        captions={tested[0]: "the plate on the table"},
    )
    artifact = edits.run(tmp_path, "t", captioned, editor=start, shards=sharded.path)
    assert {row["segment_id"] for row in artifact.records()} == {tested[0]}
    assert {row["prompt_policy"] for row in artifact.records()} == {"caption_plus"}
    assert {row["segment_id"] for row in artifact.rejected()} == set(tested[1:])
