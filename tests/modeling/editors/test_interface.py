"""The shared interface: pictures made before, and any diffusers pipeline by its class's name."""

from pathlib import Path

import numpy as np
import pytest
import torch

from modeling.config import SamplingConfig
from modeling.data.images import encode_png, squash
from modeling.editors.instruct_pix2pix import Editor
from modeling.editors.interface import NotFinite
from modeling.editors.load import load_system
from modeling.editors.made_before import MadeBefore, MadeBeforeConfig, edit_key
from modeling.editors.settings import PipelineConfig
from tests.support.tiny_pipeline import SIZE_PX, drawn_pictures, tiny_pipeline


def test_a_picture_made_before_is_found_by_source_instruction_and_seed_and_squashed(tmp_path: Path) -> None:
    source, made = drawn_pictures(2)
    other_seed = drawn_pictures(1, seed=5)[0]
    (tmp_path / "a.png").write_bytes(encode_png(made))
    (tmp_path / "b.png").write_bytes(encode_png(other_seed))
    files = {edit_key(source, "take cup", 0): tmp_path / "a.png", edit_key(source, "take cup", 1): tmp_path / "b.png"}
    edited = MadeBefore(files).edit([source, source], ["take cup"] * 2, [1, 0], MadeBeforeConfig(size_px=8))
    assert np.array_equal(np.stack([squash(other_seed, 8), squash(made, 8)]), edited)
    with pytest.raises(ValueError, match="seed 2"):
        MadeBefore(files).edit([source], ["take cup"], [2], MadeBeforeConfig(size_px=8))


def test_a_picture_made_before_without_a_seed_stands_for_every_seed(tmp_path: Path) -> None:
    source, made = drawn_pictures(2)
    (tmp_path / "a.png").write_bytes(encode_png(made))
    system = MadeBefore({edit_key(source, "take cup", None): tmp_path / "a.png"})
    assert system.is_deterministic
    edited = system.edit([source] * 2, ["take cup"] * 2, [3, 4], MadeBeforeConfig(size_px=SIZE_PX))
    assert np.array_equal(edited[0], edited[1])


def test_a_diffusers_pipeline_by_class_name_edits_as_our_editor_does(tmp_path: Path) -> None:
    Editor(tiny_pipeline()).save(tmp_path / "pipeline")
    system = load_system("StableDiffusionInstructPix2PixPipeline", tmp_path / "pipeline", "cpu")
    options = {"guidance_scale": 7.5, "image_guidance_scale": 1.5}
    pictures, config = drawn_pictures(2), PipelineConfig(size_px=SIZE_PX, num_steps=3, options=options)
    edited = system.edit(pictures, ["take cup", "open the cupboard"], [1, 2], config)
    ours = Editor.load(tmp_path / "pipeline", "cpu").edit(
        pictures, ["take cup", "open the cupboard"], [1, 2],
        SamplingConfig(size_px=SIZE_PX, num_steps=3, image_guidance=1.5, text_guidance=7.5, precision="fp32"),
    )  # fmt: skip
    assert np.abs(edited.astype(int) - ours).max() <= 1


@pytest.mark.parametrize("name", ["NoSuchPipeline", "AutoencoderKL", "StableDiffusionPipeline"])
def test_a_class_that_is_no_pipeline_or_takes_no_picture_is_refused_before_anything_is_loaded(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        load_system(name, "/nowhere", "cpu")


def test_an_edit_that_is_not_finite_makes_no_picture() -> None:
    editor = Editor(tiny_pipeline())
    with torch.no_grad():
        editor.unet.conv_out.bias.fill_(float("nan"))
    config = SamplingConfig(size_px=SIZE_PX, num_steps=1, precision="fp32")
    with pytest.raises(NotFinite):
        editor.edit(drawn_pictures(1), ["take cup"], [0], config)
