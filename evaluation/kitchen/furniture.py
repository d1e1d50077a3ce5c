"""Place and its state -> the drawing of that cell without a thing in it.

Every place leaves the middle of its cell, above the line y = 46, free for one thing. Places with a door (cupboard,
fridge, drawer) show their inside only when open; the stove burns and the sink runs when switched on.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evaluation.kitchen.things import CELL_PX, OVERSAMPLING, Pen, reduced, shade

GRID = (
    ("cupboard", "shelf", "fridge", "rack"),
    ("stove", "table", "sink", "counter"),
    ("drawer", "basket", "stool", "bin"),
)
"""Names of the places, by row and column; the fixed camera sees the first three columns."""
DOORS = ("cupboard", "fridge", "drawer")
"""Places with a door: a thing can be put in or taken out while it is open; a closed one is empty."""
APPLIANCES = ("stove", "sink")
"""Places that can be switched on and off."""

WALL = (240, 233, 219)
WOOD = (186, 132, 78)
DARK_WOOD = (138, 92, 54)
STEEL = (190, 200, 208)
DARK = (70, 72, 78)
WATER = (92, 176, 232)


def _cupboard(pen: Pen, is_open: bool) -> None:
    pen.box((6, 3, 58, 61), DARK_WOOD, radius=2)
    if is_open:
        pen.box((13, 7, 51, 46), (226, 206, 172))
        pen.box((13, 46, 51, 49.5), shade(DARK_WOOD, 0.8))
        pen.box((13, 49.5, 51, 57), (206, 182, 146))
        pen.shape((13, 7, 3, 1.5, 3, 62.5, 13, 57), shade(WOOD, 1.15))
        pen.shape((51, 7, 61, 1.5, 61, 62.5, 51, 57), shade(WOOD, 1.15))
        return
    for left, knob in ((8, 26.5), (32.5, 34.5)):
        pen.box((left, 5, left + 23.5, 59), WOOD, radius=1)
        pen.box((left + 4.5, 10, left + 19, 54), shade(WOOD, 0.87), radius=1)
        pen.box((left + 6, 11.5, left + 17.5, 52.5), shade(WOOD, 1.12), radius=1)
        pen.oval((knob, 29, knob + 4, 33), (245, 220, 150))


def _fridge(pen: Pen, is_open: bool) -> None:
    pen.box((8, 2, 56, 62), shade(STEEL, 0.72), radius=4)
    if is_open:
        pen.box((11, 5, 50, 59), (236, 247, 252), radius=2)
        pen.box((11, 46, 50, 48.5), (150, 182, 200))
        pen.box((13, 52, 48, 58), (196, 222, 234), radius=1)
        pen.shape((50, 4, 61, 0.5, 61, 63.5, 50, 60), shade(STEEL, 1.3))
        pen.shape((52, 40, 59.5, 38.5, 59.5, 41, 52, 42.5), shade(STEEL, 0.8))
        return
    pen.box((10, 4, 54, 22), (214, 224, 231), radius=3)
    pen.box((10, 24, 54, 60), (214, 224, 231), radius=3)
    pen.box((46, 10, 49.5, 20), DARK, radius=1.5)
    pen.box((46, 27, 49.5, 44), DARK, radius=1.5)


def _drawer(pen: Pen, is_open: bool) -> None:
    body = (104, 146, 142)
    if is_open:
        pen.box((6, 6, 58, 62), shade(body, 0.75), radius=2)
        pen.shape((12, 9, 52, 9, 58, 47, 6, 47), (222, 214, 198))
        pen.box((3, 46, 61, 62), shade(body, 1.12), radius=2)
        pen.box((24, 51.5, 40, 55.5), (236, 226, 196), radius=1.5)
        return
    pen.box((6, 6, 58, 62), shade(body, 0.75), radius=2)
    for top in (9, 36):
        pen.box((9, top, 55, top + 23), body, radius=1.5)
        pen.box((12, top + 3, 52, top + 20), shade(body, 1.14), radius=1)
        pen.box((24, top + 9.5, 40, top + 13.5), (236, 226, 196), radius=1.5)


def _stove(pen: Pen, is_on: bool) -> None:
    pen.box((3, 49, 61, 64), (96, 98, 106), radius=1.5)
    pen.box((1, 46, 63, 50), DARK, radius=1)
    pen.box((20, 53, 44, 62), (255, 150, 40) if is_on else (52, 54, 60), radius=1.5)
    for left in (7, 50):
        pen.oval((left, 53.5, left + 7, 60.5), (232, 70, 50) if is_on else (160, 164, 172))
    if is_on:
        for x in (4, 9.5, 49, 54.5):
            pen.shape((x, 46, x + 0.5, 39, x + 2.75, 32, x + 5, 39, x + 5.5, 46), (250, 122, 30))
            pen.shape((x + 1.4, 46, x + 2.75, 38.5, x + 4.1, 46), (255, 216, 92))


def _sink(pen: Pen, is_on: bool) -> None:
    pen.box((2, 46, 62, 64), (148, 158, 168), radius=1.5)
    pen.box((0, 46, 64, 49.5), shade(STEEL, 1.25), radius=1)
    pen.box((7, 51, 57, 62), WATER if is_on else (100, 110, 122), radius=3)
    pen.line((4.5, 46, 4.5, 22), shade(STEEL, 0.75), 3.4)
    pen.arc((3, 15, 14, 29), (180, 350), shade(STEEL, 0.75), 3.4)
    if is_on:
        pen.box((9.8, 23, 14.2, 46), WATER, radius=1.5)
        pen.box((11, 24, 12.3, 45), (214, 240, 252))
        pen.box((9.8, 46, 14.2, 52), WATER)


def _shelf(pen: Pen, _: bool) -> None:
    pen.shape((12, 50, 20, 50, 12, 60), DARK_WOOD)
    pen.shape((44, 50, 52, 50, 52, 60), DARK_WOOD)
    pen.box((2, 46, 62, 51), WOOD, radius=1)


def _table(pen: Pen, _: bool) -> None:
    for left in (8, 50):
        pen.box((left, 50, left + 6, 64), shade(DARK_WOOD, 1.2))
    pen.box((2, 46, 62, 53), (226, 236, 240))
    pen.box((2, 53, 62, 56), (204, 92, 92))


def _basket(pen: Pen, _: bool) -> None:
    straw = (214, 170, 96)
    pen.shape((5, 46, 59, 46, 53, 63, 11, 63), straw)
    for y in (50.5, 55, 59.5):
        pen.line((6, y, 58, y), shade(straw, 0.72), 1.3)
    for x in (16, 24, 32, 40, 48):
        pen.line((x, 47, x + (32 - x) * 0.2, 63), shade(straw, 0.72), 1.3)
    pen.box((3, 45.5, 61, 49), shade(straw, 0.82), radius=1.5)


def _stool(pen: Pen, _: bool) -> None:
    for x0, x1 in ((20, 13), (44, 51)):
        pen.line((x0, 50, x1, 64), shade(WOOD, 0.85), 3.6)
    pen.box((17, 56.5, 47, 59), shade(WOOD, 0.85))
    pen.box((11, 46, 53, 51.5), (150, 98, 160), radius=2.5)


def _rack(pen: Pen, _: bool) -> None:
    for x in (8, 53):
        pen.box((x, 20, x + 3, 62), shade(STEEL, 0.7), radius=1)
    for y in (46, 52, 58):
        pen.box((5, y, 59, y + 2.5), shade(STEEL, 0.85), radius=1)


def _counter(pen: Pen, _: bool) -> None:
    pen.box((3, 49, 61, 64), (236, 240, 236))
    pen.box((31, 50, 33, 64), (176, 186, 180))
    pen.box((0, 46, 64, 50.5), (84, 104, 92), radius=1)


def _bin(pen: Pen, _: bool) -> None:
    pen.shape((9, 48, 55, 48, 51, 64, 13, 64), (112, 124, 136))
    for x in (20, 32, 44):
        pen.line((x, 50, x + (32 - x) * 0.12, 63), (92, 102, 114), 2)
    pen.box((6, 46, 58, 50), (82, 92, 104), radius=1.5)


_DRAW_PLACE = {
    "cupboard": _cupboard, "fridge": _fridge, "drawer": _drawer, "stove": _stove, "sink": _sink, "shelf": _shelf,
    "table": _table, "basket": _basket, "stool": _stool, "rack": _rack, "counter": _counter, "bin": _bin,
}  # fmt: skip


@cache
def place_tile(place: str, is_active: bool) -> NDArray[np.uint8]:
    """Draw a place without a thing: uint8 [64, 64, 3]. `is_active`: its door is open, or it is switched on."""
    canvas = Image.new("RGB", (CELL_PX * OVERSAMPLING,) * 2, WALL)
    _DRAW_PLACE[place](Pen(canvas), is_active)
    return np.asarray(reduced(canvas))
