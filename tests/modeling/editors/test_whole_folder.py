"""A pipeline's folder that is not whole, or another kind of model: one sentence, before any weights are read."""

import json
import shutil
from pathlib import Path

import pytest

from modeling.config import TrainConfig
from modeling.editors.instruct_pix2pix import Editor
from modeling.editors.whole_folder import check_folder
from modeling.measuring.memory_account import STABLE_DIFFUSION, sizes_of
from modeling.runs.saving_time import SD_UNET_BYTES, unet_bytes
from tests.support.tiny_pipeline import tiny_pipeline


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "pipeline"
    tiny_pipeline().save_pretrained(folder)
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "mine"))


def rewrite(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


UNET, TEXT = "unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"
BROKEN = {
    "there is no scheduler/scheduler_config.json": lambda at: shutil.rmtree(at / "scheduler"),
    "tokenizer/ has no tokenizer.json": lambda at: shutil.rmtree(at / "tokenizer"),
    "there is no unet/config.json": lambda at: (at / "unet/config.json").unlink(),
    "vae/ has no weights": lambda at: shutil.rmtree(at / "vae"),
    "unet/ has only diffusion_pytorch_model.bin": lambda at: (at / UNET).rename((at / UNET).with_suffix(".bin")),
    "is a pointer of git-lfs": lambda at: (at / UNET).write_text("version https://git-lfs.github.com/spec/v1\n"),
    "it was cut off": lambda at: (at / UNET).write_bytes((at / UNET).read_bytes()[:-100]),
    "no whole safetensors file": lambda at: (at / TEXT).write_bytes(b""),
    "its unet is a UNet9D, which diffusers .* does not have": lambda at: rewrite(
        at / "model_index.json", unet=["diffusers", "UNet9D"]
    ),
    "its unet is a UNet3DConditionModel": lambda at: rewrite(
        at / "model_index.json", unet=["diffusers", "UNet3DConditionModel"]
    ),
    "names no unet, .* by the name of their class": lambda at: rewrite(at / "model_index.json", unet=[None, None]),
    "unet is UNet2DConditionModel of mine.code": lambda at: rewrite(
        at / "model_index.json", unet=["mine.code", "UNet2DConditionModel"]
    ),
    "takes 9 channels": lambda at: rewrite(at / "unet/config.json", in_channels=9),
    "has the shape": lambda at: rewrite(at / "unet/config.json", block_out_channels=[16, 32]),
    "reads texts of 32 numbers a token, and its text encoder gives 16": lambda at: rewrite(
        at / "unet/config.json", cross_attention_dim=32
    ),
    "Stable Diffusion XL": lambda at: rewrite(at / "unet/config.json", addition_embed_type="text_time"),
    "prediction_type is sample": lambda at: rewrite(at / "scheduler/scheduler_config.json", prediction_type="sample"),
    "whose noise is not Stable Diffusion's": lambda at: rewrite(
        at / "model_index.json", scheduler=["diffusers", "FlowMatchEulerDiscreteScheduler"]
    ),
    "tokens up to .*, and its text encoder knows 3": lambda at: rewrite(at / "text_encoder/config.json", vocab_size=3),
    "vae/: .* has the shape": lambda at: rewrite(at / "vae/config.json", block_out_channels=[6, 8]),
}
"""Message -> the change of the folder that causes it."""


@pytest.mark.parametrize("told", BROKEN)
def test_a_broken_folder_is_one_line_that_begins_with_its_option(told: str, folder: Path) -> None:
    BROKEN[told](folder)
    with pytest.raises(ValueError, match=f"^--start mine: .*{told}") as refused:
        check_folder(folder, "--start mine")
    assert "\n" not in str(refused.value)
    assert str(folder) not in str(refused.value), "the option names the place once"
    with pytest.raises(ValueError, match=told):
        Editor.load(folder, "cpu")


def sharded(folder: Path) -> None:
    unet = tiny_pipeline().unet
    (folder / UNET).unlink()
    unet.save_pretrained(folder / "unet", max_shard_size="10KB")


def test_shards_and_half_precision_are_whole_and_counted(folder: Path, whole: Path) -> None:
    config = TrainConfig()
    sharded(folder)
    assert len(list((folder / "unet").glob("*-of-*.safetensors"))) > 1
    check_folder(folder, "it")
    assert sizes_of(folder, config) == sizes_of(whole, config) != STABLE_DIFFUSION
    assert unet_bytes(folder) == unet_bytes(whole) == 4 * sizes_of(whole, config).unet
    lost = sorted((folder / "unet").glob("*-of-*.safetensors"))[1]
    lost.unlink()
    with pytest.raises(ValueError, match=f"unet/ lacks 1 of .* shards, such as {lost.name}"):
        check_folder(folder, "it")
    assert (sizes_of(folder, config), unet_bytes(folder)) == (STABLE_DIFFUSION, SD_UNET_BYTES)
    (folder / "unet/diffusion_pytorch_model.safetensors.index.json").unlink()
    with pytest.raises(ValueError, match="which names shards"):
        check_folder(folder, "it")


def test_a_folder_with_half_precision_alone_is_whole(folder: Path) -> None:
    for file in list(folder.glob("*/*.safetensors")):
        file.rename(file.with_name(file.name.replace(".safetensors", ".fp16.safetensors")))
    check_folder(folder, "it")
    assert sizes_of(folder, TrainConfig()).vae > 0
