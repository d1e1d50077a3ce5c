"""Made pairs of a still or panning view, with a hand or none -> what `camera_shift` ought to say of them.

A view is cut out of a larger background. A hand comes in over any border, as an ellipse or a box with an arm, with a
texture of its own; it moves, stays at its place in the picture, enters, or looks another way afterwards.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from modeling.data.images import Picture
from tasks.cutting.pixels import SMALL_PX

SIDE = 128
"""Of a view; a background is twice as wide."""
SIZES = {"mid": (0.12, 0.25), "big": (0.25, 0.4), "half": (0.42, 0.6)}
"""Share of the view that a hand takes."""
HANDS = ("none", "mid moves", "big moves", "half moves", "big stays", "half stays", "half enters", "big changes")
CHANGES: dict[str, Callable[[NDArray[np.float64], np.random.Generator], NDArray[np.float64]]] = {
    "plain": lambda after, rng: after,
    "fade": lambda after, rng: after * (0.6 + 0.3 * rng.random()) + 15 * rng.random(),
    "bright": lambda after, rng: after * 1.25 + 10,
    "blur": lambda after, rng: _blurred(after, int(rng.integers(2, 5))),
    "noise": lambda after, rng: after + rng.normal(0, 8, after.shape),
}
"""What the second picture may have in addition."""


@dataclass(frozen=True, kw_only=True)
class View:
    """Two pictures and the truth."""

    kind: str
    """Camera, hand, and what the second picture has in addition."""
    before: Picture
    after: Picture
    shift: tuple[float, float]
    """How far the background moved, down and right, as shares of the side."""

    def px_off(self, shift: tuple[int, int]) -> float:
        """Return by how many of SMALL_PX pixels a shift (down, right) is wrong."""
        down, right = (SMALL_PX * true - told for true, told in zip(self.shift, shift, strict=True))
        return float(np.hypot(down, right))

    @property
    def has_moved(self) -> bool:
        """Whether the camera panned."""
        return self.shift != (0, 0)


def kinds() -> Iterator[tuple[str, str, str]]:
    """Yield the kinds: camera, hand, change, and whether the view also zooms."""
    for camera in ("still", "pan"):
        yield from ((camera, hand, "plain") for hand in HANDS if camera == "pan" or not hand.endswith("stays"))
        yield from ((camera, hand, change) for hand in ("none", "mid moves") for change in (*CHANGES, "zoom", "pale"))


def leaves(rng: np.random.Generator) -> Picture:
    """Draw things of all sizes before each other, as in most photographs."""
    image = Image.new("RGB", (2 * SIDE, 2 * SIDE), (120, 120, 120))
    draw = ImageDraw.Draw(image)
    for number in range(260):
        radius = 4 + 60 * rng.random() ** 3 * (1 - number / 400)
        x, y = rng.random(2) * 2 * SIDE
        colour = tuple(map(int, rng.integers(20, 236, 3)))
        draw.regular_polygon((x, y, radius), int(rng.integers(3, 9)), rotation=int(rng.integers(90)), fill=colour)
    return np.asarray(image)


def clouds(rng: np.random.Generator, power: float = 1.0, contrast: float = 45) -> Picture:
    """Draw detail of all sizes, without edges."""
    steps = np.fft.fftfreq(2 * SIDE)
    frequency = np.hypot(steps[:, None], steps)
    frequency[0, 0] = 1
    levels = np.fft.ifft2(np.fft.fft2(rng.normal(size=(2 * SIDE, 2 * SIDE))) / frequency**power).real
    levels = (levels - levels.mean()) / levels.std() * contrast + 120
    return np.repeat(levels.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def view_of(rng: np.random.Generator, background: Picture, camera: str, hand: str, change: str) -> View:
    """Make a pair of a kind from a background, uint8 [2 SIDE, 2 SIDE, 3]."""
    right, down = _drawn(rng, lambda: rng.integers(-45, 46, 2), 10, 55) if camera == "pan" else (0, 0)
    pale = (lambda levels: levels / 8 + 110) if change == "pale" else (lambda levels: levels)
    first = SIDE // 2
    before = pale(background[first : first + SIDE, first : first + SIDE].astype(float))
    after = pale(_seen(background, first + down, first + right, 1 + 0.06 * rng.uniform(-1, 1) * (change == "zoom")))
    if hand != "none":
        before, after = _with_hand(rng, before, after, hand, (down, right))
    after = CHANGES.get(change, CHANGES["plain"])(after, rng)
    before, after = (levels.clip(0, 255).astype(np.uint8) for levels in (before, after))
    shift = (-down / SIDE, -right / SIDE) if camera == "pan" else (0, 0)
    return View(kind=f"{camera}, {hand}, {change}", before=before, after=after, shift=shift)


def _seen(background: Picture, top: int, left: int, zoom: float) -> NDArray[np.float64]:
    if zoom == 1:
        return background[top : top + SIDE, left : left + SIDE].astype(float)
    middle_x, middle_y, half = left + SIDE / 2, top + SIDE / 2, SIDE / 2 / zoom
    box = (middle_x - half, middle_y - half, middle_x + half, middle_y + half)
    return np.asarray(Image.fromarray(background).resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=box)).astype(float)


def _with_hand(
    rng: np.random.Generator,
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    hand: str,
    panned: tuple[int, int],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    size, how = hand.split()
    low, high = SIZES[size]
    for _ in range(400):
        border, is_round = int(rng.integers(4)), bool(rng.integers(2))
        width, height = map(int, rng.integers(10, 58, 2))
        x, y = int(rng.integers(25, 103)), int(rng.integers(10, 118))
        across, along = (0, 0) if how == "stays" else map(int, rng.integers(-35, 36, 2))
        masks = [
            _mask(border, is_round, x + right, y + down, width, height) for right, down in ((0, 0), (across, along))
        ]
        right, down = ((across, along), (along, -across), (-across, -along), (-along, across))[border]
        # The hand moves in the picture, and not as the background does.
        is_apart = how == "stays" or min(np.hypot(down, right), np.hypot(down + panned[0], right + panned[1])) >= 6
        if low <= masks[0].mean() <= high and low / 2 <= masks[1].mean() <= 0.65 and is_apart:
            break
    texture, other = (_skin(rng) for _ in range(2))
    moved = other if how == "changes" else np.roll(texture, (down, right), (0, 1))
    held = before if how == "enters" else before * (1 - masks[0]) + texture[:SIDE, :SIDE] * masks[0]
    return held, after * (1 - masks[1]) + moved[:SIDE, :SIDE] * masks[1]


def _mask(border: int, is_round: bool, x: int, y: int, width: int, height: int) -> NDArray[np.float64]:
    image = Image.new("L", (SIDE, SIDE))
    draw = ImageDraw.Draw(image)
    box = (x - width, y - height, x + width, y + height)
    draw.ellipse(box, fill=255) if is_round else draw.rounded_rectangle(box, radius=min(width, height) / 2, fill=255)
    arm = [(x - 0.7 * width, y), (x + 0.7 * width, y), (x + 0.9 * width + 5, 300), (x - 0.9 * width - 5, 300)]
    draw.polygon(arm, fill=255)
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(0.8)))[..., None] / 255
    return np.rot90(soft, border)


def _skin(rng: np.random.Generator) -> NDArray[np.float64]:
    colour = np.array([90, 60, 45]) * rng.uniform(0.6, 1.4)
    shades: NDArray[np.float64] = clouds(rng, rng.uniform(1, 1.5)) * np.array([1.1, 0.85, 0.7]) * rng.uniform(0.3, 0.6)
    return (shades + colour).clip(0, 255)


def _blurred(levels: NDArray[np.float64], radius: int) -> NDArray[np.float64]:
    image = Image.fromarray(levels.clip(0, 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.BoxBlur((radius, 0)))).astype(float)


def _drawn(rng: np.random.Generator, draw: Callable[[], NDArray[np.int64]], low: float, high: float) -> tuple[int, int]:
    while True:
        x, y = map(int, draw())
        if low <= np.hypot(x, y) <= high:
            return x, y
