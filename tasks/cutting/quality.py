"""Two pictures of a pair -> measures by which pairs can be filtered later; measured once, when the pictures are cut.

Each is a column of the records of stage `frames`; SplitsConfig holds the thresholds. Lengths are shares of the
picture's side, grey levels shares of white, so they are comparable for all sizes. Only the two pictures are measured: a
cut away and back between them, or a hand that came and went, has no effect.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from modeling.data.images import Picture
from tasks.artifacts.artifact import Record
from tasks.config import QualityLimits
from tasks.cutting.camera import camera_shift
from tasks.cutting.layers import common_area
from tasks.cutting.pixels import SAME_LEVELS, SMALL_PX, Grey, extremes

QUALITY: dict[str, str] = {
    "source_sharpness": "0.25 smooth to 1 and above full of detail: contrast at the finest scale over that at twice it",
    "edited_sharpness": "the same of the edited picture",
    "source_brightness": "mean grey, 0 black to 1 white",
    "edited_brightness": "the same of the edited picture",
    "change": "mean absolute difference in grey, 0 equal to 1 black against white",
    "camera_shift": "how far the background moved, 0 to 0.71 of the side; beyond half a side it wraps around",
    "camera_certainty": "how much worse the opposite (the view stood still, or it moved) explains the pictures, 0 to 1",
    "motion": "share of the area that differs once the camera's shift is undone, 0 to 1",
    "scene_cut": "distance of the colour histograms, 0 the same colours to 1 none in common",
}
"""Columns and their meanings; docs/data.md has more."""
QUALITY_REASONS = (
    "blurred",
    "too_dark",
    "too_bright",
    "no_change",
    "scene_cut",
    "camera_moved",
    "no_motion",
    "too_much_motion",
)
"""Reasons to filter a pair for its quality, in the order of the checks."""
HASHES = ("source_hash", "edited_hash")
"""Columns of the perceptual hashes, 16 hex digits: pictures that look alike differ in few of the 64 bits."""

SAMPLES = 256
"""The measure uses at most about this many rows, and this many pixels of a row."""
_TINY = 1e-3  # levels squared: far below one level, so that a flat picture is smooth and not undefined


@dataclass(frozen=True, kw_only=True)
class Appearance:
    """The measurements of one picture: 4 KB instead of its pixels."""

    grey: Grey
    """uint8 [SMALL_PX, SMALL_PX]."""
    sharpness: float
    brightness: float
    colours: NDArray[np.float32]
    """Shares of 64 coarse colours, float32 [64]."""
    hash: str
    """Difference hash, 16 hex digits."""


def look_at(picture: Picture) -> Appearance:
    """Measure one picture, uint8 RGB [H, W, 3], H and W at least 2. Green stands for grey: it is most of luma."""
    green = picture[..., 1]
    small = _small(np.ascontiguousarray(_sampled(green, SAMPLES // 2, SAMPLES)))
    grey = np.asarray(small)
    return Appearance(
        grey=grey,
        sharpness=sharpness(green),
        brightness=float(grey.mean()) / 255,
        colours=_colours(picture),
        hash=_difference_hash(small),
    )


def _sampled(grey: Grey, num_rows: int, num_columns: int) -> Grey:
    """Return every n-th row and m-th column: about SAMPLES of each, or all when there are fewer than twice as many."""
    height, width = grey.shape[:2]
    return grey[:: max(1, height // num_rows), :: max(1, width // num_columns)]


def _small(grey: Grey) -> Image.Image:
    """Return the means of SMALL_PX x SMALL_PX areas."""
    image = Image.fromarray(grey)
    if image.width % SMALL_PX == image.height % SMALL_PX == 0:
        return image.reduce((image.width // SMALL_PX, image.height // SMALL_PX))
    return image.resize((SMALL_PX, SMALL_PX), Image.Resampling.BOX)


def sharpness(grey: Grey) -> float:
    """Return the share of the contrast at two steps that exists already at one step, in the blurrier direction.

    Mean squared differences of neighbours over those of next neighbours (a structure function's ratio): 1/4 where grey
    runs smoothly, 1 for detail as fine as a step, which is 1/SAMPLES of the side. Contrast and brightness cancel out.
    Motion blurs one direction only, so the smaller of the two counts; each is measured along SAMPLES / 4 lines.
    """
    ratios = []
    for lines in (_sampled(grey, SAMPLES // 4, SAMPLES), _sampled(grey, SAMPLES, SAMPLES // 4).T):
        levels = lines.astype(np.float32, order="C")
        fine, coarse = levels[:, 1:] - levels[:, :-1], levels[:, 2:] - levels[:, :-2]
        means = [float(np.vdot(differences, differences)) / max(1, differences.size) for differences in (fine, coarse)]
        ratios.append((means[0] + _TINY) / (means[1] + 4 * _TINY))
    return min(ratios)


def _colours(picture: Picture) -> NDArray[np.float32]:
    """Return the shares of the 4 x 4 x 4 colours."""
    bins = _sampled(picture, SMALL_PX, SMALL_PX) >> 6
    counts = np.bincount((bins[..., 0] * 16 + bins[..., 1] * 4 + bins[..., 2]).ravel(), minlength=64)
    return (counts / counts.sum()).astype(np.float32)


def _difference_hash(grey: Image.Image) -> str:
    """Return 64 bits, one for each of 8 x 8 areas that is darker than its right neighbour, as hex."""
    areas = np.asarray(grey.resize((9, 8), Image.Resampling.BOX))
    return np.packbits(areas[:, :-1] < areas[:, 1:]).tobytes().hex()


def motion(before: Grey, after: Grey, shift: tuple[int, int]) -> float:
    """Return the share of the common area that looks different once the `shift` (down, right) is undone.

    A pixel looks different when its grey leaves the range of its 3 x 3 neighbours in the other picture by more than
    SAME_LEVELS, so that half a pixel of misalignment at an edge does not count.
    """
    there, here = common_area(shift)
    lowest, highest = extremes(before[there].astype(np.int16))
    looked = after[here].astype(np.int16)
    return float(((looked < lowest - SAME_LEVELS) | (looked > highest + SAME_LEVELS)).mean())


def quality_of(source: Appearance, edited: Appearance) -> Record:
    """Return the columns of a pair: those of QUALITY, rounded to 4 digits, and the two hashes."""
    shift, certainty = camera_shift(source.grey, edited.grey)
    difference = np.abs(source.grey.astype(np.int16) - edited.grey)
    # Hellinger distance; equal histograms may give a little more than 1 in floating point.
    overlap = min(1.0, float(np.sqrt(source.colours * edited.colours).sum()))
    measured = {
        "source_sharpness": source.sharpness,
        "edited_sharpness": edited.sharpness,
        "source_brightness": source.brightness,
        "edited_brightness": edited.brightness,
        "change": float(difference.mean()) / 255,
        "camera_shift": float(np.hypot(*shift)) / SMALL_PX,
        "camera_certainty": certainty,
        "motion": motion(source.grey, edited.grey, shift),
        "scene_cut": float(np.sqrt(1 - overlap)),
    }
    columns: Record = {name: round(value, 4) for name, value in measured.items()}
    return columns | dict(zip(HASHES, (source.hash, edited.hash), strict=True))


def poor_quality(row: Record, limits: QualityLimits) -> str | None:
    """Return the first reason why a pair is outside the limits, or None; `row` has the columns."""
    sharpnesses = [row["source_sharpness"], row["edited_sharpness"]]
    brightnesses = [row["source_brightness"], row["edited_brightness"]]
    is_outside = (
        _is_below(min(sharpnesses), limits.min_sharpness),
        _is_below(min(brightnesses), limits.min_brightness),
        _is_above(max(brightnesses), limits.max_brightness),
        _is_below(row["change"], limits.min_change),
        _is_above(row["scene_cut"], limits.max_scene_cut),
        _is_above(row["camera_shift"], limits.max_camera_shift),
        _is_below(row["motion"], limits.min_motion),
        _is_above(row["motion"], limits.max_motion),
    )
    return next((reason for reason, outside in zip(QUALITY_REASONS, is_outside, strict=True) if outside), None)


def _is_below(value: float, limit: float | None) -> bool:
    return limit is not None and value < limit


def _is_above(value: float, limit: float | None) -> bool:
    return limit is not None and value > limit
