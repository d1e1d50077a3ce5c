"""The noise schedule of a U-Net: clean latent + noise + timestep -> noisy latent and the training target."""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import DDPMScheduler
from torch import Tensor, nn

PREDICTION_TYPES = ("epsilon", "v_prediction")


class NoiseSchedule:
    """x_t = sqrt(ab_t) x_0 + sqrt(1 - ab_t) eps, with ab_t from a scheduler's config."""

    def __init__(self, scheduler_config: Mapping[str, Any], device: torch.device):
        scheduler = DDPMScheduler.from_config(dict(scheduler_config))
        self.prediction_type = str(scheduler.config["prediction_type"])
        if self.prediction_type not in PREDICTION_TYPES:
            raise ValueError(
                f"The start predicts {self.prediction_type!r}; training knows {' and '.join(PREDICTION_TYPES)}."
            )
        self.num_timesteps = len(scheduler.alphas_cumprod)
        self._alphas = scheduler.alphas_cumprod.to(device, torch.float32)

    def _factors(self, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        alphas = self._alphas[timesteps][:, None, None, None]
        return alphas.sqrt(), (1 - alphas).sqrt()

    def add_noise(self, clean_BCHW: Tensor, noise_BCHW: Tensor, timesteps: Tensor) -> Tensor:
        """Return x_t [B, C, H, W]; timesteps: int64 [B]."""
        signal, spread = self._factors(timesteps)
        return signal * clean_BCHW + spread * noise_BCHW

    def target(self, clean_BCHW: Tensor, noise_BCHW: Tensor, timesteps: Tensor) -> Tensor:
        """Return the training target: eps, or v = sqrt(ab_t) eps - sqrt(1 - ab_t) x_0 (arXiv:2202.00512)."""
        if self.prediction_type == "epsilon":
            return noise_BCHW
        signal, spread = self._factors(timesteps)
        return signal * noise_BCHW - spread * clean_BCHW


def predict(unet: nn.Module, noisy_BCHW: Tensor, condition_BCHW: Tensor, timesteps: Tensor, text_BLD: Tensor) -> Tensor:
    """Return the prediction [B, C, H, W] of a UNet2DConditionModel, which may be wrapped.

    The first half of the input channels is the noisy latent, the second the picture's, in this order. `timesteps` is
    [B] or one for all; fractional ones are allowed.
    """
    sample = torch.cat([noisy_BCHW, condition_BCHW], dim=1)
    prediction: Tensor = unet(sample, timesteps, encoder_hidden_states=text_BLD, return_dict=False)[0]
    return prediction
