"""Input, ground truth and edit -> how well the edit keeps the unchanged region, and whether it changed anything.

Changed region: pixels in which input and truth differ by more than 16 of 255 levels in a channel, grown by 3 % of the
side. Outside it the edit is compared with the input: PSNR = 10 log10(255^2 / MSE), at most 60 dB (an exact copy), and
SSIM (Wang et al. 2004, doi:10.1109/TIP.2003.819861: Gaussian window of 11, deviation 1.5, K 0.01 and 0.03, grey),
the mean of its map there. Unlike the usual PSNR and SSIM: not over the whole picture, in which an action must change.
*No change*: inside the region the edit moved by less than a quarter of what the truth moved, in mean levels.
All pictures uint8 RGB [H, W, 3] of one size.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from modeling.data.images import Picture

Mask = NDArray[np.bool_]
CHANGED_LEVELS = 16
GROWN_SHARE = 0.03
MOST_PSNR = 60.0
SMALLEST_SHARE = 0.01
"""With less than this share of the picture outside the region the measures are NaN."""
NO_CHANGE_SHARE = 0.25
WINDOW_DEVIATION, WINDOW_RADIUS = 1.5, 5
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
GREY = np.array([0.299, 0.587, 0.114])


def changed_region(before: Picture, truth: Picture) -> Mask:
    """Return where the action changes the picture: bool [H, W]; ValueError where the pictures differ in size."""
    if before.shape != truth.shape:
        raise ValueError(f"Input and truth have shapes {before.shape} and {truth.shape}: scale one to the other first.")
    differs = np.abs(before.astype(np.int16) - truth.astype(np.int16)).max(axis=2) > CHANGED_LEVELS
    steps = max(1, round(GROWN_SHARE * max(differs.shape)))
    return np.asarray(ndimage.binary_dilation(differs, structure=np.ones((3, 3)), iterations=steps))


def psnr_outside(edit: Picture, before: Picture, region: Mask) -> float:
    """Return the PSNR of edit and input outside the region, in dB; NaN when hardly anything is outside."""
    outside = ~region
    if outside.mean() < SMALLEST_SHARE:
        return float("nan")
    error = float(np.mean((edit[outside].astype(np.float64) - before[outside]) ** 2))
    return MOST_PSNR if error == 0 else min(MOST_PSNR, float(10 * np.log10(255**2 / error)))


def ssim_outside(edit: Picture, before: Picture, region: Mask) -> float:
    """Return the mean SSIM of edit and input outside the region; NaN when hardly anything is outside."""
    outside = ~region
    if outside.mean() < SMALLEST_SHARE:
        return float("nan")
    return float(ssim_map(edit @ GREY, before @ GREY)[outside].mean())


def ssim_map(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return SSIM around every pixel of two grey pictures [H, W] of 0 to 255; borders are mirrored."""

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(ndimage.gaussian_filter(values, WINDOW_DEVIATION, radius=WINDOW_RADIUS, mode="mirror"))

    mean_1, mean_2 = mean(first), mean(second)
    variance_1, variance_2 = mean(first**2) - mean_1**2, mean(second**2) - mean_2**2
    covariance = mean(first * second) - mean_1 * mean_2
    likeness = (2 * mean_1 * mean_2 + C1) * (2 * covariance + C2)
    return np.asarray(likeness / ((mean_1**2 + mean_2**2 + C1) * (variance_1 + variance_2 + C2)))


def is_unchanged(edit: Picture, before: Picture, truth: Picture, region: Mask) -> float:
    """Return 1.0 when the edit changed almost nothing in the changed region, else 0.0; NaN without such a region."""
    if not region.any():
        return float("nan")
    moved = np.abs(edit[region].astype(np.float64) - before[region]).mean()
    wanted = np.abs(truth[region].astype(np.float64) - before[region]).mean()
    return float(moved < NO_CHANGE_SHARE * wanted)
