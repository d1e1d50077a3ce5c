"""The losses of a run so far -> whether the next one is a spike; the step of a spike is skipped."""

import math
from collections import deque
from collections.abc import Sequence

NUM_RECENT = 100
"""Number of last accepted steps that a loss is compared with."""
MIN_RECENT = 20
"""With fewer accepted steps no loss counts as a spike."""


class SpikeDetector:
    """Knows the losses of the last accepted steps.

    A loss is compared with their *largest*, not with their mean: which timesteps a small batch draws spreads its loss
    tenfold, and dropping the unlucky batches of a healthy run would bias it towards the easy timesteps.
    """

    def __init__(self, ratio: float | None):
        """ratio: a loss above this factor times the largest recent loss is a spike; None: never."""
        self.recent: deque[float] = deque(maxlen=NUM_RECENT)
        """Losses of the last accepted steps, oldest first."""
        self._ratio = ratio

    @property
    def limit(self) -> float:
        """The loss above which a step is a spike."""
        if self._ratio is None or len(self.recent) < MIN_RECENT:
            return math.inf
        return self._ratio * max(self.recent)

    def restore(self, recent: Sequence[float]) -> None:
        """Set the recent losses that a checkpoint holds."""
        self.recent = deque(recent, maxlen=NUM_RECENT)
