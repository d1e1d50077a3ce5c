"""A stage's arrays, item by item: made once, kept as safetensors beside the item's done-record, read after a kill.

The file's bytes follow from the arrays alone, so equal work gives equal artifacts.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from modeling.atomic import write_bytes
from tasks.artifacts.artifact import digest_of
from tasks.artifacts.work import Work

FOLDER = "measured"
Arrays = dict[str, NDArray[Any]]


class KeptArrays:
    """The arrays of a stage's items, in its folder."""

    def __init__(self, work: Work, key_of: Callable[[str], str], inside: str = "") -> None:
        """Take the item's key by its name; `inside` is put before every name."""
        self._work = work
        self._key_of = key_of
        self._inside = inside
        (work.path / FOLDER).mkdir(exist_ok=True)

    def file_of(self, name: str) -> Path:
        """Return the file of an item's arrays."""
        return self._work.path / FOLDER / f"{digest_of(self._inside + name)[:24]}.safetensors"

    def is_done(self, name: str) -> bool:
        """Tell whether an item is finished; to be called once for each."""
        return self._work.item_done(self._inside + name, self._key_of(name))

    def finish(self, name: str) -> None:
        """Record an item whose file is written."""
        file = self.file_of(name).relative_to(self._work.path).as_posix()
        self._work.finish_item(self._inside + name, self._key_of(name), files=[file])

    def read(self, name: str) -> Arrays:
        """Return the arrays of a finished item."""
        return read_arrays(self.file_of(name))


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays atomically, in the order of their names: the bytes follow from the arrays alone."""
    write_bytes(path, save({name: np.ascontiguousarray(array) for name, array in sorted(arrays.items())}))


def read_arrays(path: Path) -> Arrays:
    """Read what `write_arrays` wrote."""
    return load(path.read_bytes())
