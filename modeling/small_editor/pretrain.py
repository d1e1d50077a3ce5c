"""Latent pairs + sentences -> a starting editor: L_static on all parameters, the text model included.

    L_static = mean (v_theta(x_t, t, source, text) - v)^2,   v = sqrt(ab_t) eps - sqrt(1 - ab_t) x_0

(arXiv:2202.00512 for v; arXiv:2305.08891 for zero terminal SNR). Everything random in a step is a function of (seed,
step), and a checkpoint holds all that a step depends on, so that a killed run goes on bit for bit.

Shape suffixes: B batch, C latent channels, H W latent rows and columns, L tokens, N examples, T timesteps.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPTextModel

from modeling.atomic import atomic_folder, write_json

CHANGED = 0.05
"""A position of the latents has changed when one of its components (unit variance) differs by more than this."""


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """One training run of a starting editor."""

    num_steps: int = 20_000
    """Optimiser steps."""
    batch_size: int = 16
    """Examples a step."""
    learning_rate: float = 1e-3
    """AdamW's highest learning rate; after a linear warm-up it falls to 0 along a cosine."""
    num_warmup_steps: int = 200
    """Steps of linear warm-up."""
    adam_betas: tuple[float, float] = (0.9, 0.99)
    """AdamW's decays; weight decay is 0."""
    max_grad_norm: float = 1.0
    """The gradient's norm is clipped to this."""
    ema_decay: float = 0.999
    """Upper bound of the average's decay min(ema_decay, (1 + n) / (10 + n))."""
    stop_after: int | None = None
    """Number of steps to do, where the schedule of `num_steps` is not run to its end."""
    high_noise_share: float = 1.0
    """Share of the timesteps t that are drawn with density proportional to t (a sentence matters most at high noise);
    the others are uniform.
    """
    change_weight: float = 5.0
    """Weight of the error where the picture changes, against 1 elsewhere; falls to 1 over the last half of the run.

    A sentence changes about one tenth of a picture; without weights the rest dominates the loss (DECISIONS.md has the
    numbers).
    """
    conditioning_dropout: float = 0.05
    """p: text alone, both, and picture alone are dropped with probability p each, as InstructPix2Pix."""
    seed: int = 0
    """Decides batch order, noise, timesteps and dropout."""
    checkpoint_every: int = 1000
    """Steps between checkpoints."""


@dataclass(frozen=True, kw_only=True)
class LatentPairs:
    """Training examples as the U-Net sees them."""

    source_NCHW: Tensor
    """Latents of the pictures before, float16."""
    target_NCHW: Tensor
    """Latents of the pictures after, float16."""
    tokens_NL: Tensor
    """Token ids of the sentences, padded, int64."""
    null_tokens_L: Tensor
    """Token ids of the empty sentence."""


class Learner(nn.Module):
    """The two networks that are trained together."""

    def __init__(self, unet: UNet2DConditionModel, text_model: CLIPTextModel) -> None:
        super().__init__()
        self.unet = unet
        self.text_model = text_model

    def forward(self, noisy_BCHW: Tensor, t_B: Tensor, source_BCHW: Tensor, tokens_BL: Tensor) -> Tensor:
        """Predict v: float [B, C, H, W]."""
        states_BLD = self.text_model(tokens_BL).last_hidden_state
        prediction: Tensor = self.unet(torch.cat([noisy_BCHW, source_BCHW], dim=1), t_B, states_BLD).sample
        return prediction


def learning_rate_at(step: int, config: PretrainConfig) -> float:
    """Return the learning rate of a step: linear warm-up, then a cosine to 0."""
    if step < config.num_warmup_steps:
        return config.learning_rate * (step + 1) / config.num_warmup_steps
    progress = (step - config.num_warmup_steps) / max(config.num_steps - config.num_warmup_steps, 1)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def change_weight_at(step: int, config: PretrainConfig) -> float:
    """Return the weight of changed positions at a step: constant over the first half, then linear down to 1."""
    remaining = min(2 * (1 - step / config.num_steps), 1.0)
    return 1 + (config.change_weight - 1) * remaining


def static_loss(
    learner: Learner, pairs: LatentPairs, schedule: DDIMScheduler, config: PretrainConfig, step: int
) -> Tensor:
    """Return L_static of the batch of a step: its examples, noise and dropout follow from (seed, step) alone."""
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
    chosen_B = torch.randint(len(pairs.tokens_NL), (config.batch_size,), generator=generator)
    target_BCHW, source_BCHW = pairs.target_NCHW[chosen_B].float(), pairs.source_NCHW[chosen_B].float()
    noise_BCHW = torch.randn(target_BCHW.shape, generator=generator)
    place_B = torch.rand(config.batch_size, generator=generator)
    u_B, p = torch.rand(config.batch_size, generator=generator), config.conditioning_dropout
    is_high_B = torch.rand(config.batch_size, generator=generator) < config.high_noise_share
    t_B = (torch.where(is_high_B, place_B.sqrt(), place_B) * schedule.config["num_train_timesteps"]).long()
    tokens_BL = torch.where((u_B < 2 * p)[:, None], pairs.null_tokens_L, pairs.tokens_NL[chosen_B])
    source_BCHW = torch.where(((u_B >= p) & (u_B < 3 * p))[:, None, None, None], 0.0, source_BCHW)
    noisy_BCHW = schedule.add_noise(target_BCHW, noise_BCHW, t_B)
    wanted_BCHW = schedule.get_velocity(target_BCHW, noise_BCHW, t_B)
    changed_BCHW = (target_BCHW - pairs.source_NCHW[chosen_B].float()).abs().amax(dim=1, keepdim=True) > CHANGED
    weight_BCHW = torch.where(changed_BCHW, change_weight_at(step, config), 1.0)
    error_BCHW = (learner(noisy_BCHW, t_B, source_BCHW, tokens_BL) - wanted_BCHW).square()
    return (weight_BCHW * error_BCHW).mean()


