"""Scene -> picture. A scene is which thing stands in which place, which doors are open and what is switched on.

The kitchen is a grid of 3 rows and 4 columns of places, each with room for one thing. A view shows three columns in a
row: the fixed camera always the first three, the head camera also the last three.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.kitchen.furniture import APPLIANCES, DOORS, GRID, place_tile
from evaluation.kitchen.things import CELL_PX, COLOURS, KINDS, thing_sprite

VIEW_COLUMNS = 3
"""Columns of places that one picture shows."""
NUM_VIEWS = len(GRID[0]) - VIEW_COLUMNS + 1
"""Number of view offsets of the head camera."""
PICTURE_PX = VIEW_COLUMNS * CELL_PX
"""Width and height of a full-size picture."""
PLACES = tuple(place for row in GRID for place in row)
"""All places, row by row."""

Picture = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Thing:
    """One movable thing."""

    kind: str
    """Kind of the thing: one of `KINDS`."""
    colour: str
    """Colour of the thing: one of `COLOURS`."""
    place: str
    """Place where the thing stands: one of `PLACES`."""

    @property
    def name(self) -> str:
        """Colour and kind, as sentences call it."""
        return f"{self.colour} {self.kind}"

    @property
    def identity(self) -> tuple[str, str]:
        """Kind and colour, by which a thing is known in its scene."""
        return self.kind, self.colour


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The state of the whole kitchen."""

    things: tuple[Thing, ...]
    """The things, at most one in a place, no two alike in both kind and colour; none behind a closed door."""
    open_doors: frozenset[str] = frozenset()
    """The places of `DOORS` that are open."""
    switched_on: frozenset[str] = frozenset()
    """The places of `APPLIANCES` that are on."""

    def __post_init__(self) -> None:
        places = [thing.place for thing in self.things]
        if len(set(places)) != len(places) or len({thing.identity for thing in self.things}) != len(places):
            raise ValueError(f"two things in one place, or two alike: {self.things}")
        hidden = [place for place in places if place in DOORS and place not in self.open_doors]
        unknown = self.open_doors - set(DOORS) | self.switched_on - set(APPLIANCES) | set(places) - set(PLACES)
        if hidden or unknown:
            raise ValueError(f"things behind closed doors {hidden}, or unknown places {sorted(unknown)}")

    def at(self, place: str) -> Thing | None:
        """Return the thing in a place."""
        return next((thing for thing in self.things if thing.place == place), None)

    def is_active(self, place: str) -> bool:
        """Tell whether a place's door is open, or whether it is switched on."""
        return place in self.open_doors or place in self.switched_on

    def with_thing(self, old: Thing | None, new: Thing | None) -> "Scene":
        """Return the scene with one thing replaced (`old` None: added; `new` None: removed)."""
        kept = [thing for thing in self.things if thing != old]
        return replace(self, things=tuple(kept if new is None else [*kept, new]))

    def toggled(self, place: str) -> "Scene":
        """Return the scene with a door or an appliance in its other state."""
        if place in DOORS:
            return replace(self, open_doors=self.open_doors ^ {place})
        return replace(self, switched_on=self.switched_on ^ {place})

    def to_record(self) -> dict[str, Any]:
        """Return the scene as JSON data."""
        things = sorted((asdict(thing) for thing in self.things), key=lambda thing: thing["place"])
        return {"things": things, "open_doors": sorted(self.open_doors), "switched_on": sorted(self.switched_on)}

    @staticmethod
    def from_record(record: dict[str, Any]) -> "Scene":
        """Rebuild a scene from the data of `to_record`."""
        return Scene(
            things=tuple(Thing(**thing) for thing in record["things"]),
            open_doors=frozenset(record["open_doors"]),
            switched_on=frozenset(record["switched_on"]),
        )


def view_places(view: int) -> tuple[str, ...]:
    """Return the nine places seen from a view offset (in columns), row by row."""
    return tuple(place for row in GRID for place in row[view : view + VIEW_COLUMNS])


def column_of(place: str) -> int:
    """Return the column of the kitchen in which a place is."""
    return next(row.index(place) for row in GRID if place in row)


def cell_corner(place: str) -> tuple[int, int]:
    """Return x and y in pixels of a place's upper left corner, counted from the kitchen's left edge."""
    row = next(index for index, names in enumerate(GRID) if place in names)
    return column_of(place) * CELL_PX, row * CELL_PX


def blend_sprite(canvas: Picture, sprite: NDArray[np.float32], left: int, top: int) -> None:
    """Lay a premultiplied sprite [h, w, 4] over the canvas [H, W, 3] in place, cut off at the edges."""
    height, width = canvas.shape[:2]
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + sprite.shape[1], width), min(top + sprite.shape[0], height)
    if x0 >= x1 or y0 >= y1:
        return
    part = sprite[y0 - top : y1 - top, x0 - left : x1 - left]
    under = canvas[y0:y1, x0:x1]
    canvas[y0:y1, x0:x1] = np.rint(under * (1 - part[..., 3:]) + part[..., :3]).astype(np.uint8)


@cache
def cell_tile(place: str, is_active: bool, identity: tuple[str, str] | None) -> Picture:
    """Draw one cell with its thing (kind, colour), or without: uint8 [64, 64, 3]. Do not write into it."""
    tile = place_tile(place, is_active).copy()
    if identity is not None:
        blend_sprite(tile, thing_sprite(*identity), 0, 0)
    tile.setflags(write=False)
    return tile


def draw_kitchen(scene: Scene, hidden: Iterable[str] = ()) -> Picture:
    """Draw the whole kitchen, all columns: uint8 [192, 256, 3]; things in the `hidden` places are left out."""
    left_out = set(hidden)
    rows = []
    for names in GRID:
        cells = []
        for place in names:
            thing = None if place in left_out else scene.at(place)
            cells.append(cell_tile(place, scene.is_active(place), thing.identity if thing else None))
        rows.append(np.concatenate(cells, axis=1))
    return np.concatenate(rows, axis=0)


def draw(scene: Scene, view: int = 0) -> Picture:
    """Draw what the camera sees from a view offset (in columns): uint8 [192, 192, 3]."""
    return draw_kitchen(scene)[:, view * CELL_PX : view * CELL_PX + PICTURE_PX]


def random_scene(rng: np.random.Generator, *, min_things: int, max_things: int, places: tuple[str, ...]) -> Scene:
    """Draw a scene at random: doors open half the time, appliances on half the time, things anywhere in `places`.

    Half of the scenes hold things of one kind, or of one colour, twice: a sentence must then be read whole.
    """
    open_doors = frozenset(place for place in DOORS if rng.random() < 0.5)
    switched_on = frozenset(place for place in APPLIANCES if rng.random() < 0.5)
    free = [place for place in places if place not in DOORS or place in open_doors]
    names = [(kind, colour) for kind in KINDS for colour in COLOURS]
    num_things = int(rng.integers(min_things, max_things + 1))
    chosen = [names[index] for index in rng.choice(len(names), num_things, replace=False)]
    if num_things > 1 and rng.random() < 0.5:
        kind, colour = chosen[0]
        alike = [name for name in names if (name[0] == kind) != (name[1] == colour) and name not in chosen]
        chosen[1] = alike[rng.integers(len(alike))]
    spots = [free[index] for index in rng.choice(len(free), num_things, replace=False)]
    things = tuple(
        Thing(kind=kind, colour=colour, place=spot) for (kind, colour), spot in zip(chosen, spots, strict=True)
    )
    return Scene(things=things, open_doors=open_doors, switched_on=switched_on)
