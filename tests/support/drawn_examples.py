"""Examples of drawn noise, for tests."""

from dataclasses import replace

import numpy as np

from modeling.data.example import Example
from modeling.data.images import encode_png


def example(segment_id="P01_102-000034", seed=0, encoder=encode_png, **changes):
    """Return an example of two 8x8 pictures of noise drawn from `seed`, with `changes` to its other fields."""
    source, edited = np.random.default_rng(seed).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    plain = Example(
        segment_id=segment_id,
        split="train",
        video_id="P01_102",
        start_s=1.25,
        stop_s=2.5,
        instruction="take out the plate",
        verb="take out",
        object="plate",
        start_point="",
        end_point="",
        overlaps=False,
        source_file=encoder(source),
        edited_file=encoder(edited),
    )
    return replace(plain, **changes)
