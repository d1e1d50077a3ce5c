"""Imagic: tune an embedding, then the whole model, to one picture; draw with a mixed embedding (arXiv:2210.09276).

A (section 3.2) The embedding of the target text is optimised so that the model draws the source picture.
B The embedding stays as it is, and the U-Net is optimised for the same aim.
C The picture is drawn with alpha * target + (1 - alpha) * optimised. alpha is the name in the diffusers community
pipeline; the paper's Eq. 4 has eta = 1 - alpha. The U-Net's weights are restored after every picture, also after an
error.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor
from torch.nn import functional

from modeling.diffusion.inversion import DdimGrid, generate, make_grid
from modeling.editors.ddpm_noise_space import guided_by
from modeling.editors.settings import ImagicConfig
from modeling.editors.text_to_image import Texts, TextToImageEditor, predict


@dataclass(frozen=True, kw_only=True)
class Draws:
    """The random numbers of one edit: of the steps of stages A and B, in order, and of sampling."""

    train_noise: Tensor
    """[A + B, C, H, W]."""
    train_times: tuple[int, ...]
    """A + B timesteps."""
    sample_noise: Tensor
    """[1, C, H, W]."""


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """The results of stages A and B, apart from the U-Net's weights."""

    embedding: Tensor
    """The optimised embedding: [1, L, D]."""
    losses: tuple[float, ...]
    """The loss at each step, unscaled."""


def draw(seed: int, shape: Sequence[int], config: ImagicConfig, num_timesteps: int, device: torch.device) -> Draws:
    """Draw everything random of an edit: noise, then timestep, at each step, as the reference does."""
    generator = torch.Generator().manual_seed(int(seed))
    noise, times = [], []
    for _ in range(config.embedding_steps + config.unet_steps):
        noise.append(torch.randn(*shape, generator=generator))
        times.append(int(torch.randint(num_timesteps, (1,), generator=generator)))
    sample_noise = torch.randn(1, *shape, generator=generator).to(device)
    stacked = torch.stack(noise).to(device) if noise else torch.zeros(0, *shape, device=device)
    return Draws(train_noise=stacked, train_times=tuple(times), sample_noise=sample_noise)


def noise_error(
    unet: UNet2DConditionModel, grid: DdimGrid, clean_BCHW: Tensor, text_BLD: Tensor, noise_BCHW: Tensor, time: int
) -> Tensor:
    """Return the mean squared error of the network's output at one noise and time."""
    signal, spread = grid.alpha(time).sqrt(), (1 - grid.alpha(time)).sqrt()
    wanted = noise_BCHW
    if grid.prediction_type == "v_prediction":
        wanted = signal * noise_BCHW - spread * clean_BCHW
    output = predict(unet, signal * clean_BCHW + spread * noise_BCHW, time, text_BLD)
    return functional.mse_loss(output, wanted)


def tune(
    unet: UNet2DConditionModel, grid: DdimGrid, clean_BCHW: Tensor, target_BLD: Tensor, draws: Draws,
    config: ImagicConfig,
) -> Tuned:  # fmt: skip
    """Run stages A and B; the U-Net's weights are changed in place."""
    embedding = target_BLD.clone().requires_grad_(True)
    losses: list[float] = []

    def run(parameters: list[Tensor], rate: float, first: int, last: int) -> None:
        optimizer = torch.optim.Adam(parameters, lr=rate)
        for step in range(first, last):
            optimizer.zero_grad(set_to_none=True)
            noise = draws.train_noise[step : step + 1]
            loss = noise_error(unet, grid, clean_BCHW, embedding, noise, draws.train_times[step])
            (loss * config.loss_scale).backward()
            optimizer.step()
            losses.append(float(loss.detach()))

    number_a, number = config.embedding_steps, config.embedding_steps + config.unet_steps
    with torch.enable_grad():
        unet.requires_grad_(False)
        if number_a:
            run([embedding], config.embedding_rate, 0, number_a)
        embedding = embedding.detach()
        unet.requires_grad_(True)
        if config.unet_steps:
            run(list(unet.parameters()), config.unet_rate, number_a, number)
        unet.requires_grad_(False)
    return Tuned(embedding=embedding.detach(), losses=tuple(losses))


@torch.no_grad()
def draw_edit(
    unet: UNet2DConditionModel, grid: DdimGrid, texts: Texts, tuned: Tuned, noise_BCHW: Tensor, config: ImagicConfig
) -> Tensor:
    """Run stage C: [1, C, H, W]."""
    text = config.alpha * texts.target + (1 - config.alpha) * tuned.embedding
    predicted = guided_by(unet, texts.empties(), text, config.text_guidance, config.precision)
    return generate(predicted, noise_BCHW, grid)


def weights_hash(unet: UNet2DConditionModel) -> str:
    """Return a SHA-256 over the weights."""
    digest = hashlib.sha256()
    for name, value in sorted(unet.state_dict().items()):
        digest.update(name.encode() + value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


@contextmanager
def restored(unet: UNet2DConditionModel) -> Iterator[None]:
    """Restore the weights at the end, even after an error, and check them by their hash."""
    before, kept = weights_hash(unet), {name: value.detach().clone() for name, value in unet.state_dict().items()}
    wants_gradient = [parameter.requires_grad for parameter in unet.parameters()]
    try:
        yield
    finally:
        unet.load_state_dict(kept)
        for parameter, wanted in zip(unet.parameters(), wants_gradient, strict=True):
            parameter.requires_grad_(wanted)
            parameter.grad = None
        assert weights_hash(unet) == before


class Imagic(TextToImageEditor):
    """Imagic on a text-to-image model. One picture takes minutes on a GPU; the seed draws noise and timesteps."""

    is_deterministic = False
    one_by_one = True

    def check(self, config: ImagicConfig) -> None:
        """Refuse a grid that does not fit the noise schedule. Tuning is always in fp32."""
        make_grid(self.model.scheduler.config, config, config.num_steps)

    def edit_latents(self, source_BCHW: Tensor, texts: Texts, seeds: Sequence[int], config: ImagicConfig) -> Tensor:
        """Return the edited latents of one picture."""
        unet, device = self.model.unet, source_BCHW.device
        grid = make_grid(self.model.scheduler.config, config, config.num_steps, device)
        draws = draw(seeds[0], source_BCHW.shape[1:], config, len(grid.alphas), device)
        with restored(unet):
            tuned = tune(unet, grid, source_BCHW, texts.target, draws, config)
            return draw_edit(unet, grid, texts, tuned, draws.sample_noise, config)
