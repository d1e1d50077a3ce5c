"""Checks of untrusted HDF5 files: nothing outside the file is read, and nothing larger than a bound.

A data set may be stored in other files ("external storage", "virtual"), and a name may link to another file: then a
stranger's file could read the files of its reader. A few bytes may claim 10^11 cells, or cells that contain each other.
"""

import math
from typing import Any

import h5py

MAX_CELL = 100_000
"""Values in one cell, the cells in it included."""
MAX_NUMBERS = 1_000
"""Values in a cell whose first is a number of ours."""
FREE_VALUES = 2_000_000
"""Number of values that may be read of a file of any size."""
MAX_DEPTH = 4
"""Cells in cells."""
MAX_VISITS = 1_000
"""Cells in one cell, at any depth."""
MAX_BYTES = 1 << 30
"""Largest size of one data set."""
DAMAGED = (
    *(OSError, KeyError, ValueError, TypeError, AttributeError, IndexError, RuntimeError, OverflowError, MemoryError),
    *(NotImplementedError, RecursionError, SystemError),
)
"""The errors that h5py raises for a damaged file."""


class Budget:
    """What may be read of one file: cells may hold each other, and many rows may hold the same large one."""

    def __init__(self, file_bytes: int):
        self.left = FREE_VALUES + file_bytes
        self._in_cell, self._visits = 0, 0

    def begin_cell(self) -> None:
        """Start the count again for the next row's cell."""
        self._in_cell, self._visits = 0, 0

    def spend(self, values: int, depth: int) -> None:
        """ValueError for a cell that holds too much, or a file whose cells are more than itself."""
        self.left, self._in_cell, self._visits = self.left - values, self._in_cell + values, self._visits + 1
        if depth > MAX_DEPTH:
            raise ValueError(f"cells lie in cells more than {MAX_DEPTH} deep")
        if self._visits > MAX_VISITS or self._in_cell > MAX_CELL:
            raise ValueError(f"a cell holds more than {MAX_VISITS} cells or {MAX_CELL} values")
        if self.left < 0:
            raise ValueError("its cells repeat each other many times")


def check_stored(data: Any, most: int) -> None:
    """Raise ValueError unless a data set is stored in this file and has at most `most` values."""
    if not isinstance(data, h5py.h5d.DatasetID):
        raise ValueError("a reference leads to no data set")
    layout = data.get_create_plist()
    if layout.get_layout() == h5py.h5d.VIRTUAL or layout.get_external_count():
        raise ValueError("a data set is stored in another file, which is not read")
    number = math.prod(data.shape)
    if number > most or number * data.dtype.itemsize > MAX_BYTES:
        raise ValueError(f"a data set claims {number} values; at most {most} are read")


def own_member(group: h5py.Group, name: str) -> Any:
    """Return a member of a group, None where there is none; ValueError for a link to another place."""
    link = group.get(name, getlink=True)
    if link is None:
        return None
    if not isinstance(link, h5py.HardLink):
        raise ValueError(f"{name} is a link to elsewhere, which is not followed")
    return group[name]
