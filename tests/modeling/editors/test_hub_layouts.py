"""Folders laid out like the hub's Stable Diffusion repositories, with tiny weights: each loads and edits alike.

The five methods put their own DDIM grid on a pipeline's noise schedule, so the class of its scheduler makes no
difference.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from safetensors.torch import load_file, save_file

from modeling.editors.load import load_method
from modeling.editors.settings import MasaCtrlConfig
from tests.support.tiny_pipeline import SIZE_PX, drawn_pictures, tiny_pipeline

NOISE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
CONFIG = MasaCtrlConfig(size_px=SIZE_PX, num_steps=2, start_step=0, start_layer=1)
WEIGHTS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a text-to-image pipeline as diffusers saves it today."""
    folder = tmp_path_factory.mktemp("hub") / "plain"
    tiny_pipeline(in_channels=4, scheduler=DDIMScheduler(**NOISE, steps_offset=1)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def wanted(plain: Path) -> np.ndarray:
    return edited(plain)


@pytest.fixture
def folder(plain: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(plain, tmp_path / "copy"))


def edited(folder: Path) -> np.ndarray:
    return load_method("masactrl", folder, "cpu").edit(drawn_pictures(1), ["take cup"], [0], CONFIG)


def change_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def give_scheduler(folder: Path, name: str, **settings: object) -> None:
    getattr(diffusers, name)(**NOISE, **settings).save_pretrained(folder / "scheduler")
    change_json(folder / "model_index.json", scheduler=["diffusers", name])


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("PNDMScheduler", {"skip_prk_steps": True, "set_alpha_to_one": False, "steps_offset": 1}),
        ("EulerAncestralDiscreteScheduler", {"steps_offset": 1}),
        ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
        ("LMSDiscreteScheduler", {}),
        ("DDIMScheduler", {"clip_sample": True, "set_alpha_to_one": True, "steps_offset": 0}),
    ],
)
def test_the_scheduler_of_a_repository_changes_nothing_but_the_noising(
    name: str, settings: dict, folder: Path, wanted: np.ndarray
) -> None:
    give_scheduler(folder, name, **settings)
    assert np.array_equal(wanted, edited(folder))


def test_a_model_of_v_is_read_as_one_and_one_of_pictures_is_refused(folder: Path, wanted: np.ndarray) -> None:
    give_scheduler(folder, "DDIMScheduler", prediction_type="v_prediction")
    assert not np.array_equal(wanted, edited(folder))
    give_scheduler(folder, "DDIMScheduler", prediction_type="sample")
    with pytest.raises(ValueError, match="epsilon and v_prediction"):
        edited(folder)


def with_old_index(folder: Path) -> None:
    """Change a folder to the form of runwayml and its successor: the index names a safety checker, whose weights
    are not read.
    """
    noise = {"skip_prk_steps": True, "set_alpha_to_one": False, "steps_offset": 1, "clip_sample": False}
    old = {"_class_name": "PNDMScheduler", "_diffusers_version": "0.6.0", "num_train_timesteps": 1000} | NOISE | noise
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(old | {"trained_betas": None}))
    change_json(
        folder / "model_index.json",
        _class_name="StableDiffusionPipeline",
        scheduler=["diffusers", "PNDMScheduler"],
        safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"],
        feature_extractor=["transformers", "CLIPImageProcessor"],
    )
    for name, file in (("safety_checker", "config.json"), ("feature_extractor", "preprocessor_config.json")):
        (folder / name).mkdir()
        (folder / name / file).write_text("{}")
    (folder / "safety_checker" / "model.safetensors").write_bytes(b"not read")
    (folder / "v1-5-pruned.ckpt").write_bytes(b"not read")
    (folder / "unet" / "diffusion_pytorch_model.non_ema.safetensors").write_bytes(b"not read")


def with_word_lists_alone(folder: Path) -> None:
    """Change a folder to the form of CLIP's own tokenizer: vocab.json, merges.txt and two small files, no
    tokenizer.json.
    """
    place = folder / "tokenizer"
    model = json.loads((place / "tokenizer.json").read_text())["model"]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    (place / "tokenizer.json").unlink()
    (place / "vocab.json").write_text(json.dumps(model["vocab"]))
    (place / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    special = {"bos_token": "<|startoftext|>"} | dict.fromkeys(("eos_token", "pad_token", "unk_token"), "<|endoftext|>")
    (place / "special_tokens_map.json").write_text(json.dumps(special))
    known = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 12, "do_lower_case": True, "errors": "replace"}
    (place / "tokenizer_config.json").write_text(json.dumps(known | special))


def with_old_text_encoder(folder: Path) -> None:
    """Change a folder to the form of older transformers: weights hold position numbers too, and names begin with
    `text_model`.
    """
    path = folder / "text_encoder" / "model.safetensors"
    weights = {f"text_model.{name.removeprefix('text_model.')}": value for name, value in load_file(path).items()}
    weights["text_model.embeddings.position_ids"] = torch.arange(12)[None]
    save_file(weights, path, metadata={"format": "pt"})
    change_json(folder / "text_encoder" / "config.json", torch_dtype="float32", transformers_version="4.22.0.dev0")


@pytest.mark.parametrize("change", [with_old_index, with_word_lists_alone, with_old_text_encoder])
def test_older_layouts_edit_as_todays(change: Callable[[Path], None], folder: Path, wanted: np.ndarray) -> None:
    change(folder)
    assert np.array_equal(wanted, edited(folder))


def halve(folder: Path, parts: tuple[str, ...], *, keep: bool) -> None:
    for part in parts:
        path = folder / part / f"{WEIGHTS[part]}.safetensors"
        halved = {name: value.half() if value.is_floating_point() else value for name, value in load_file(path).items()}
        save_file(halved, path.with_suffix(".fp16.safetensors"), metadata={"format": "pt"})
        if not keep:
            path.unlink()


@pytest.mark.parametrize("parts", [("unet", "vae", "text_encoder"), ("unet",)])
def test_half_precision_files_are_read_where_there_are_no_others(
    parts: tuple[str, ...], folder: Path, wanted: np.ndarray
) -> None:
    halve(folder, parts, keep=False)
    assert np.abs(edited(folder).astype(int) - wanted).mean() < 6


def test_full_precision_files_come_before_half_precision_ones(folder: Path, wanted: np.ndarray) -> None:
    halve(folder, tuple(WEIGHTS), keep=True)
    assert np.array_equal(wanted, edited(folder))


@pytest.mark.parametrize("part", WEIGHTS)
def test_weights_in_files_that_may_run_code_alone_are_refused_with_what_to_do(part: str, folder: Path) -> None:
    path = folder / part / f"{WEIGHTS[part]}.safetensors"
    torch.save(load_file(path), folder / part / "pytorch_model.bin")
    path.unlink()
    with pytest.raises(ValueError, match=rf"{part}/ has only pytorch_model.bin.*safe_serialization=True"):
        load_method("masactrl", folder, "cpu")
