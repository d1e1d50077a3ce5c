"""DDIM in both directions on a grid of timesteps: picture latent -> noise (inversion) and a step back.

    x0  = (x - sqrt(1 - a) eps) / sqrt(a)
    x'  = sqrt(a') x0 + sqrt(1 - a') eps                      arXiv:2010.02502, Eq. 12 with sigma = 0

Going down, a belongs to the step's time t and a' to the time below. Going up, a belongs to the time below and a' to t,
and the network is shown the less noisy latent with the time t (MasaCtrl, Prompt-to-Prompt, Plug-and-Play and diffusers'
DDIMInverseScheduler all do). Reconstruction is exact only for a network that does not look at x; else its error falls
with the number of steps.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from diffusers import DDPMScheduler
from torch import Tensor

from modeling.diffusion.schedule import PREDICTION_TYPES

Predict = Callable[[Tensor, int], Tensor]
"""(latents [B, C, H, W], time) -> the network's output for them, guidance included."""


class GridRule(Protocol):
    """The rule of a grid of timesteps; the config of a method is one."""

    @property
    def spacing(self) -> str:
        """leading or trailing."""

    @property
    def steps_offset(self) -> int:
        """Added to each time of a leading grid."""

    @property
    def final_alpha(self) -> str:
        """first: alpha-bar of timestep 0 below the last step; one: 1."""


@dataclass(frozen=True, kw_only=True)
class DdimGrid:
    """The timesteps of N steps and their alpha-bars."""

    times: tuple[int, ...]
    """Timesteps in sampling order, the noisiest first."""
    alphas: Tensor
    """alpha-bar of every training timestep: fp32 [T]."""
    final_alpha: Tensor
    """alpha-bar below the last step."""
    prediction_type: str
    """epsilon or v_prediction."""

    def alpha(self, time: int) -> Tensor:
        """Return alpha-bar of a time."""
        return self.alphas[time]

    def alpha_below(self, time: int) -> Tensor:
        """Return alpha-bar one step further down."""
        index = self.times.index(time) + 1
        return self.alphas[self.times[index]] if index < len(self.times) else self.final_alpha

    def split(self, latents: Tensor, output: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
        """Return (x0, eps) as the network's output predicts them for latents of noise level `alpha`."""
        signal, spread = alpha.sqrt(), (1 - alpha).sqrt()
        if self.prediction_type == "v_prediction":
            return signal * latents - spread * output, signal * output + spread * latents
        return (latents - spread * output) / signal, output

    def down(self, latents: Tensor, output: Tensor, time: int) -> Tensor:
        """Return the latents one step less noisy than those of `time`."""
        return self._move(latents, output, self.alpha(time), self.alpha_below(time))

    def up(self, latents: Tensor, output: Tensor, time: int) -> Tensor:
        """Return the latents of `time` from those one step less noisy."""
        return self._move(latents, output, self.alpha_below(time), self.alpha(time))

    def _move(self, latents: Tensor, output: Tensor, alpha_from: Tensor, alpha_to: Tensor) -> Tensor:
        clean, noise = self.split(latents, output, alpha_from)
        return alpha_to.sqrt() * clean + (1 - alpha_to).sqrt() * noise


def make_grid(
    scheduler_config: Mapping[str, Any], rule: GridRule, num_steps: int, device: torch.device | str = "cpu"
) -> DdimGrid:
    """Return the grid of `num_steps` on a pipeline's noise schedule; ValueError when the schedule has no such grid.

    leading: t = i (T // N) + offset.   trailing: t = round(T - i T / N) - 1.
    """
    scheduler = DDPMScheduler.from_config(dict(scheduler_config))
    alphas, prediction_type = scheduler.alphas_cumprod.to(device, torch.float32), scheduler.config["prediction_type"]
    if prediction_type not in PREDICTION_TYPES:
        raise ValueError(f"The model predicts {prediction_type!r}; known are {' and '.join(PREDICTION_TYPES)}.")
    total = len(alphas)
    if rule.spacing == "leading":
        times = [index * (total // num_steps) + rule.steps_offset for index in reversed(range(num_steps))]
    else:
        times = [round(total - index * total / num_steps) - 1 for index in range(num_steps)]
    if len(set(times)) != num_steps or times[0] >= total or times[-1] < 0:
        raise ValueError(f"{num_steps} steps with offset {rule.steps_offset} do not fit {total} timesteps.")
    final = alphas[0] if rule.final_alpha == "first" else torch.ones_like(alphas[0])
    return DdimGrid(times=tuple(times), alphas=alphas, final_alpha=final, prediction_type=prediction_type)


def invert(predict: Predict, clean_BCHW: Tensor, grid: DdimGrid) -> list[Tensor]:
    """Return the latents of the inversion: N + 1 of [B, C, H, W], from the clean ones (index 0) to the noisiest."""
    latents = [clean_BCHW]
    for time in reversed(grid.times):
        latents.append(grid.up(latents[-1], predict(latents[-1], time), time))
    return latents


def generate(predict: Predict, noisy_BCHW: Tensor, grid: DdimGrid) -> Tensor:
    """Return the clean latents of DDIM sampling: [B, C, H, W]."""
    latents = noisy_BCHW
    for time in grid.times:
        latents = grid.down(latents, predict(latents, time), time)
    return latents
