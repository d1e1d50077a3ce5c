"""A stage's arrays, item by item: made once, kept as safetensors beside the item's done-record, read after a kill.

The file's bytes follow from the arrays alone, so equal work gives equal artifacts.
"""

from collections.abc import Callable
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
        self._asked: set[str] = set()
        (work.path / FOLDER).mkdir(exist_ok=True)

    def get(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """Return the arrays of an item; `make` is called when no run has finished it yet."""
        item = f"{self._inside}{name}"
        file = f"{FOLDER}/{digest_of(item)[:24]}.safetensors"
        if item not in self._asked:
            self._asked.add(item)
            key = self._key_of(name)
            if not self._work.item_done(item, key):
                # In the order of their names: the bytes follow from the arrays alone.
                arrays = {array_name: np.ascontiguousarray(array) for array_name, array in sorted(make().items())}
                write_bytes(self._work.path / file, save(arrays))
                self._work.finish_item(item, key, files=[file])
        return load((self._work.path / file).read_bytes())
