"""Pictures -> a clip of eight frames for the action classifier. No torch: the processes that cut clips do without it.

Frames of films and pictures of pairs are squashed by the same resize, LANCZOS: with two different ones the classifier
could distinguish films from edits by their sharpness.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from modeling.data.images import Picture, squash

Clip = NDArray[np.uint8]
"""uint8 RGB [8, H, W, 3]."""

NUM_FRAMES = 8
"""Frames of a clip; the published checkpoints take no other number."""


def pair_clip(input_picture: Picture, edited_picture: Picture, size_px: int) -> Clip:
    """Return the clip of an edit: the input four times, then the edited picture four times."""
    halves = [squash(picture, size_px) for picture in (input_picture, edited_picture)]
    return np.stack([halves[0]] * (NUM_FRAMES // 2) + [halves[1]] * (NUM_FRAMES // 2))


def frame_positions(choices: Sequence[float]) -> list[float]:
    """Return the positions of the eight frames in a segment (0 first frame, 1 last): one in each eighth.

    `choices`: eight numbers in [0, 1), the place within each eighth; drawn in training, 0.5 in testing, as the
    reference samples Something-Something-V2 (github.com/facebookresearch/TimeSformer, datasets/ssv2.py).
    """
    return [(part + choice) / NUM_FRAMES for part, choice in enumerate(choices)]
