"""Small grey pictures in which pairs are compared: their size, and what counts as looking the same."""

import numpy as np
from numpy.typing import NDArray

SMALL_PX = 64
"""Side of the grey picture in which pairs are compared."""
MIN_CAMERA_SHIFT = 0.05
"""Least shift, as a share of the picture's side, with which the view counts as moved."""
SAME_LEVELS = 12
"""Levels of 255 by which grey may leave the range of its neighbours in the other picture without having changed."""

Grey = NDArray[np.uint8]


def extremes(grey: NDArray[np.int16]) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Return the least and the greatest of each pixel and its eight neighbours."""
    return _neighbours(grey, np.minimum), _neighbours(grey, np.maximum)


def _neighbours(grey: NDArray[np.int16], choose: np.ufunc) -> NDArray[np.int16]:
    padded = np.pad(grey, 1, mode="edge")
    rows = choose(choose(padded[:-2], padded[1:-1]), padded[2:])
    chosen: NDArray[np.int16] = choose(choose(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
    return chosen
