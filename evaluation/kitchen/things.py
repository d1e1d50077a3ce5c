"""Kind and colour of a thing -> its drawing, in a cell of 64 x 64 units with the thing standing on the line y = 46.

Everything is drawn four times too large and reduced once, so that edges are smooth at any picture size.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

CELL_PX = 64
"""Width and height of one cell of the kitchen in a full-size picture."""
OVERSAMPLING = 4
"""A cell is drawn this many times larger than it is shown."""
KINDS = ("apple", "cup", "bottle", "bowl")
"""The kinds of things; their outlines differ."""
COLOURS = {"red": (212, 50, 44), "green": (58, 158, 70), "blue": (50, 102, 206), "yellow": (243, 196, 44)}
"""Names and RGB values of the colours of things."""

Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]


class Pen:
    """Draws in cell units (0 to 64) on an oversampled canvas."""

    def __init__(self, canvas: Image.Image) -> None:
        self._draw = ImageDraw.Draw(canvas)

    def _scaled(self, points: tuple[float, ...]) -> list[float]:
        return [value * OVERSAMPLING for value in points]

    def box(self, box: Box, fill: Colour, *, radius: float = 0, outline: Colour | None = None) -> None:
        """Fill a rectangle (left, top, right, bottom) with round corners."""
        width = OVERSAMPLING if outline else 0
        left, top, right, bottom = self._scaled(box)
        corners = (left, top, right - 1, bottom - 1)
        self._draw.rounded_rectangle(corners, radius * OVERSAMPLING, fill=fill, outline=outline, width=width)

    def oval(self, box: Box, fill: Colour) -> None:
        """Fill the ellipse inside a rectangle (left, top, right, bottom)."""
        self._draw.ellipse(self._scaled(box), fill=fill)

    def shape(self, points: tuple[float, ...], fill: Colour) -> None:
        """Fill a polygon given as x, y, x, y, ..."""
        self._draw.polygon(self._scaled(points), fill=fill)

    def line(self, points: tuple[float, ...], fill: Colour, width: float) -> None:
        """Draw a line through points given as x, y, x, y, ..."""
        self._draw.line(self._scaled(points), fill=fill, width=round(width * OVERSAMPLING), joint="curve")

    def arc(self, box: Box, angles: tuple[float, float], fill: Colour, width: float) -> None:
        """Draw a part of an ellipse's edge, from the first angle (degrees, clockwise from east) to the second."""
        scaled = self._scaled(box)
        self._draw.arc(scaled, angles[0], angles[1], fill=fill, width=round(width * OVERSAMPLING))


def shade(colour: Colour, factor: float) -> Colour:
    """Return the colour darker (factor below 1) or nearer to white (factor 1 to 2)."""
    if factor <= 1:
        red, green, blue = (round(channel * factor) for channel in colour)
    else:
        red, green, blue = (round(channel + (255 - channel) * (factor - 1)) for channel in colour)
    return red, green, blue


def _apple(pen: Pen, colour: Colour) -> None:
    pen.oval((18, 21, 37, 46), colour)
    pen.oval((27, 21, 46, 46), colour)
    pen.oval((21, 25, 43, 46.5), colour)
    pen.line((32, 25, 33, 16), (96, 62, 34), 2.4)
    pen.shape((33, 20, 38, 13.5, 45, 15, 40, 20), (84, 140, 52))
    pen.oval((22, 26, 28, 34), shade(colour, 1.55))


def _cup(pen: Pen, colour: Colour) -> None:
    pen.arc((34, 26, 49, 41), (-90, 90), shade(colour, 0.8), 4)
    pen.box((18, 22, 41, 46), colour, radius=4)
    pen.box((18, 22, 41, 30), colour)
    pen.oval((18, 18.5, 41, 25.5), shade(colour, 1.45))
    pen.oval((20.5, 20, 38.5, 24.5), shade(colour, 0.55))
    pen.box((21, 29, 24.5, 41), shade(colour, 1.45), radius=1.5)


def _bottle(pen: Pen, colour: Colour) -> None:
    pen.shape((29, 14, 35, 14, 35, 20, 40, 27, 24, 27, 29, 20), colour)
    pen.box((24, 25, 40, 46), colour, radius=3)
    pen.box((28.5, 9, 35.5, 14.5), (72, 66, 62), radius=1)
    pen.box((24, 31, 40, 40), (247, 243, 232))
    pen.box((26, 27, 28.5, 44), shade(colour, 1.5), radius=1)
    pen.box((28, 34, 37, 36.5), shade(colour, 0.8))


def _bowl(pen: Pen, colour: Colour) -> None:
    pen.shape((15, 33, 49, 33, 46, 40, 40, 45, 24, 45, 18, 40), colour)
    pen.box((25, 43, 39, 46), shade(colour, 0.7), radius=1)
    pen.oval((14.5, 28, 49.5, 37), shade(colour, 1.35))
    pen.oval((17.5, 29.5, 46.5, 35.5), shade(colour, 0.5))
    pen.line((19, 38.5, 23, 42.5), shade(colour, 1.5), 1.6)


_DRAW_KIND = {"apple": _apple, "cup": _cup, "bottle": _bottle, "bowl": _bowl}


def reduced(canvas: Image.Image) -> Image.Image:
    """Reduce an oversampled canvas to its shown size."""
    return canvas.resize((canvas.width // OVERSAMPLING, canvas.height // OVERSAMPLING), Image.Resampling.BOX)


def sprite_canvas() -> Image.Image:
    """Return an empty, transparent, oversampled cell."""
    return Image.new("RGBA", (CELL_PX * OVERSAMPLING,) * 2, (0, 0, 0, 0))


@cache
def thing_sprite(kind: str, colour: str) -> NDArray[np.float32]:
    """Draw one thing alone: float32 [64, 64, 4], colour premultiplied by alpha, alpha last and in [0, 1]."""
    canvas = sprite_canvas()
    _DRAW_KIND[kind](Pen(canvas), COLOURS[colour])
    return premultiplied(canvas)


@cache
def hand_sprite() -> NDArray[np.float32]:
    """Draw the cook's hand, float32 [64, 64, 4] premultiplied; its fingertips meet a thing's upper right."""
    canvas = sprite_canvas()
    pen = Pen(canvas)
    pen.line((44, 34, 64, 64), (92, 112, 168), 13)
    pen.oval((33, 23, 51, 43), (232, 184, 150))
    pen.line((36, 28, 29, 25), (232, 184, 150), 5.5)
    pen.line((36, 38, 30, 38), (222, 170, 136), 5.5)
    return premultiplied(canvas)


def premultiplied(canvas: Image.Image) -> NDArray[np.float32]:
    """Reduce an oversampled RGBA canvas to a float32 [64, 64, 4] sprite whose colour is premultiplied by alpha."""
    rgba = np.asarray(canvas, dtype=np.float32)
    alpha = rgba[..., 3:] / 255.0
    layered = np.concatenate([rgba[..., :3] * alpha, alpha], axis=-1)
    size = (CELL_PX, OVERSAMPLING, CELL_PX, OVERSAMPLING, 4)
    return np.ascontiguousarray(layered.reshape(size).mean(axis=(1, 3), dtype=np.float32))
