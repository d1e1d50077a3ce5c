"""Every random choice of one training step, as a pure function of (seed, step).

So a killed run resumes bit for bit, and the global batch does not depend on the number of processes or micro-batches.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from modeling.config import TrainConfig
from modeling.data.loader import batch_indices

_SIDED = re.compile(r"\b(left|right|clockwise|anti-?clockwise|counter-?clockwise)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class StepDraws:
    """The random choices of one step, for the whole global batch of B examples."""

    examples: NDArray[np.int64]
    """[B] examples."""
    flips: NDArray[np.bool_]
    """[B] whether both pictures are mirrored."""
    text_dropped: NDArray[np.bool_]
    """[B] whether the instruction is replaced by the empty text."""
    image_dropped: NDArray[np.bool_]
    """[B] whether the picture's latent is replaced by zeros."""
    timesteps: Tensor
    """int64 [B]."""
    noise: Tensor
    """eps: fp32 [B, C, H, W]."""
    encoder_noise: Tensor
    """Noise that samples the autoencoder's posterior of the edited picture: fp32 [B, C, H, W]."""


def dropped(u: NDArray[np.float64], p: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which texts and which pictures are dropped, by one uniform number per sample.

    Text where u < 2p, picture where p <= u < 3p: text alone, both, and picture alone with probability p each
    (InstructPix2Pix, arXiv:2211.09800, section 3.2.1, and its code).
    """
    return u < 2 * p, (u >= p) & (u < 3 * p)


def may_flip(instruction: str) -> bool:
    """Tell whether a mirrored pair still fits its instruction: not when it says left, right or clockwise."""
    return _SIDED.search(instruction) is None


def draw_step(
    config: TrainConfig, step: int, *, flippable: NDArray[np.bool_], latent_shape: Sequence[int], num_timesteps: int
) -> StepDraws:
    """Return the draws of step `step` (from 0).

    flippable: bool [num_examples], from `may_flip`; latent_shape: (C, H, W). The same numbers are drawn whatever the
    objective, so that runs which differ in the objective alone see the same batches and noise.
    """
    examples, flips = draw_examples(config, step, flippable)
    u = _rng(config.seed, step, 0).random(config.batch_size)
    text_dropped, image_dropped = dropped(u, config.conditioning_dropout)
    timesteps = _rng(config.seed, step, 2).integers(num_timesteps, size=config.batch_size)
    shape = (config.batch_size, *latent_shape)
    return StepDraws(
        examples=examples,
        flips=flips,
        text_dropped=text_dropped,
        image_dropped=image_dropped,
        timesteps=torch.from_numpy(timesteps),
        noise=torch.from_numpy(_rng(config.seed, step, 3).standard_normal(shape, dtype=np.float32)),
        encoder_noise=torch.from_numpy(_rng(config.seed, step, 4).standard_normal(shape, dtype=np.float32)),
    )


def draw_examples(
    config: TrainConfig, step: int, flippable: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return only `examples` and `flips` of step `step`, so that the pictures can be read ahead."""
    examples = batch_indices(len(flippable), config.batch_size, config.seed, step)
    flips = _rng(config.seed, step, 1).random(config.batch_size) < config.flip_probability
    return examples, flips & flippable[examples]


def _rng(seed: int, step: int, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, step, stream])))
