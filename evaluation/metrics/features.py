"""A set of features [n, d] -> itself in double precision, or an error that says why it has no distances."""

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float64]


def finite(features: Features) -> Features:
    """Return features as float64; ValueError where a row holds NaN or infinity, which would make any distance NaN."""
    exact = np.asarray(features, dtype=np.float64)
    is_broken = ~np.isfinite(exact).all(axis=1)
    if is_broken.any():
        raise ValueError(
            f"Features of {int(is_broken.sum()):,} of {len(exact):,} pictures hold NaN or infinity (the first: row "
            f"{int(is_broken.argmax())}). The weights of the feature network are damaged or do not belong to it: give "
            "another file (scores.fid_weights, scores.paired_weights)."
        )
    return exact
