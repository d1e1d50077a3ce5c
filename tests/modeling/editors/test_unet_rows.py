"""The cost that a method's settings state is the cost that is counted at the network."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from modeling.editors.load import METHODS
from modeling.editors.prompts import CaptionedInstruction
from modeling.editors.settings import (
    METHOD_CONFIGS,
    MasaCtrlConfig,
    MethodConfig,
    NoiseSpaceConfig,
    PlugAndPlayConfig,
    fast_settings,
    paper_settings,
    with_steps,
)
from modeling.editors.text_to_image import TextToImage
from modeling.editors.unet_rows import unet_rows
from tests.modeling.editors.test_methods import SCHEDULER, short_config
from tests.support.tiny_pipeline import drawn_pictures, tiny_pipeline

CHANGES: dict[str, list[dict[str, Any]]] = {
    "masactrl": [
        {},
        {"prompt_policy": "caption_plus", "inversion_guidance": 7.5},
        {"prompt_policy": "caption_plus", "inversion_guidance": 0.5},
    ],
    "prox_masactrl": [{}, {"prompt_policy": "caption_plus"}],
    "plug_and_play": [{}],
    "ddpm_noise_space": [{}, {"prompt_policy": "caption_plus"}],
    "imagic": [{}, {"embedding_steps": 3}],
}


@pytest.fixture(scope="module")
def model() -> TextToImage:
    return TextToImage(tiny_pipeline(in_channels=4, scheduler=SCHEDULER))


@pytest.mark.parametrize(
    ("name", "changes"), [(name, change) for name, several in CHANGES.items() for change in several]
)
def test_the_counted_rows_are_those_that_the_settings_say(name: str, changes: dict, model: TextToImage) -> None:
    changes = changes | ({"inversion_steps": 2} if name == "plug_and_play" else {})
    config: MethodConfig = replace(short_config(name), num_steps=2, **changes)
    has_source = config.prompt_policy == "caption_plus"
    counted = {True: 0, False: 0}

    def count(_module: object, inputs: tuple[torch.Tensor, ...]) -> None:
        counted[torch.is_grad_enabled()] += len(inputs[0])

    handle = model.unet.register_forward_pre_hook(count)
    instruction = CaptionedInstruction("take cup", "the cup on the table") if has_source else "take cup"
    METHODS[name](model).edit(drawn_pictures(1), [instruction], [0], config)
    handle.remove()
    assert (counted[False], counted[True]) == unet_rows(config, has_source=has_source)


def test_the_rows_of_the_papers_settings_are_those_of_the_specification() -> None:
    rows = {name: unet_rows(paper_settings(name)) for name in METHOD_CONFIGS}
    assert rows == {
        "imagic": (100, 1500),
        "plug_and_play": (999 + 150, 0),
        "ddpm_noise_space": (100 + 128, 0),
        "masactrl": (50 + 200, 0),
        "prox_masactrl": (50 + 200, 0),
    }
    assert unet_rows(fast_settings("plug_and_play")) == (50 + 150, 0)
    with pytest.raises(ValueError, match="no count"):
        unet_rows(MethodConfig())


def test_what_is_counted_in_steps_keeps_its_share_of_another_number_of_steps() -> None:
    assert with_steps(paper_settings("ddpm_noise_space"), 50) == NoiseSpaceConfig(num_steps=50, skip=18)
    assert with_steps(paper_settings("masactrl"), 100) == MasaCtrlConfig(num_steps=100, start_step=8)
    assert with_steps(fast_settings("plug_and_play"), 20) == PlugAndPlayConfig(num_steps=20, inversion_steps=20)
    assert with_steps(paper_settings("plug_and_play"), 20) == PlugAndPlayConfig(num_steps=20)
    for name in METHOD_CONFIGS:
        assert with_steps(paper_settings(name), 1).num_steps == 1
        with pytest.raises(ValueError, match="num_steps 1001"):
            with_steps(paper_settings(name), 1001)
