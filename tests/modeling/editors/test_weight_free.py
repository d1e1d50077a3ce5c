"""Specification section 14: exact properties of the five methods that need no trained weights, on several networks.

The networks are amplified. Each check also demands that the method has an effect when it is switched on.
"""

from dataclasses import replace

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from modeling.diffusion.attention import self_attentions
from modeling.diffusion.inversion import DdimGrid, generate, invert, make_grid
from modeling.editors.ddpm_noise_space import extract_maps, guided_by, redraw
from modeling.editors.imagic import draw, draw_edit, restored, tune, weights_hash
from modeling.editors.masactrl import masactrl
from modeling.editors.plug_and_play import inverted_latents, plug_and_play
from modeling.editors.prox_masactrl import prox_masactrl
from modeling.editors.settings import (
    ImagicConfig,
    MasaCtrlConfig,
    NoiseSpaceConfig,
    PlugAndPlayConfig,
    ProxMasaCtrlConfig,
)
from modeling.editors.text_to_image import Texts, predict
from tests.support.goldens import SCHEDULER
from tests.support.tiny_networks import NETWORKS, TEXT_LENGTH

STEPS = 3


@pytest.fixture(params=NETWORKS)
def unet(request: pytest.FixtureRequest) -> UNet2DConditionModel:
    return NETWORKS[request.param]()


def test_self_attentions_are_counted_in_every_transformer_of_a_block() -> None:
    counts = {name: len(self_attentions(make())) for name, make in NETWORKS.items()}
    assert counts == {"two_levels": 4, "stable_diffusion_2": 10, "three_levels_sliced": 10}


def texts(unet: UNet2DConditionModel, seed: int = 0) -> Texts:
    """Return random embeddings; the source text is the empty one."""
    generator = torch.Generator().manual_seed(seed)
    shape = (1, TEXT_LENGTH, unet.config.cross_attention_dim)
    empty, target = (torch.randn(shape, generator=generator) for _ in range(2))
    return Texts(empty=empty, source=empty, target=target)


def other_target(unet: UNet2DConditionModel, said: Texts) -> Texts:
    return replace(said, target=texts(unet, seed=9).target)


def with_source(unet: UNet2DConditionModel, said: Texts) -> Texts:
    return replace(said, source=texts(unet, seed=5).target)


def latents(seed: int = 1) -> Tensor:
    return torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(seed))


def far(first: Tensor, second: Tensor) -> float:
    """Return the largest difference over the largest value."""
    return float((first - second).abs().max() / second.abs().max())


def plain(
    unet: UNet2DConditionModel, grid: DdimGrid, start: Tensor, none: Tensor, text: Tensor, scale: float
) -> Tensor:
    """Sample by DDIM under guidance against the embedding `none`."""
    with torch.no_grad():
        return generate(guided_by(unet, none, text, scale, "fp32"), start, grid)


def inverted(unet: UNet2DConditionModel, grid: DdimGrid, text: Tensor) -> Tensor:
    with torch.no_grad():
        return invert(lambda now, time: predict(unet, now, time, text), latents(), grid)[-1]


def test_masactrl_that_acts_nowhere_is_plain_sampling(unet: UNet2DConditionModel) -> None:
    said, config = texts(unet), MasaCtrlConfig(num_steps=STEPS, start_step=1, start_layer=0)
    grid = make_grid(SCHEDULER, config, STEPS)
    start = inverted(unet, grid, said.empty)
    wanted = plain(unet, grid, start, said.empty, said.target, config.text_guidance)
    for nowhere in ({"start_step": STEPS}, {"start_layer": len(self_attentions(unet))}):
        assert far(masactrl(unet, grid, latents(), said, replace(config, **nowhere))[0], wanted) < 1e-4
    assert far(masactrl(unet, grid, latents(), said, config)[0], wanted) > 1e-2


