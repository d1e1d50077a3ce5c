"""One training step and the state that it changes: weights, their average, AdamW's moments.

draws of the step -> latents, noise, texts -> e_c, e_c', drift -> L -> gradients -> weights -> their average
"""

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from modeling.config import TrainConfig
from modeling.diffusion.schedule import predict
from modeling.editors.instruct_pix2pix import Editor
from modeling.objective.freezing import freeze, frozen_copy
from modeling.objective.losses import Errors, objective_shares, squared_error
from modeling.objective.negatives import describe_negatives
from modeling.training.batches import Batches, GlobalBatch, MicroBatch
from modeling.training.diagnostics import contrast_figures, gradient_norms, gradient_ratios
from modeling.training.ema import MovingAverage
from modeling.training.optimizers import AdamW, learning_rate
from modeling.training.precision import computing_in
from modeling.training.ranks import Ranks
from modeling.training.spikes import SpikeDetector

GRADIENT_NORMS_EVERY = 100
"""Number of steps between measurements of each loss's gradient norm (three more backward passes)."""


@dataclass(frozen=True, kw_only=True)
class Gradients:
    """The result of one step; the gradients are in the weights' `.grad`."""

    batch: GlobalBatch
    """The batch that they belong to."""
    figures: dict[str, float]
    """Losses and norms to log."""


