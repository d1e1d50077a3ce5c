"""Noise -> edited latent, step by step, under image and text guidance (paper Eq. 8)."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import diffusers
import torch
from diffusers import UNet2DConditionModel
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor

from modeling.config import SamplingConfig, SchedulerName
from modeling.diffusion.schedule import predict
from modeling.diffusion.schedulers import SCHEDULERS


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """The conditions of a batch of edits."""

    picture: Tensor
    """Unscaled modes of the source pictures: fp32 [B, C, H, W]."""
    text: Tensor
    """Embedded instructions: [B, L, D]."""
    no_text: Tensor
    """The embedded empty text: [1, L, D]."""

    def __len__(self) -> int:
        return len(self.picture)


def guide(full: Tensor, picture: Tensor, none: Tensor | None, *, image_guidance: float, text_guidance: float) -> Tensor:
    """Combine the predictions under (picture, instruction), (picture) and (nothing); all [B, C, H, W].

    e_none + s_i (e_picture - e_none) + s_c (e_full - e_picture)          paper Eq. 8, arXiv:2211.09800 Eq. 3

    At s_i = 1 e_none has weight 0 and may be None.
    """
    if none is None:
        return picture + text_guidance * (full - picture)
    return none + text_guidance * (full - picture) + image_guidance * (picture - none)


def make_scheduler(name: SchedulerName, saved: Any) -> Any:
    """Return a fresh scheduler by name, with the noise schedule of `saved`, the editor's own scheduler.

    euler_ancestral with the hub's InstructPix2Pix is the sampler of its authors. euler_ancestral and ddpm add noise at
    every step, the others add none. dpmpp_2m is DPM-Solver++ of second order; 20 to 30 steps are enough for it.
    """
    class_name, changes = SCHEDULERS.get(name, ("", {}))
    kind = getattr(diffusers, class_name) if class_name else type(saved)
    return kind.from_config(saved.config, **({} if isinstance(saved, kind) else changes))


def stack_passes(conditions: Conditions, config: SamplingConfig) -> tuple[Conditions, int]:
    """Return the stacked conditions of one network call, and the number of passes in them.

    One pass where both scales are 1, two where s_i is 1, else three. A pass with weight 0 in Eq. 8 is left out.
    """
    if config.image_guidance == 1 and config.text_guidance == 1:
        return conditions, 1
    no_text = conditions.no_text.expand_as(conditions.text)
    pictures, texts = [conditions.picture] * 2, [conditions.text, no_text]
    if config.image_guidance != 1:
        pictures.append(torch.zeros_like(conditions.picture))
        texts.append(no_text)
    stacked = Conditions(picture=torch.cat(pictures), text=torch.cat(texts), no_text=conditions.no_text)
    return stacked, len(pictures)


@torch.inference_mode()
def sample(
    unet: UNet2DConditionModel,
    scheduler: Any,
    conditions: Conditions,
    generators: Sequence[torch.Generator],
    config: SamplingConfig,
) -> Tensor:
    """Return the edited latents fp32 [B, C, H, W], still multiplied by the autoencoder's scaling factor.

    Each picture has its own CPU generator for its initial noise and the noise of its steps. So an edit depends neither
    on the other pictures of its batch nor on the device.
    """
    device = conditions.picture.device
    scheduler.set_timesteps(config.num_steps, device=device)
    latents = randn_tensor(conditions.picture.shape, list(generators), device, torch.float32)
    latents = latents * scheduler.init_noise_sigma
    stacked, num_passes = stack_passes(conditions, config)
    options = _step_options(scheduler, generators)
    with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
        for timestep in scheduler.timesteps:
            noisy = scheduler.scale_model_input(latents, timestep)
            noisy = torch.cat([noisy] * num_passes)
            output = predict(unet, noisy, stacked.picture, timestep, stacked.text).float()
            prediction = _combine(output.chunk(num_passes), config)
            latents = scheduler.step(prediction, timestep, latents, return_dict=False, **options)[0]
    return latents


def _combine(predictions: Sequence[Tensor], config: SamplingConfig) -> Tensor:
    if len(predictions) == 1:
        return predictions[0]
    none = predictions[2] if len(predictions) == 3 else None
    full, picture = predictions[:2]
    return guide(full, picture, none, image_guidance=config.image_guidance, text_guidance=config.text_guidance)


def _step_options(scheduler: Any, generators: Sequence[torch.Generator]) -> Mapping[str, Any]:
    """Return the generators for schedulers whose steps add noise."""
    takes_generator = "generator" in inspect.signature(scheduler.step).parameters
    return {"generator": list(generators)} if takes_generator else {}