def test_masactrl_with_equal_texts_gives_equal_rows_and_its_source_row_sees_no_target(
    unet: UNet2DConditionModel,
) -> None:
    said, config = texts(unet), MasaCtrlConfig(num_steps=STEPS, start_step=1, start_layer=0)
    grid = make_grid(SCHEDULER, config, STEPS)
    target, source = masactrl(unet, grid, latents(), replace(said, target=said.source), config)
    assert far(target, source) < 1e-4
    first, again = (
        masactrl(unet, grid, latents(), given_texts, config) for given_texts in (said, other_target(unet, said))
    )
    assert far(first[1], again[1]) < 1e-4
    assert far(first[0], again[0]) > 1e-2


def test_prox_at_quantile_1_and_interp_0_gives_the_reconstruction_and_without_its_parts_masactrl(
    unet: UNet2DConditionModel,
) -> None:
    said = with_source(unet, texts(unet))
    config = ProxMasaCtrlConfig(num_steps=STEPS, start_step=1, start_layer=0, npi_interp=0.0, quantile=1.0)
    grid = make_grid(SCHEDULER, config, STEPS)
    edited, source = prox_masactrl(unet, grid, latents(), said, config)
    assert far(edited, source) < 1e-4
    off = prox_masactrl(unet, grid, latents(), said, replace(config, prox="none"))
    assert far(off[0], source) > 1e-2
    assert far(off[1], source) < 1e-4
    assert torch.equal(prox_masactrl(unet, grid, latents(), said, replace(config, prox_step=STEPS))[0], off[0])
    bare = replace(config, npi=False, prox="none", source_guidance=config.text_guidance)
    masa = masactrl(
        unet, grid, latents(), said, MasaCtrlConfig(num_steps=STEPS, start_step=1, start_layer=0)
    )  # fmt: skip
    assert far(prox_masactrl(unet, grid, latents(), said, bare)[0], masa[0]) < 1e-5


@pytest.mark.parametrize("half", ["inject_uncond", "inject_cond"])
def test_prox_joint_keys_differ_from_the_sources_alone_and_leave_the_source_row(
    half: str, unet: UNet2DConditionModel
) -> None:
    said = with_source(unet, texts(unet))
    config = ProxMasaCtrlConfig(num_steps=STEPS, start_step=1, start_layer=0)
    grid = make_grid(SCHEDULER, config, STEPS)
    alone, joint = (
        prox_masactrl(unet, grid, latents(), said, replace(config, **{half: source_row}))
        for source_row in ("src", "joint")
    )
    assert far(joint[0], alone[0]) > 1e-3
    assert far(joint[1], alone[1]) < 1e-4


def pnp_config(**changes: object) -> PlugAndPlayConfig:
    given = {"num_steps": STEPS, "inversion_steps": STEPS, "start_layer": 1, "feature_resnet": 1}
    return PlugAndPlayConfig(**(given | changes))


def test_plug_and_play_that_injects_nothing_is_plain_sampling_with_its_negative_text(
    unet: UNet2DConditionModel,
) -> None:
    said, negative, config = texts(unet), texts(unet, seed=3).target, pnp_config()
    grid = make_grid(SCHEDULER, config, STEPS)
    at = inverted_latents(unet, grid, latents(), said, config)
    start = inverted(unet, grid, said.empty)
    assert torch.equal(at[grid.times[0]], start)
    wanted = plain(unet, grid, start, negative, said.target, config.text_guidance)
    off = plug_and_play(unet, grid, at, said, negative, pnp_config(feature_share=0.0, attention_share=0.0))
    assert far(off, wanted) < 1e-4
    for part in ({"feature_share": 0.0}, {"attention_share": 0.0}, {}):
        assert far(plug_and_play(unet, grid, at, said, negative, pnp_config(**part)), wanted) > 1e-2, part


def test_plug_and_plays_source_row_does_not_depend_on_the_target_text(unet: UNet2DConditionModel) -> None:
    said, config = texts(unet), pnp_config(feature_share=1.0, attention_share=1.0)
    grid = make_grid(SCHEDULER, config, STEPS)
    at = inverted_latents(unet, grid, latents(), said, config)
    seen: list[Tensor] = []
    handle = unet.register_forward_hook(lambda _module, _inputs, output: seen.append(output[0]))
    for given_texts in (said, other_target(unet, said)):
        plug_and_play(unet, grid, at, given_texts, said.empty, config)
    handle.remove()
    first, again = torch.stack(seen).split(STEPS)
    assert far(first[:, 0], again[:, 0]) < 1e-4
    assert far(first[:, 2], again[:, 2]) > 1e-2


