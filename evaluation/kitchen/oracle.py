"""Picture -> reading: which thing is in which place, which doors are open, what is switched on. Inverse of drawing.

Each of the nine cells is compared with every picture that it can show; the nearest one is the reading. A cell that is
nearly as far from the nearest as from the second nearest (a half-faded thing, say) is read as unclear.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evaluation.kitchen.furniture import APPLIANCES, DOORS
from evaluation.kitchen.things import COLOURS, KINDS
from evaluation.kitchen.world import NUM_VIEWS, VIEW_COLUMNS, Picture, cell_tile, view_places

READ_CELL_PX = 16
"""Side of a cell in the reduced picture that is compared."""
CLEAR_RATIO = 0.75
"""A cell is clear when its distance to the nearest drawing is at most this part of the distance to the second."""

Identity = tuple[str, str]
CellState = tuple[bool, Identity | None]
"""(is the place open or on, kind and colour of the thing there)"""


@dataclass(frozen=True, kw_only=True)
class SceneReading:
    """What the oracle sees in a picture."""

    view: int
    """View offset in columns."""
    states: dict[str, CellState]
    """State of each place: whether it is open or on, and the thing there (None: empty)."""
    unclear: frozenset[str]
    """Places whose state is the nearest one but not clearly so."""

    def places_of(self, identity: Identity) -> list[str]:
        """Return where a kind and colour is seen."""
        return [place for place, (_, seen) in self.states.items() if seen == identity]


def reduced_picture(picture: Picture) -> NDArray[np.float32]:
    """Resize a picture of any size to float32 [48, 48, 3] in 0 to 255."""
    side = VIEW_COLUMNS * READ_CELL_PX
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS), dtype=np.float32)


@cache
def cell_states(place: str) -> tuple[CellState, ...]:
    """List all that a place can show: closed containers are empty."""
    things: list[Identity | None] = [None, *((kind, colour) for kind in KINDS for colour in COLOURS)]
    if place in DOORS:
        return ((False, None), *((True, thing) for thing in things))
    actives = (False, True) if place in APPLIANCES else (False,)
    return tuple((active, thing) for active in actives for thing in things)


@cache
def templates(place: str) -> NDArray[np.float32]:
    """Draw all that a place can show, reduced: float32 [num states, 16 * 16 * 3], in the order of `cell_states`."""
    tiles = []
    for active, thing in cell_states(place):
        tile = Image.fromarray(cell_tile(place, active, thing))
        small = tile.resize((READ_CELL_PX, READ_CELL_PX), Image.Resampling.LANCZOS)
        tiles.append(np.asarray(small, dtype=np.float32).ravel())
    return np.stack(tiles)


def read(picture: Picture, views: tuple[int, ...] = tuple(range(NUM_VIEWS))) -> SceneReading:
    """Read a picture uint8 [H, W, 3] of any size; of the given view offsets the best fitting one is taken."""
    small = reduced_picture(picture)
    readings = [_read_view(small, view) for view in views]
    return min(readings, key=lambda pair: pair[0])[1]


def _read_view(small: NDArray[np.float32], view: int) -> tuple[float, SceneReading]:
    """Return the total distance and the reading under one view offset."""
    states, unclear, total = {}, set(), 0.0
    for index, place in enumerate(view_places(view)):
        row, column = divmod(index, VIEW_COLUMNS)
        top, left = row * READ_CELL_PX, column * READ_CELL_PX
        cell = small[top : top + READ_CELL_PX, left : left + READ_CELL_PX].ravel()
        distances = np.linalg.norm(templates(place) - cell, axis=1)
        nearest, second = np.argsort(distances)[:2]
        states[place] = cell_states(place)[nearest]
        if distances[nearest] > CLEAR_RATIO * distances[second]:
            unclear.add(place)
        total += float(distances[nearest] ** 2)
    return total, SceneReading(view=view, states=states, unclear=frozenset(unclear))
