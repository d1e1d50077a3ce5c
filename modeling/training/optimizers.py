"""AdamW with moments in fp32, or in 8 bits by bitsandbytes, and its moments in and out of checkpoints.

All moments are allocated when the optimiser is made. So a lack of memory shows before the first step, and the update of
the weights allocates nothing.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from modeling.config import TrainConfig

_MOMENTS = ("exp_avg", "exp_avg_sq", "state1", "state2", "absmax1", "absmax2")
"""The state per weight in a checkpoint: torch's moments, or bitsandbytes' moments with the scales of their blocks."""


class AdamW:
    """AdamW over named weights."""

    def __init__(self, weights: Mapping[str, Tensor], config: TrainConfig):
        """Allocate the moments; ValueError where 8 bits are asked for and bitsandbytes is not installed."""
        self._weights = weights
        self._in_8_bits = config.adam_bits == 8
        options: dict[str, Any] = {
            "lr": config.learning_rate,
            "betas": (config.adam_beta1, config.adam_beta2),
            "weight_decay": config.weight_decay,
        }
        self.inner: Any = _adamw_8bit(list(weights.values()), options) if self._in_8_bits else None
        if self.inner is None:
            self.inner = torch.optim.AdamW(list(weights.values()), fused=True, **options)
        self._set_step(0)

    def _set_step(self, step: int) -> None:
        """Reset the state of every weight: moments 0, step count `step`."""
        self.inner.state.clear()
        (group,) = self.inner.param_groups
        for place, weight in enumerate(self._weights.values()):
            if self._in_8_bits:
                self.inner.init_state(group, weight, 0, place)
                self.inner.state[weight]["step"] = step
            else:
                moments = {name: torch.zeros_like(weight.detach()) for name in ("exp_avg", "exp_avg_sq")}
                count = torch.tensor(float(step), device=weight.device)
                self.inner.state[weight] = {"step": count, **moments}

    def step(self, learning_rate: float) -> None:
        """Update the weights by their gradients."""
        (group,) = self.inner.param_groups
        group["lr"] = learning_rate
        self.inner.step()

    def tensors(self) -> dict[str, Tensor]:
        """Return all moments, as KIND/NAME of the weight."""
        return {
            f"{kind}/{name}": self.inner.state[weight][kind]
            for name, weight in self._weights.items()
            for kind in _MOMENTS
            if kind in self.inner.state[weight]
        }

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor], num_steps: int) -> None:
        """Load the moments that `tensors` returned after `num_steps` steps; after 0 steps none are needed."""
        self._set_step(num_steps)
        if num_steps:
            for name, own in self.tensors().items():
                own.copy_(tensors[name])


def _adamw_8bit(weights: Sequence[Tensor], options: Mapping[str, Any]) -> Any:
    try:
        from bitsandbytes.optim import AdamW8bit
    except ImportError as error:
        raise ValueError(
            "adam_bits is 8, which needs bitsandbytes: pip install -e '.[8bit]', or set adam_bits to 32."
        ) from error
    return AdamW8bit(weights, **options)


def learning_rate(config: TrainConfig, step: int) -> float:
    """Return the learning rate of step `step` (from 0): linear warm-up, then constant or a cosine to 0 at the end."""
    if step < config.num_warmup_steps:
        return config.learning_rate * (step + 1) / config.num_warmup_steps
    if config.lr_schedule == "constant":
        return config.learning_rate
    done = (step - config.num_warmup_steps) / max(1, config.num_steps - config.num_warmup_steps)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