@pytest.mark.parametrize(("offset", "skip"), [(1, 0), (1, 2), (0, 0)])
def test_noise_maps_replay_the_source_exactly_when_the_last_is_kept(
    offset: int, skip: int, unet: UNet2DConditionModel
) -> None:
    said = with_source(unet, texts(unet))
    config = NoiseSpaceConfig(num_steps=STEPS, skip=skip, steps_offset=offset, zero_last_noise=False)
    grid = make_grid(SCHEDULER, config, STEPS)
    noise = [latents(seed) for seed in range(20, 20 + STEPS)]
    noise_maps = extract_maps(unet, grid, latents(), said, noise, config)
    replayed = redraw(guided_by(unet, said.empty, said.source, 3.5, "fp32"), grid, noise_maps, config)
    # At offset 0 the last step is the identity: the noisy latent of that step stays, and the picture is not reached.
    assert far(replayed, latents() if offset else noise_maps.noisy[0]) < 1e-3
    assert all(torch.isfinite(noise_map).all() for noise_map in noise_maps.maps)
    assert max(float(noise_map.std()) for noise_map in noise_maps.maps) > 1
    edited = guided_by(unet, said.empty, said.target, 15.0, "fp32")
    assert far(redraw(edited, grid, noise_maps, config), latents()) > 1e-2
    assert torch.allclose(redraw(edited, grid, noise_maps, replace(config, skip=STEPS)), noise_maps.noisy[0], atol=1e-5)
    zeroed = extract_maps(unet, grid, latents(), said, noise, replace(config, zero_last_noise=True))
    assert not zeroed.maps[0].any()


@pytest.mark.parametrize("alpha", [0.0, 1.0, 1.2])
def test_imagic_without_tuning_is_plain_sampling(alpha: float, unet: UNet2DConditionModel) -> None:
    said = texts(unet)
    config = ImagicConfig(num_steps=STEPS, embedding_steps=0, unet_steps=0, alpha=alpha)
    grid = make_grid(SCHEDULER, config, STEPS)
    draws = draw(4, (4, 8, 8), config, 1000, torch.device("cpu"))
    tuned = tune(unet, grid, latents(), said.target, draws, config)
    wanted = plain(unet, grid, draws.sample_noise, said.empty, said.target, config.text_guidance)
    assert far(draw_edit(unet, grid, said, tuned, draws.sample_noise, config), wanted) < 1e-5


def test_imagics_stages_change_what_they_should_alone_lower_the_loss_and_the_weights_come_back(
    unet: UNet2DConditionModel,
) -> None:
    said, before = texts(unet), weights_hash(unet)
    config = ImagicConfig(num_steps=STEPS, embedding_steps=3, embedding_rate=1e-2, unet_steps=0, unet_rate=1e-3)
    grid = make_grid(SCHEDULER, config, STEPS)

    def tuned(**changes: int) -> tuple[Tensor, str]:
        given = replace(config, **changes)
        draws = draw(4, (4, 8, 8), given, 1000, torch.device("cpu"))
        # Each step sees the same noise at the same time, so its loss can only fall.
        noise, times = draws.train_noise[:1].expand_as(draws.train_noise), (500,) * len(draws.train_times)
        draws = replace(draws, train_noise=noise, train_times=times)
        with restored(unet):
            made = tune(unet, grid, latents(), said.target, draws, given)
            assert made.losses[-1] < made.losses[0]
            return made.embedding, weights_hash(unet)

    embedding, digest = tuned()
    assert digest == before
    assert far(embedding, said.target) > 1e-3
    both, digest = tuned(unet_steps=3)
    assert torch.equal(embedding, both)
    assert digest != before
    assert weights_hash(unet) == before
