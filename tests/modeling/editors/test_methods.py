"""Exact properties of the five methods that need no trained weights, on a network with amplified weights.

The tiny network has four self-attentions (one down, one in the middle, two up), so a start layer of 4 acts nowhere.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler

from modeling.diffusion.attention import hooked, self_attentions
from modeling.diffusion.inversion import generate, invert, make_grid
from modeling.editors.imagic import weights_hash
from modeling.editors.interface import NotFinite
from modeling.editors.load import METHODS
from modeling.editors.prox_masactrl import shrink, slerp
from modeling.editors.settings import METHOD_CONFIGS, MasaCtrlConfig
from modeling.editors.text_to_image import Texts, TextToImage, predict
from tests.support.tiny_pipeline import SIZE_PX, drawn_pictures, tiny_pipeline, tiny_unet

SCHEDULER = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1)
SHORT = {
    "imagic": {"embedding_steps": 2, "unet_steps": 2, "unet_rate": 1e-3},
    "plug_and_play": {"inversion_steps": 4, "start_layer": 1, "feature_block": 1, "feature_resnet": 1},
    "ddpm_noise_space": {"skip": 1},
    "masactrl": {"start_layer": 1, "start_step": 1},
    "prox_masactrl": {"start_layer": 1, "start_step": 1},
}


def short_config(name: str):
    return METHOD_CONFIGS[name](size_px=SIZE_PX, num_steps=4, **SHORT[name])


def texts(seed: int = 0) -> Texts:
    generator = torch.Generator().manual_seed(seed)
    empty, source, target = (torch.randn(1, 6, 16, generator=generator) for _ in range(3))
    return Texts(empty=empty, source=source, target=target)


def latents(seed: int = 1) -> torch.Tensor:
    return torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def model() -> TextToImage:
    return TextToImage(tiny_pipeline(in_channels=4, scheduler=SCHEDULER))


@pytest.mark.parametrize("name", METHODS)
def test_a_method_edits_pictures_alike_alone_and_in_a_batch_and_leaves_the_network_as_it_was(
    name: str, model: TextToImage
) -> None:
    system, config, before = METHODS[name](model), short_config(name), weights_hash(model.unet)
    pictures = drawn_pictures(2)
    together = system.edit(pictures, ["take cup", "open the cupboard"], [1, 2], config, batch_size=2)
    alone = system.edit(pictures[1:], ["open the cupboard"], [2], config)
    assert np.abs(together[1].astype(int) - alone[0]).max() <= 1
    assert together.shape == (2, SIZE_PX, SIZE_PX, 3)
    other_seed = system.edit(pictures[1:], ["open the cupboard"], [3], config)
    assert system.is_deterministic == np.array_equal(alone, other_seed)
    assert before == weights_hash(model.unet)


@pytest.mark.parametrize("name", METHODS)
def test_after_an_edit_that_fails_in_the_middle_a_plain_pass_is_bit_identical(name: str, model: TextToImage) -> None:
    def plain() -> torch.Tensor:
        with torch.no_grad():
            return predict(model.unet, latents(), 500, texts().target)

    before, digest = plain(), weights_hash(model.unet)
    calls = 0

    def fail(_module: object, _inputs: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise RuntimeError("in the middle")

    handle = model.unet.conv_out.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="in the middle"):
        METHODS[name](model).edit(drawn_pictures(1), ["take cup"], [0], short_config(name))
    handle.remove()
    assert digest == weights_hash(model.unet)
    assert torch.equal(before, plain())
    assert not any(module._forward_hooks for module in model.unet.modules())


@pytest.mark.parametrize("name", METHODS)
def test_a_network_of_no_finite_numbers_makes_no_picture(name: str) -> None:
    model = TextToImage(tiny_pipeline(in_channels=4, scheduler=SCHEDULER))
    with torch.no_grad():
        model.unet.conv_out.bias.fill_(float("nan"))
    with pytest.raises(NotFinite):
        METHODS[name](model).edit(drawn_pictures(1), ["take cup"], [0], short_config(name))


def test_a_network_that_takes_a_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="4 input channels"):
        TextToImage(tiny_pipeline(in_channels=8))


@pytest.mark.parametrize("name", ["plug_and_play", "masactrl", "prox_masactrl"])
def test_layers_that_a_network_does_not_have_are_refused_before_any_work(name: str, model: TextToImage) -> None:
    with pytest.raises(ValueError, match="start_layer is 5"):
        METHODS[name](model).edit([], [], [], replace(short_config(name), start_layer=5))


def test_a_residual_or_an_inversion_that_does_not_fit_is_refused(model: TextToImage) -> None:
    system, config = METHODS["plug_and_play"](model), short_config("plug_and_play")
    with pytest.raises(ValueError, match="feature_block 7"):
        system.check(replace(config, feature_block=7))
    with pytest.raises(ValueError, match="inversion_steps"):
        system.check(replace(config, inversion_steps=3))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_stays_close(name: str, precision: str, model: TextToImage) -> None:
    system, config = METHODS[name](model), replace(short_config(name), text_guidance=1.5)
    full = system.edit(drawn_pictures(1), ["take cup"], [0], config)
    half = system.edit(drawn_pictures(1), ["take cup"], [0], replace(config, precision=precision))
    assert np.abs(full.astype(int) - half).mean() < 12


def test_inversion_is_exact_for_a_network_that_does_not_look() -> None:
    grid = make_grid(SCHEDULER.config, MasaCtrlConfig(), 20)
    noise = latents(7)
    clean = latents()
    back = generate(lambda _latents, _time: noise, invert(lambda _latents, _time: noise, clean, grid)[-1], grid)
    assert (back - clean).abs().max() < 5e-5


def test_the_error_of_inversion_falls_with_the_number_of_steps() -> None:
    unet, text, clean = tiny_unet(4), texts().target, latents()

    def error(num_steps: int) -> float:
        grid = make_grid(SCHEDULER.config, MasaCtrlConfig(), num_steps)

        def predicted(now: torch.Tensor, time: int) -> torch.Tensor:
            return predict(unet, now, time, text)

        with torch.no_grad():
            return float((generate(predicted, invert(predicted, clean, grid)[-1], grid) - clean).square().mean().sqrt())

    errors = [error(num_steps) for num_steps in (20, 100)]
    assert errors[0] > 1.5 * errors[1] > 0


def test_thresholds_follow_their_formulas() -> None:
    guidance = torch.tensor([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]).view(1, 1, 1, -1)
    wanted = {
        "none": [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5],
        "code_l0": [-1.5, -0.5, 0.0, 0.0, 0.5, 1.5],
        "soft": [-1.5, -0.5, 0.0, 0.0, 0.5, 1.5],
        "hard": [-2.5, -1.5, 0.0, 0.0, 1.5, 2.5],
        "code_l1": [-0.5, 0.5, 0.0, 0.0, 0.5, 0.5],
    }
    for prox, values in wanted.items():
        assert values == pytest.approx(shrink(guidance, prox, -1.0).flatten().tolist()), prox


def test_slerp_of_equal_embeddings_and_at_both_ends_is_exact() -> None:
    first, second = texts().empty, texts().target
    assert torch.equal(slerp(0.5, first, first), first)
    assert torch.equal(slerp(0.0, first, second), first)
    assert torch.equal(slerp(1.0, first, second), second)
    right = slerp(0.5, torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0.0, 1.0]]]))
    assert right.flatten().tolist() == pytest.approx([0.5**0.5, 0.5**0.5])


def test_hooks_act_inside_alone() -> None:
    unet = tiny_unet(4)
    layer = self_attentions(unet)[0].to_q
    with hooked({layer: torch.zeros_like}):
        assert not layer(torch.ones(1, 2, layer.in_features)).any()
    assert layer(torch.ones(1, 2, layer.in_features)).any()
