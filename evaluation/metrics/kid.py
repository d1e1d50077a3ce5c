"""Two sets of features -> KID, unbiased: for sets drawn independently, and for pairs that belong together.

MMD^2 with the kernel k(x, y) = (x.y / d + 1)^3      Binkowski et al. 2018, arXiv:1801.01401, section 3.
Independent sets: mean of k(x_i, x_j) and of k(y_i, y_j) over i != j, minus twice the mean of k(x_i, y_j) over all i, j,
as torch-fidelity and clean-fid compute it with one subset of everything.
Paired sets: edit i and truth i show one scene, so the terms i = j leave the cross sum too. That is the U-statistic
of h(z_i, z_j) = k(x_i, x_j) + k(y_i, y_j) - k(x_i, y_j) - k(x_j, y_i), Gretton et al. 2012 (JMLR 13), Eq. 5.
Unlike the references: no random subsets. The textbook form goes negative on paired sets and moves with n.
"""

import numpy as np
from numpy.typing import NDArray

from evaluation.metrics.features import finite

Features = NDArray[np.float64]


def kernel(first: Features, second: Features) -> Features:
    """Return k of every row of [n, d] with every row of [m, d]: [n, m]."""
    num_features = first.shape[1]
    return np.asarray((finite(first) @ finite(second).T / num_features + 1) ** 3)


def _mean_without_diagonal(table: Features) -> float:
    num_rows = len(table)
    return float((table.sum() - np.trace(table)) / (num_rows * (num_rows - 1)))


def kid(first: Features, second: Features) -> float:
    """Return the KID of two independent sets [n, d] and [m, d]."""
    _check(first, second)
    cross = float(kernel(first, second).mean())
    within = _mean_without_diagonal(kernel(first, first)) + _mean_without_diagonal(kernel(second, second))
    return within - 2 * cross


def paired_kernel(first: Features, second: Features) -> Features:
    """Return h(z_i, z_j) of pairs z = (x, y): symmetric [n, n] with a diagonal that means nothing, set to 0."""
    _check(first, second)
    if first.shape != second.shape:
        raise ValueError(f"Paired sets of shapes {first.shape} and {second.shape}: every picture needs its partner.")
    cross = kernel(first, second)
    table = kernel(first, first) + kernel(second, second) - cross - cross.T
    np.fill_diagonal(table, 0)
    return table


def paired_kid(first: Features, second: Features) -> float:
    """Return the KID of two sets [n, d] whose rows belong together, without the terms i = j."""
    return _mean_without_diagonal(paired_kernel(first, second))


def _check(first: Features, second: Features) -> None:
    if first.ndim != 2 or second.ndim != 2 or min(len(first), len(second)) < 2 or first.shape[1] != second.shape[1]:
        raise ValueError(f"KID needs two sets [n, d] with n >= 2 and equal d; these are {first.shape}, {second.shape}.")
