"""Each method, run with a golden's settings, and run with one thing broken on purpose."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from modeling.diffusion.inversion import make_grid
from modeling.editors.ddpm_noise_space import extract_maps, guided_by, redraw
from modeling.editors.imagic import Draws, draw_edit, tune
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
from tests.support.goldens import SCHEDULER, Golden


def masactrl_config(golden: Golden) -> MasaCtrlConfig:
    said = golden.settings
    return MasaCtrlConfig(
        num_steps=said["steps"],
        start_step=said["start_step"],
        start_layer=said["start_layer"],
        text_guidance=said["scale"],
        inversion_guidance=said["inv_scale"],
        reset_source=said["intermediates"],
    )


def run_masactrl(golden: Golden, config: MasaCtrlConfig) -> Tensor:
    grid = golden.grid(replace(config, final_alpha="first"))
    grid = make_grid(SCHEDULER, config, config.num_steps) if config.final_alpha == "one" else grid
    return masactrl(golden.unet(), grid, golden.tensors["source_latent"], golden.texts(), config)[0]


def prox_config(golden: Golden) -> ProxMasaCtrlConfig:
    said = golden.settings
    return ProxMasaCtrlConfig(
        num_steps=said["num_inference_steps"],
        start_step=said["masa_step"],
        start_layer=said["masa_layer"],
        text_guidance=said["scale"],
        inversion_guidance=said["inv_scale"],
        npi=said["npi"],
        npi_interp=said["npi_interp"],
        npi_step=said["npi_step"],
        prox=f"code_{said['prox']}" if said["prox"] else "none",
        quantile=said["quantile"],
        prox_step=said["prox_step"],
        inject_uncond=said["inject_uncond"],
        inject_cond=said["inject_cond"],
    )


def run_prox(golden: Golden, config: ProxMasaCtrlConfig) -> Tensor:
    source = golden.tensors["source_latent"]
    return prox_masactrl(golden.unet(), golden.grid(config), source, golden.texts(), config)[0]


def noise_space_config(golden: Golden) -> NoiseSpaceConfig:
    said = golden.settings
    return NoiseSpaceConfig(
        num_steps=said["steps"],
        skip=said["skip"],
        source_guidance=said["cfg_src"],
        text_guidance=said["cfg_tar"],
        eta=said["eta"],
    )


def run_noise_space(golden: Golden, config: NoiseSpaceConfig, *, shift: int = 0, source: str = "said") -> Tensor:
    """`shift`: use the noise maps of this many steps later. `source` "empty": leave out the source text."""
    unet, texts = golden.unet(), golden.texts()
    texts = replace(texts, source=texts.empties()) if source == "empty" else texts
    grid = make_grid(SCHEDULER, config, config.num_steps)
    if config.steps_offset == 1:
        grid = golden.grid(config)
    noise = golden.tensors["noise"][:, None].unbind(0)
    noise_maps = extract_maps(unet, grid, golden.tensors["source_latent"], texts, noise, config)
    noise_maps = replace(noise_maps, maps=[*noise_maps.maps[shift:], *noise_maps.maps[:shift]])
    predicted = guided_by(unet, texts.empties(), texts.target, config.text_guidance, config.precision)
    return redraw(predicted, grid, noise_maps, config)


def plug_and_play_config(golden: Golden) -> PlugAndPlayConfig:
    said = golden.settings
    return PlugAndPlayConfig(
        num_steps=said["steps"],
        inversion_steps=said["inv_steps"],
        feature_share=said["tau_f"],
        attention_share=said["tau_a"],
        text_guidance=said["scale"],
    )


def run_plug_and_play(golden: Golden, config: PlugAndPlayConfig, *, shift: int = 0, negative: str = "said") -> Tensor:
    """`shift`: use the source latents of this many sampling steps later.

    `negative` "empty": use the empty text instead.
    """
    unet, texts, grid = golden.unet(), golden.texts(), golden.grid(config)
    at = inverted_latents(
        unet, make_grid(SCHEDULER, config, config.inversion_steps), golden.tensors["source_latent"], texts, config
    )
    if shift:
        times = list(grid.times)
        at = {time: at[times[min(index + shift, len(times) - 1)]] for index, time in enumerate(times)}
    embedding = golden.tensors["emb_negative"] if negative == "said" else texts.empty
    return plug_and_play(unet, grid, at, texts, embedding, config)


def imagic_config(golden: Golden) -> ImagicConfig:
    said = golden.settings
    return ImagicConfig(
        num_steps=said["steps"],
        embedding_steps=said["a_steps"],
        embedding_rate=said["a_lr"],
        unet_steps=said["b_steps"],
        unet_rate=said["b_lr"],
        alpha=said["alpha"],
        text_guidance=said["scale"],
        loss_scale=said["loss_scale"],
    )


def run_imagic(golden: Golden, config: ImagicConfig) -> tuple[Tensor, dict[str, Any]]:
    """Return the edited latents, and what each stage gave."""
    unet, texts, grid, tensors = golden.unet(), golden.texts(), golden.grid(config), golden.tensors
    first = golden.settings["a_steps"]
    kept = [*range(config.embedding_steps), *range(first, first + config.unet_steps)]
    draws = Draws(
        train_noise=tensors["train_noise"][kept],
        train_times=tuple(int(tensors["train_timesteps"][index]) for index in kept),
        sample_noise=tensors["sample_noise"],
    )
    tuned = tune(unet, grid, tensors["source_latent"], texts.target, draws, config)
    with torch.no_grad():
        probe = unet(tensors["source_latent"], torch.tensor(301), tuned.embedding).sample
    edited = draw_edit(unet, grid, texts, tuned, draws.sample_noise, config)
    after = {name: value for name, value in unet.state_dict().items() if f"after.{name}" in tensors}
    return edited, {
        "emb_optimised": tuned.embedding,
        "train_losses": torch.tensor(tuned.losses),
        "probe_after": probe,
        "after": after,
    }
