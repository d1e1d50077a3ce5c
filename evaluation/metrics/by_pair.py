"""FID and KID of paired sets -> one value per pair: their mean is the metric, their spread gives its standard error.

With these values a set metric is averaged, clustered by video and compared between editors like any other measure.
KID: 2 x mean_j h(z_i, z_j) - KID, the projection of a U-statistic (Hoeffding 1948, doi:10.1214/aoms/1177730196).
FID: its derivative by the weight of pair i (the delta method): with centred features X, Y over sqrt(n - 1) and
X Y^T = U S V^T, the trace of the root is the sum of S and moves by (U S U^T + V S V^T)_ii / 2 a weight.
Unlike the bootstrap: one decomposition instead of a hundred, and no bias from pairs drawn twice.
"""

import numpy as np

from evaluation.metrics.fid import Features, moments
from evaluation.metrics.kid import paired_kernel


def kid_by_pair(first: Features, second: Features) -> Features:
    """Return [n] values whose mean is the paired KID of two sets [n, d]."""
    table = paired_kernel(first, second)
    by_row = table.sum(axis=1) / (len(table) - 1)
    return np.asarray(2 * by_row - by_row.mean())


def fid_by_pair(first: Features, second: Features) -> Features:
    """Return [n] values whose mean is the FID of two sets [n, d] with rows that belong together."""
    if first.shape != second.shape:
        raise ValueError(f"Paired sets of shapes {first.shape} and {second.shape}: every picture needs its partner.")
    num_pairs, one, other = len(first), moments(first), moments(second)
    left, values, right = np.linalg.svd(one.centred @ other.centred.T)
    distance = np.sum((one.mean - other.mean) ** 2) + np.sum(one.centred**2) + np.sum(other.centred**2)
    value = float(distance - 2 * values.sum())  # as `fid`, of the decomposition that the derivative needs
    if value < 1e-9:
        return np.zeros(num_pairs)
    roots = (left**2) @ values + (right.T**2) @ values
    shift = (first - one.mean - second + other.mean) @ (one.mean - other.mean)
    gradient = 2 * shift / num_pairs + (one.centred**2).sum(axis=1) + (other.centred**2).sum(axis=1) - roots
    return np.asarray(value + num_pairs * (gradient - gradient.mean()))