class Trainer:
    """The state of a run; `step` moves it on."""

    def __init__(self, editor: Editor, config: TrainConfig, ranks: Ranks | None = None, *, ema_on: str = "device"):
        """Take the start, and the processes that train together; ema_on "cpu" keeps the average in main memory."""
        self.config = config
        self.ranks = ranks or Ranks(device=editor.device)
        self.device = editor.device
        self.unet = editor.unet.train()
        self._dtype = torch.bfloat16 if config.precision == "bf16" else torch.float32
        self._trainable = freeze(self.unet, config.objective.freeze)
        self._weights = list(self._trainable.values())
        self._frozen = frozen_copy(self.unet, self._dtype) if config.objective.lambda_reg else None
        self._network = self.ranks.parallel(self.unet)
        self._average = MovingAverage(
            self._weights, config.ema_decay, None if ema_on == "device" else torch.device(ema_on)
        )
        self._optimizer = AdamW(self._trainable, config)
        self._spikes = SpikeDetector(config.spike_ratio)
        self.num_skipped = 0
        """Steps whose loss or gradient was not finite, or whose loss was a spike; they changed nothing."""
        self.num_skipped_in_a_row = 0
        self.changing = threading.RLock()
        """Lock around every change of weights, average and moments, so that another thread saves a consistent state."""
        self._present: list[Tensor] | None = None  # the weights, while the network holds their average

    def step(self, batches: Batches, step: int) -> dict[str, Any]:
        """Do step `step` (from 0) and return what to log; it depends on config, start and data alone."""
        return self.move(step, self.find_gradients(batches, step))

    def find_gradients(self, batches: Batches, step: int) -> Gradients:
        """Compute the clipped gradients of step `step` into the weights' `.grad`; nothing else changes."""
        batch = batches.draw(step)
        sums = self._accumulate_gradients(batches, batch)
        norm = nn.utils.get_total_norm([weight.grad for weight in self._weights if weight.grad is not None])
        if self.config.max_grad_norm is not None:
            nn.utils.clip_grads_with_norm_(self._weights, self.config.max_grad_norm, norm)
        # One transfer for all figures: every single transfer would wait for the device.
        shares = self.ranks.add_up(torch.stack([*sums.values()]))
        figures = torch.cat([shares, norm[None]]).tolist()
        return Gradients(batch=batch, figures=dict(zip([*sums, "gradient_norm"], figures, strict=True)))

    def move(self, step: int, gradients: Gradients) -> dict[str, Any]:
        """Update weights and average by the gradients of step `step`, unless the step is skipped; return the log's
        entry.
        """
        entry: dict[str, Any] = dict(gradients.figures)
        reason = self._reason_to_skip(entry)
        self._move(step, entry["loss"], skip=reason is not None)
        entry |= {"learning_rate": learning_rate(self.config, step), "skipped": self.num_skipped}
        entry |= gradient_ratios(entry, self.config.objective) | describe_negatives(gradients.batch.negatives)
        return entry if reason is None else entry | {"skip_reason": reason}

    def _reason_to_skip(self, entry: Mapping[str, float]) -> str | None:
        if not (math.isfinite(entry["loss"]) and math.isfinite(entry["gradient_norm"])):
            return "not_finite"
        return "loss_spike" if entry["loss"] > self._spikes.limit else None

    def _accumulate_gradients(self, batches: Batches, batch: GlobalBatch) -> dict[str, Tensor]:
        """Leave the global batch's gradient in the weights and return the sums to log."""
        config, objective = self.config, self.config.objective
        num_contrasts = int(batch.has_contrast.sum())
        in_parts = batches.num_parts > 1 or self.ranks.count > 1
        mean_difference = None
        if objective.contrasts_at(batch.step) and objective.action_reduction == "batch" and in_parts:
            mean_difference = self._mean_difference(batches, batch)
        with_norms = batch.step % GRADIENT_NORMS_EVERY == 0 or batch.step == config.num_steps - 1
        sums: dict[str, Tensor] = {}
        for number, part in enumerate(batches.parts(batch)):
            with self.ranks.together(self._network, is_last=number == batches.num_parts - 1):
                errors = self.errors(part)
                shares = objective_shares(
                    errors,
                    part.has_contrast,
                    objective,
                    batch_size=config.batch_size,
                    num_contrasts=num_contrasts,
                    mean_difference=mean_difference,
                )
                total = shares.total(objective)
                new = {"loss": total, "static": shares.static, "action": shares.action, "reg": shares.reg}
                new = {name: figure.detach() for name, figure in new.items()}
                new |= contrast_figures(errors, part, num_contrasts)
                if with_norms and number == 0:
                    scale = config.batch_size / len(part.noisy) / self.ranks.count
                    new |= gradient_norms(shares, self._weights, scale=scale)
                sums = {name: sums[name] + figure if name in sums else figure for name, figure in new.items()}
                # Processes average their gradients, where shares add up.
                (total * self.ranks.count).backward()
        return sums

    def _move(self, step: int, loss: float, *, skip: bool) -> None:
        """Update weights and average by the gradient; change neither when the step is skipped."""
        if not skip:
            self.num_skipped_in_a_row = 0
            self._spikes.recent.append(loss)
            self._optimizer.step(learning_rate(self.config, step))
            self._average.update()
        else:
            self.num_skipped += 1
            self.num_skipped_in_a_row += 1
        self.forget_gradients()

    def forget_gradients(self) -> None:
        """Drop the gradients that were computed so far."""
        for weight in self._weights:
            weight.grad = None

    def compile(self) -> None:
        """Compile the network and its frozen copy without changing memory layouts.

        Inductor's own choice of layouts gives convolutions wrong gradients, silently (torch 2.13 on a CPU).
        """
        for network in (self.unet, self._frozen):
            if network is not None:
                network.compile(options={"layout_optimization": False})

    def errors(self, batch: MicroBatch, *, alone: bool = False) -> Errors:
        """Return the per-sample errors; c and c' go through the network as one doubled batch.

        alone: only this process computes, without gradients.
        """
        num, rows = len(batch.noisy), batch.contrasted
        inputs = [batch.noisy, batch.condition, batch.timesteps, batch.text]
        if batch.other_text is not None:
            again = [input_ if rows is None else input_[rows] for input_ in inputs[:3]] + [batch.other_text]
            inputs = [torch.cat(pair) for pair in zip(inputs, again, strict=True)]
        with computing_in(self._dtype, self.device):
            predictions = predict(self.unet if alone else self._network, *inputs)
            if self._frozen is not None:
                with torch.no_grad():
                    start = predict(self._frozen, batch.noisy, batch.condition, batch.timesteps, batch.text)
        negative = None
        if batch.other_text is not None:
            goal = batch.goal if rows is None else batch.goal[rows]
            negative = squared_error(predictions[num:], goal)
            if rows is not None:
                negative = negative.new_zeros(num).index_copy(0, rows, negative)
        return Errors(
            static=squared_error(predictions[:num], batch.goal),
            negative=negative,
            drift=None if self._frozen is None else squared_error(predictions[:num], start),
        )

    @torch.no_grad()
    def _mean_difference(self, batches: Batches, batch: GlobalBatch) -> Tensor:
        """Return the global batch's mean of e_c - e_c' in a separate pass: the gradients need the sigmoid's slope
        there.
        """
        total = torch.zeros((), device=self.device)
        for part in batches.parts(batch):
            errors = self.errors(part)
            if errors.negative is None:  # none of this part's rows counts
                continue
            total += (errors.static - errors.negative)[part.has_contrast].sum()
        return self.ranks.add_up(total) / max(1, int(batch.has_contrast.sum()))

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors of the run's state, by name; frozen weights are not among them, they are the start's."""
        named: dict[str, Tensor] = {}
        weights = self._present or self._weights
        for name, weight, average in zip(self._trainable, weights, self._average.average, strict=True):
            named |= {f"weight/{name}": weight.detach(), f"average/{name}": average}
        return named | self._optimizer.tensors()

    def state(self) -> dict[str, Any]:
        """Return all counters and figures of the run's state, as JSON values."""
        return {
            "num_updates": self._average.num_updates,
            "num_skipped": self.num_skipped,
            "num_skipped_in_a_row": self.num_skipped_in_a_row,
            "recent_losses": list(self._spikes.recent),
        }

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Set what `tensors` and `state` gave."""
        self._average.num_updates = state["num_updates"]
        self.num_skipped = state["num_skipped"]
        self.num_skipped_in_a_row = state["num_skipped_in_a_row"]
        self._spikes.restore(state["recent_losses"])
        for name, weight, average in zip(self._trainable, self._weights, self._average.average, strict=True):
            weight.copy_(tensors[f"weight/{name}"])
            average.copy_(tensors[f"average/{name}"])
        self._optimizer.restore(tensors, state["num_updates"])

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Put the averaged weights into the network inside the `with` block; the current ones are kept in main memory
        and restored.
        """
        with self.changing:
            self._present = [weight.detach().to("cpu", copy=True) for weight in self._weights]
            self._copy(self._average.average)
        try:
            yield
        finally:
            with self.changing:
                self._copy(self._present)
                self._present = None

    @torch.no_grad()
    def _copy(self, values: Sequence[Tensor]) -> None:
        for weight, value in zip(self._weights, values, strict=True):
            weight.copy_(value)

    @torch.no_grad()
    def swap_average(self) -> None:
        """Exchange the weights and their average."""
        for weight, average in zip(self._weights, self._average.average, strict=True):
            raw = weight.clone()
            weight.copy_(average)
            average.copy_(raw)
