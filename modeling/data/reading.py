"""Examples by number -> their two pictures as training takes them; several workers read ahead.

The number of a step gives its examples (loader.py), so workers can read the next step's pictures while the present step
computes. The order does not depend on the workers: any number of them, even more than there are shards, gives the same
pictures.
"""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from modeling.data.example import Example
from modeling.data.images import Picture, squash
from modeling.data.loader import Examples

MAX_WORKERS = 8
"""Largest number of workers by default. They are threads: Pillow decodes and resizes outside the interpreter's lock."""
AHEAD = 64
"""Number of examples that are decoded ahead when all are read in order."""
Key = tuple[int, bool]
"""Number of an example, and whether its pictures are mirrored."""
Pair = tuple[Picture, Picture]


class PictureReader:
    """Reads the pictures of examples with several workers."""

    def __init__(self, examples: Examples, size_px: int, *, workers: int = 0):
        """Take the examples and the side of the square pictures. workers 0: one per core, up to MAX_WORKERS."""
        self._examples = examples
        self._size_px = size_px
        self._pool = ThreadPoolExecutor(max_workers=workers or min(MAX_WORKERS, os.cpu_count() or 1))
        # This step's and the next one's: after a jump elsewhere what was expected is forgotten.
        self._expected: deque[dict[Key, Future[Pair]]] = deque(maxlen=2)

    def expect(self, examples: NDArray[np.int64], flips: NDArray[np.bool_]) -> None:
        """Begin to read the examples of the next call of `read`."""
        keys = dict.fromkeys(zip(examples.tolist(), flips.tolist(), strict=True))
        self._expected.append({key: self._pool.submit(self._read, *key) for key in keys})

    def read(self, examples: NDArray[np.int64], flips: NDArray[np.bool_]) -> Pair:
        """Return the source and edited pictures of `examples` [b], those with `flips` [b] mirrored: uint8 [b, S, S, 3].

        ValueError, which names the shard, for one that cannot be read.
        """
        pending = [self._begun(key) for key in zip(examples.tolist(), flips.tolist(), strict=True)]
        pairs = [future.result() for future in pending]
        source, edited = (np.stack(pictures) for pictures in zip(*pairs, strict=True))
        return source, edited

    def in_order(self) -> Iterator[Pair]:
        """Yield the source and edited picture of every example in order, uint8 [S, S, 3] each.

        The tars are read from front to back; the workers decode and resize ahead.
        """
        ahead: deque[Future[Pair]] = deque()
        for example in self._examples:
            ahead.append(self._pool.submit(self._resized, example))
            if len(ahead) > AHEAD:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()

    def _begun(self, key: Key) -> Future[Pair]:
        for example in self._expected:
            if key in example:
                return example[key]
        return self._pool.submit(self._read, *key)

    def _read(self, index: int, flip: bool) -> Pair:
        source, edited = self._resized(self._examples[index])
        return (source[:, ::-1], edited[:, ::-1]) if flip else (source, edited)

    def _resized(self, example: Example) -> Pair:
        source, edited = (squash(image, self._size_px) for image in (example.source_image, example.edited_image))
        return source, edited
