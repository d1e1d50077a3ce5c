"""DDPM Noise Space: the noise maps of a DDPM that draws the source, used with the target text (arXiv:2304.06140).

Every x_t is made from x_0 with fresh noise of its own (Eq. 6; this makes the maps fit for editing). Beginning at the
noisiest step, z_t is the noise that leads from x_t to the next x (Eq. 5). That x is then set to the value that z_t
gives, so rounding errors do not add up. Editing runs the last N - T_skip steps with the same maps and the target text.

    mu = sqrt(a') x0 + sqrt(1 - a' - eta v) eps,   v = (1 - a') / (1 - a) (1 - a / a'),   x' = mu + eta sqrt(v) z
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from modeling.diffusion.inversion import DdimGrid, Predict, make_grid
from modeling.editors.settings import NoiseSpaceConfig
from modeling.editors.text_to_image import Texts, TextToImageEditor, guided, noise_for, predict


@dataclass(frozen=True, kw_only=True)
class NoiseMaps:
    """The latents and noise maps of a source picture; index 0 is the clean end."""

    noisy: list[Tensor]
    """N + 1 latents [B, C, H, W], after the correction."""
    maps: list[Tensor]
    """N noise maps; maps[i] leads from index i + 1 to i."""


def mean_and_spread(
    grid: DdimGrid, latents_BCHW: Tensor, output_BCHW: Tensor, time: int, eta: float
) -> tuple[Tensor, Tensor]:
    """Return mu [B, C, H, W] and the factor of the noise map, a number that may be 0."""
    alpha, below = grid.alpha(time), grid.alpha_below(time)
    clean, noise = grid.split(latents_BCHW, output_BCHW, alpha)
    variance = (1 - below) / (1 - alpha) * (1 - alpha / below)
    mean = below.sqrt() * clean + (1 - below - eta * variance).clamp_min(0).sqrt() * noise
    return mean, eta * variance.clamp_min(0).sqrt()


def guided_by(unet: UNet2DConditionModel, empty_BLD: Tensor, text_BLD: Tensor, scale: float, precision: str) -> Predict:
    """Return the prediction function for a text with guidance against the empty text."""

    def predicted(latents: Tensor, time: int) -> Tensor:
        text = torch.cat([empty_BLD, text_BLD])
        none, full = predict(unet, torch.cat([latents] * 2), time, text, precision).chunk(2)  # type: ignore[arg-type]
        return guided(none, full, scale)

    return predicted


@torch.no_grad()
def extract_maps(
    unet: UNet2DConditionModel, grid: DdimGrid, source_BCHW: Tensor, texts: Texts, noise: Sequence[Tensor],
    config: NoiseSpaceConfig,
) -> NoiseMaps:  # fmt: skip
    """Return the noise maps. `noise`: N of [B, C, H, W], one for each time in ASCENDING order."""
    if texts.has_source:
        predicted = guided_by(unet, texts.empties(), texts.source, config.source_guidance, config.precision)
    else:

        def predicted(latents: Tensor, time: int) -> Tensor:
            return predict(unet, latents, time, texts.empties(), config.precision)

    ascending = list(reversed(grid.times))
    alphas = [grid.alpha(time) for time in ascending]
    noisy = [source_BCHW]
    noisy += [a.sqrt() * source_BCHW + (1 - a).sqrt() * alpha for a, alpha in zip(alphas, noise, strict=True)]
    maps = [torch.zeros_like(source_BCHW) for _ in ascending]
    for index in reversed(range(len(ascending))):
        time = ascending[index]
        mean, spread = mean_and_spread(grid, noisy[index + 1], predicted(noisy[index + 1], time), time, config.eta)
        if spread > 0:  # at offset 0 the last step has no variance, and no noise map
            maps[index] = (noisy[index] - mean) / spread
        noisy[index] = mean + spread * maps[index]
    if config.zero_last_noise:
        maps[0] = torch.zeros_like(maps[0])
    return NoiseMaps(noisy=noisy, maps=maps)


@torch.no_grad()
def redraw(predicted: Predict, grid: DdimGrid, noise_maps: NoiseMaps, config: NoiseSpaceConfig) -> Tensor:
    """Return the latents drawn from index N - skip with the noise maps: [B, C, H, W]; skip = N gives the source."""
    num_left = len(grid.times) - config.skip
    latents = noise_maps.noisy[num_left]
    for index in reversed(range(num_left)):
        time = grid.times[len(grid.times) - 1 - index]
        mean, spread = mean_and_spread(grid, latents, predicted(latents, time), time, config.eta)
        latents = mean + spread * noise_maps.maps[index]
    return latents


class DdpmNoiseSpace(TextToImageEditor):
    """DDPM Noise Space on a text-to-image model; the seed draws the noise of the forward process."""

    is_deterministic = False

    def check(self, config: NoiseSpaceConfig) -> None:
        """Refuse a grid that does not fit the noise schedule."""
        make_grid(self.model.scheduler.config, config, config.num_steps)

    def edit_latents(self, source_BCHW: Tensor, texts: Texts, seeds: Sequence[int], config: NoiseSpaceConfig) -> Tensor:
        """Return the edited latents."""
        unet, device = self.model.unet, source_BCHW.device
        grid = make_grid(self.model.scheduler.config, config, config.num_steps, device)
        noise = noise_for(seeds, (config.num_steps, *source_BCHW.shape[1:]), device).unbind(1)
        noise_maps = extract_maps(unet, grid, source_BCHW, texts, noise, config)
        predicted = guided_by(unet, texts.empties(), texts.target, config.text_guidance, config.precision)
        return redraw(predicted, grid, noise_maps, config)