class Pretraining:
    """The state of a run: networks, their moving average, the optimiser's moments and the step."""

    def __init__(self, learner: Learner, config: PretrainConfig) -> None:
        self.learner = learner
        self.config = config
        self.average = {name: value.detach().clone() for name, value in learner.named_parameters()}
        self.optimizer = torch.optim.AdamW(
            learner.parameters(), lr=config.learning_rate, betas=config.adam_betas, weight_decay=0.0, fused=True
        )
        self.step = 0
        self.seconds = 0.0

    def advance(self, pairs: LatentPairs, schedule: DDIMScheduler) -> float:
        """Do one optimiser step; return its loss."""
        started_s = time.monotonic()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate_at(self.step, self.config)
        loss = static_loss(self.learner, pairs, schedule, self.config, self.step)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.learner.parameters(), self.config.max_grad_norm)
        self.optimizer.step()
        self.step += 1
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            averages = list(self.average.values())
            values: list[Tensor] = [value.detach() for value in self.learner.parameters()]
            torch._foreach_lerp_(averages, values, 1 - decay)
        self.seconds += time.monotonic() - started_s
        return float(loss.detach())

    def save(self, folder: Path) -> None:
        """Write the whole state of the run atomically, as safetensors and JSON."""
        with atomic_folder(folder, replaces="state.json") as temporary:
            weights = {name: value.detach() for name, value in self.learner.named_parameters()}
            save_file(weights, temporary / "weights.safetensors")
            save_file(self.average, temporary / "average.safetensors")
            moments: dict[str, Tensor] = {}
            for name, parameter in self.learner.named_parameters():
                state = self.optimizer.state[parameter]
                moments |= {f"{name}/{key}": value.detach() for key, value in state.items()}
            save_file(moments, temporary / "moments.safetensors")
            state = {"step": self.step, "seconds": self.seconds, "config": asdict(self.config)}
            write_json(temporary / "state.json", state)

    def load(self, folder: Path) -> None:
        """Load the state that `save` wrote; ValueError when it belongs to a run with another config."""
        state: dict[str, Any] = json.loads((folder / "state.json").read_text())
        if state["config"] != json.loads(json.dumps(asdict(self.config))):
            raise ValueError(f"{folder} belongs to a run with another config; choose another folder or remove it.")
        self.learner.load_state_dict(load_file(folder / "weights.safetensors"), strict=False)
        self.average = load_file(folder / "average.safetensors")
        self.average = {name: self.average[name] for name, _ in self.learner.named_parameters()}
        moments = load_file(folder / "moments.safetensors")
        for name, parameter in self.learner.named_parameters():
            keys = ("step", "exp_avg", "exp_avg_sq")
            self.optimizer.state[parameter] = {key: moments[f"{name}/{key}"] for key in keys}
        self.step, self.seconds = state["step"], state["seconds"]


def pretrain(
    run: Pretraining,
    pairs: LatentPairs,
    schedule: DDIMScheduler,
    folder: Path,
    on_step: Callable[[int, float], None] | None = None,
) -> None:
    """Train to the config's last step, resuming from the checkpoint in `folder` where there is one.

    `on_step` is called with (step, loss) after each step, and once with loss NaN after resuming: it must then repeat
    its work for that step, which may have been lost.
    """
    if (folder / "state.json").exists():
        run.load(folder)
        if on_step is not None:
            on_step(run.step, math.nan)
    run.learner.train()
    last_step = run.config.stop_after or run.config.num_steps
    while run.step < last_step:
        loss = run.advance(pairs, schedule)
        if run.step % run.config.checkpoint_every == 0 or run.step == last_step:
            run.save(folder)
        if on_step is not None:
            on_step(run.step, loss)


def averaged(run: Pretraining, into: Learner) -> Learner:
    """Copy the run's moving average into another learner of the same sizes, in evaluation mode."""
    into.load_state_dict(run.average, strict=False)
    return into.eval()


@torch.no_grad()
def edit_latents(
    learner: Learner, schedule: DDIMScheduler, source_BCHW: Tensor, tokens_BL: Tensor, null_tokens_L: Tensor,
    *, num_steps: int, text_scale: float, seed: int,
) -> Tensor:  # fmt: skip
    """Sample edited latents by DDIM at image scale 1: v_i + s_c (v_ic - v_i), InstructPix2Pix Eq. 3 with s_i = 1."""
    generator = torch.Generator().manual_seed(seed)
    noisy_BCHW = torch.randn(source_BCHW.shape, generator=generator)
    schedule.set_timesteps(num_steps)
    for t in schedule.timesteps:
        t_B = t.expand(len(source_BCHW))
        prediction = learner(noisy_BCHW, t_B, source_BCHW, tokens_BL)
        if text_scale != 1.0:
            without = learner(noisy_BCHW, t_B, source_BCHW, null_tokens_L.expand_as(tokens_BL))
            prediction = without + text_scale * (prediction - without)
        noisy_BCHW = schedule.step(prediction, t, noisy_BCHW).prev_sample
    return noisy_BCHW
