"""Features of edits, inputs and ground truths -> the distance of each edit from its own ground truth.

Cosine distance d(x, y) = 1 - x.y / (|x| |y|) of one feature network, 0 to 2. *Nearer to the truth than the input is*:
d(edit, truth) < d(input, truth); a copy of the input scores 0 %, the ground truth 100 %. It measures the right
direction, not the exact result. Unlike the paper, which has only distances between sets: these do not compare an edit
with its own truth.
"""

import numpy as np
from numpy.typing import NDArray

from evaluation.metrics.features import finite

Features = NDArray[np.float64]
SMALLEST_GAIN = 1e-6
"""A smaller gain is rounding: features of one picture differ by this much between batches."""


def paired_distance(first: Features, second: Features) -> Features:
    """Return the cosine distance of row i of [n, d] and row i of [n, d]: [n]; 1 where a row is zero."""
    if first.shape != second.shape or first.ndim != 2:
        raise ValueError(f"Paired features of shapes {first.shape} and {second.shape}: every row needs its partner.")
    first, second = finite(first), finite(second)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    cosine = np.divide((first * second).sum(axis=1), lengths, out=np.zeros(len(first)), where=lengths > 0)
    return np.clip(1 - cosine, 0, 2)


def nearer_to_truth(edit_truth: Features, input_truth: Features) -> Features:
    """Return 1.0 where the edit is nearer to the truth than the input is, else 0.0: [n] from two distances [n].

    NaN where input and truth have the same features, since nothing can be nearer, and where a distance is NaN.
    """
    nearer = (edit_truth < input_truth - SMALLEST_GAIN).astype(np.float64)
    return np.where((input_truth > SMALLEST_GAIN) & np.isfinite(edit_truth), nearer, np.nan)
