"""Shown pairs -> one PNG as in the paper's Figures 2, 3, 5, 6, 7 and 9: a row per pair, a column per picture.

The instruction stands above each row, with its object, starting point and end point coloured where they are known.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from evaluation.pages.page import ShownPair
from modeling.data.images import Picture
from modeling.lettering import letter

CELL_PX = (96, 192)
"""Least and greatest side of a picture; smaller ones are enlarged pixel by pixel, larger ones reduced."""
GAP_PX = 6
LINE_PX = 20
"""Height of a line of text."""
LETTERS_PX = 13
INK = {"": "#1f1f1c", "object": "#b3392b", "start": "#19703c", "end": "#1f5fbf"}
"""Colour of each role in an instruction."""


def edit_grid(pairs: Sequence[ShownPair]) -> Picture:
    """Draw the grid: uint8 [H, W, 3]. A missing picture leaves an empty place."""
    columns = list(dict.fromkeys(shown.name for pair in pairs for shown in pair.pictures))
    largest = max(max(shown.picture.shape[:2]) for pair in pairs for shown in pair.pictures)
    cell = min(max(largest, CELL_PX[0]), CELL_PX[1])
    row_px = LINE_PX + cell + GAP_PX
    sheet = Image.new("RGB", (GAP_PX + len(columns) * (cell + GAP_PX), LINE_PX + len(pairs) * row_px), "white")
    draw = ImageDraw.Draw(sheet)
    for place, name in enumerate(columns):
        at = (GAP_PX + place * (cell + GAP_PX), 2)
        letter(draw, at, [(name, INK[""])], size_px=LETTERS_PX, room_px=cell, instead=f"column {place + 1}")
    for number, pair in enumerate(pairs):
        top = LINE_PX + number * row_px
        pieces = [(piece.text, INK[piece.role]) for piece in pair.pieces]
        told = f"row {number + 1}: no font here for its signs"
        room_px = sheet.width - 2 * GAP_PX
        letter(draw, (GAP_PX, top + 2), pieces, size_px=LETTERS_PX, room_px=room_px, instead=told)
        for shown in pair.pictures:
            x = GAP_PX + columns.index(shown.name) * (cell + GAP_PX)
            sheet.paste(_in_cell(shown.picture, cell), (x, top + LINE_PX))
    return np.asarray(sheet)


def _in_cell(picture: Picture, cell: int) -> Image.Image:
    height, width = picture.shape[:2]
    scale = cell / max(height, width)
    resample = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return Image.fromarray(picture).resize(size, resample)
