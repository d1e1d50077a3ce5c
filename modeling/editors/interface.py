"""The interface of every system that edits pictures: `edit(pictures, instructions, seeds, config) -> pictures`.

The fine-tuned editor, InstructPix2Pix, any diffusers pipeline and the five text-to-image methods
are all used through it, so that stages, timing and scores need not know which one they have. No torch is imported here.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from modeling.data.images import Picture

OnProgress = Callable[[int, int], None]
"""Called with (number of pictures done, number of all pictures)."""


class NotFinite(ValueError):
    """An edit has NaN or infinite values, so it gives no picture."""


class EditingSystem(Protocol):
    """One system that edits pictures. `config` is of the system's own config class and has at least `size_px`."""

    @property
    def is_deterministic(self) -> bool:
        """True where the seed changes nothing: then one edit stands for all seeds."""

    def edit(
        self,
        images: Sequence[Picture] | Picture,
        instructions: Sequence[str],
        seeds: Sequence[int],
        config: Any,
        *,
        batch_size: int | None = None,
        on_progress: OnProgress | None = None,
    ) -> Picture:
        """Edit uint8 RGB pictures [H, W, 3] of any sizes, each by its instruction: uint8 [N, size_px, size_px, 3].

        A picture depends on its own instruction and seed alone, never on its neighbours in a batch. ValueError when an
        edit cannot be made; `NotFinite` when the network's numbers are no picture.
        """


def check_lengths(images: Sequence[Picture] | Picture, instructions: Sequence[str], seeds: Sequence[int]) -> None:
    """Refuse lists of unequal length."""
    if not len(images) == len(instructions) == len(seeds):
        raise ValueError(
            f"{len(images)} pictures, {len(instructions)} instructions and {len(seeds)} seeds: give one of each."
        )


def no_pictures(size_px: int) -> Picture:
    """Return an empty stack of square pictures."""
    return np.zeros((0, size_px, size_px, 3), dtype=np.uint8)
