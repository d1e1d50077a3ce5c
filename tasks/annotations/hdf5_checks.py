"""Checks of untrusted HDF5 files: nothing outside the file is read, and nothing larger than a bound.

A data set may be stored in other files ("external storage", "virtual"), and a name may link to another file: then a
stranger's file could read the files of its reader. A few bytes may claim 10^11 cells, or cells that contain each other.
"""

import math
from typing import Any

import h5py

MAX_CELL = 1_000_000
"""Largest number of values in one cell."""
MAX_DEPTH = 4
"""Cells in cells."""
MAX_TEXTS = 1_000
"""Largest number of texts in one cell."""
MAX_BYTES = 1 << 30
"""Of one data set."""
DAMAGED = (
    *(OSError, KeyError, ValueError, TypeError, AttributeError, IndexError, RuntimeError, OverflowError, MemoryError),
    *(NotImplementedError, RecursionError, SystemError),
)
"""The errors that h5py raises for a damaged file."""


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
