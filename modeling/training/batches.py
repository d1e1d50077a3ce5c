"""The draws of a step -> the inputs of the network: noisy latents, conditions, c and c', in micro-batches.

Shape suffixes: b samples of a micro-batch, B of the global batch, C latent channels, H W latent rows and columns,
L tokens, D text width.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from modeling.config import TrainConfig
from modeling.diffusion.schedule import NoiseSchedule
from modeling.editors.instruct_pix2pix import Editor
from modeling.objective.negatives import Negatives, NegativeSampler
from modeling.training.draws import StepDraws, draw_examples, draw_step, may_flip
from modeling.training.latents import LatentSource


@dataclass(frozen=True, kw_only=True)
class GlobalBatch:
    """One step of the whole batch, without the pictures."""

    step: int
    """Number of the step, from 0."""
    draws: StepDraws
    """The random choices of the step."""
    negatives: Negatives
    """c' of each example."""
    has_contrast: NDArray[np.bool_]
    """[B] the samples that count in L_action: those that kept their text and have a c', at the steps and timesteps
    where L_action counts.
    """


@dataclass(frozen=True, kw_only=True)
class MicroBatch:
    """The inputs of one forward pass, on the device."""

    noisy: Tensor
    """x_t [b, C, H, W]."""
    goal: Tensor
    """The training target [b, C, H, W]."""
    condition: Tensor
    """The source picture's latent, or zeros [b, C, H, W]."""
    timesteps: Tensor
    """int64 [b]."""
    text: Tensor
    """c, or the empty text [b, L, D]."""
    other_text: Tensor | None
    """c' [b or b', L, D]; None where L_action does not count."""
    has_contrast: Tensor
    """bool [b]: as in GlobalBatch."""
    contrasted: Tensor | None = None
    """int64 [b']: the rows that `other_text` is for; None: all of them."""


class Batches:
    """Makes the batches of a run."""

    def __init__(
        self,
        editor: Editor,
        config: TrainConfig,
        latents: LatentSource,
        texts: Tensor,
        sampler: NegativeSampler,
        *,
        micro_batch: int,
        rows: slice | None = None,
    ):
        """Take the data. texts: [num unique instructions + 1, L, D], as in `sampler.unique`, then the empty text.

        rows: those of the global batch that this process computes (default: all).
        """
        self.micro_batch = micro_batch
        self._rows = rows or slice(0, config.batch_size)
        self._config = config
        self._device = editor.device
        self._schedule = NoiseSchedule(editor.scheduler.config, self._device)
        self._latent_shape = editor.latent_shape(config.size_px)
        self._latents = latents
        self._texts = texts
        self._sampler = sampler
        self._flippable = np.array([may_flip(text) for text in sampler.unique])[sampler.number_of_example]

    def draw(self, step: int) -> GlobalBatch:
        """Return the global batch of step `step`."""
        draws = draw_step(
            self._config,
            step,
            flippable=self._flippable,
            latent_shape=self._latent_shape,
            num_timesteps=self._schedule.num_timesteps,
        )
        negatives = self._sampler.draw(draws.examples, seed=self._config.seed, step=step)
        objective = self._config.objective
        has_contrast = (negatives.instructions >= 0) & ~draws.text_dropped
        if not objective.contrasts_everywhere:
            share = draws.timesteps.numpy() / self._schedule.num_timesteps
            has_contrast &= (share >= objective.action_from) & (share < objective.action_to)
        if not objective.contrasts_at(step):
            has_contrast[:] = False
        return GlobalBatch(step=step, draws=draws, negatives=negatives, has_contrast=has_contrast)

    def epochs_after(self, step: int) -> float:
        """Return the number of epochs after step `step`: 1.5 is the middle of the second epoch."""
        return (step + 1) * self._config.batch_size / len(self._flippable)

    @property
    def num_parts(self) -> int:
        """Number of micro-batches of this process per step."""
        return -(-(self._rows.stop - self._rows.start) // self.micro_batch)

    def parts(self, batch: GlobalBatch) -> Iterator[MicroBatch]:
        """Cut this process's rows of the global batch into micro-batches on the device."""
        draws = batch.draws
        examples, flips = draw_examples(self._config, batch.step + 1, self._flippable)
        self._latents.expect(examples[self._rows], flips[self._rows])
        no_text = len(self._texts) - 1
        own = np.where(draws.text_dropped, no_text, self._sampler.number_of_example[draws.examples])
        for first in range(self._rows.start, self._rows.stop, self.micro_batch):
            rows = slice(first, min(first + self.micro_batch, self._rows.stop))
            latents = self._latents.take(draws.examples[rows], draws.flips[rows])
            noise, timesteps = self._place(draws.noise[rows]), self._place(draws.timesteps[rows])
            clean = latents.target
            if latents.spread is not None:
                clean = clean + latents.spread * self._place(draws.encoder_noise[rows])
            kept = self._place(torch.from_numpy(~draws.image_dropped[rows]))
            other_text, contrasted = self._contrasts(batch, rows)
            yield MicroBatch(
                noisy=self._schedule.add_noise(clean, noise, timesteps),
                goal=self._schedule.target(clean, noise, timesteps),
                condition=latents.condition * kept[:, None, None, None],
                timesteps=timesteps,
                text=self._text(own[rows]),
                other_text=other_text,
                has_contrast=self._place(torch.from_numpy(batch.has_contrast[rows])),
                contrasted=contrasted,
            )

    def _contrasts(self, batch: GlobalBatch, rows: slice) -> tuple[Tensor | None, Tensor | None]:
        """Return c' of the rows that count in L_action, and the indices of these rows (None: all rows)."""
        objective = self._config.objective
        if not objective.contrasts_at(batch.step):
            return None, None
        others = batch.negatives.instructions[rows]
        if objective.contrasts_everywhere:
            return self._text(np.where(others < 0, len(self._texts) - 1, others)), None
        wanted = np.flatnonzero(batch.has_contrast[rows])
        if not len(wanted):
            return None, None
        return self._text(others[wanted]), self._place(torch.from_numpy(wanted))

    def _place(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._device, non_blocking=True)

    def _text(self, numbers: NDArray[np.int64]) -> Tensor:
        return self._place(self._texts[torch.from_numpy(numbers).to(self._texts.device)])
