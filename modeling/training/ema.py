"""The exponential moving average of the trained weights; the finished editor uses it."""

from collections.abc import Sequence

import torch
from torch import Tensor


class MovingAverage:
    """Average with decay min(max_decay, (1 + n) / (10 + n)) at the n-th update, as InstructPix2Pix's code has it.

    One update per optimiser step. The rising decay forgets the start early: after 10 000 steps the start's weight is
    4e-30, and the mean age of the averaged weights is 1 000 steps.
    """

    def __init__(self, weights: Sequence[Tensor], max_decay: float, home: torch.device | None = None):
        """Begin at the weights. home: device where the average lies; None: beside the weights."""
        self.average = [weight.detach().to(home or weight.device, copy=True) for weight in weights]
        """Same shapes and order as `weights`."""
        self.num_updates = 0
        self._weights = [weight.detach() for weight in weights]
        self._max_decay = max_decay

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the current weights."""
        self.num_updates += 1
        decay = min(self._max_decay, (1 + self.num_updates) / (10 + self.num_updates))
        if all(average.device == weight.device for average, weight in zip(self.average, self._weights, strict=True)):
            torch._foreach_lerp_(self.average, self._weights, 1 - decay)
            return
        # One weight at a time goes to the device and back: the same arithmetic, and so the same numbers.
        for average, weight in zip(self.average, self._weights, strict=True):
            moved = average.to(weight.device)
            torch._foreach_lerp_([moved], [weight], 1 - decay)
            average.copy_(moved)
