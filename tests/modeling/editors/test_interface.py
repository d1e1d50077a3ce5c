"""The shared interface: any diffusers pipeline by its class's name."""

from pathlib import Path

import numpy as np
import pytest
import torch

from modeling.config import SamplingConfig
from modeling.editors.instruct_pix2pix import Editor
from modeling.editors.interface import NotFinite
from modeling.editors.load import load_system
from modeling.editors.settings import PipelineConfig
from tests.support.tiny_pipeline import SIZE_PX, drawn_pictures, tiny_pipeline


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
