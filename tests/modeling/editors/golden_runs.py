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
    return golden.config(
        MasaCtrlConfig,
        {
            "steps": "num_steps",
            "start_step": "start_step",
            "start_layer": "start_layer",
            "scale": "text_guidance",
            "inv_scale": "inversion_guidance",
            "intermediates": "reset_source",
        },
        ignored=("source",),  # emb_source holds it
    )


def run_masactrl(golden: Golden, config: MasaCtrlConfig) -> tuple[Tensor, Tensor]:
    """Return the edited latents and the reconstruction."""
    grid = golden.grid(replace(config, final_alpha="first"))
    grid = make_grid(SCHEDULER, config, config.num_steps) if config.final_alpha == "one" else grid
    return masactrl(golden.unet(), grid, golden.tensors["source_latent"], golden.texts(), config)


def prox_config(golden: Golden) -> ProxMasaCtrlConfig:
    same = ("npi", "npi_interp", "npi_step", "prox", "quantile", "prox_step", "inject_uncond", "inject_cond")
    others = {
        "num_inference_steps": "num_steps",
        "masa_step": "start_step",
        "masa_layer": "start_layer",
        "scale": "text_guidance",
        "inv_scale": "inversion_guidance",
        "query_intermediate": "reset_source",
    }
    config = golden.config(ProxMasaCtrlConfig, others | {name: name for name in same})
    return replace(config, prox=f"code_{config.prox}" if config.prox else "none")


def run_prox(golden: Golden, config: ProxMasaCtrlConfig) -> tuple[Tensor, Tensor]:
    """Return the edited latents and the reconstruction."""
    source = golden.tensors["source_latent"]
    return prox_masactrl(golden.unet(), golden.grid(config), source, golden.texts(), config)


def noise_space_config(golden: Golden) -> NoiseSpaceConfig:
    return golden.config(
        NoiseSpaceConfig,
        {
            "steps": "num_steps",
            "skip": "skip",
            "cfg_src": "source_guidance",
            "cfg_tar": "text_guidance",
            "eta": "eta",
        },
        ignored=("source",),  # emb_source holds it
    )


def run_noise_space(
    golden: Golden,
    config: NoiseSpaceConfig,
    *,
    shift: int = 0,
    maps: str = "said",
    source: str = "said",
    back: Any = None,
) -> Tensor:
    """`shift`: use the noise maps of this many steps later. `maps` "zero": use none. `source` "empty": leave out the
    source text. `back`: change these settings on the way back only.
    """
    unet, texts = golden.unet(), golden.texts()
    texts = replace(texts, source=texts.empties()) if source == "empty" else texts
    right = config.steps_offset == 1 and config.final_alpha == "first"
    grid = golden.grid(config) if right else make_grid(SCHEDULER, config, config.num_steps)
    noise = golden.tensors["noise"][:, None].unbind(0)
    noise_maps = extract_maps(unet, grid, golden.tensors["source_latent"], texts, noise, config)
    noise_maps = replace(noise_maps, maps=[*noise_maps.maps[shift:], *noise_maps.maps[:shift]])
    if maps == "zero":
        noise_maps = replace(noise_maps, maps=[torch.zeros_like(noise_map) for noise_map in noise_maps.maps])
    config = replace(config, **(back or {}))
    predicted = guided_by(unet, texts.empties(), texts.target, config.text_guidance, config.precision)
    return redraw(predicted, grid, noise_maps, config)


def plug_and_play_config(golden: Golden) -> PlugAndPlayConfig:
    return golden.config(
        PlugAndPlayConfig,
        {
            "steps": "num_steps",
            "inv_steps": "inversion_steps",
            "tau_f": "feature_share",
            "tau_a": "attention_share",
            "scale": "text_guidance",
        },
        ignored=("negative",),  # emb_negative holds it
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
    return golden.config(
        ImagicConfig,
        {
            "steps": "num_steps",
            "a_steps": "embedding_steps",
            "a_lr": "embedding_rate",
            "b_steps": "unet_steps",
            "b_lr": "unet_rate",
            "alpha": "alpha",
            "scale": "text_guidance",
            "loss_scale": "loss_scale",
        },
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
