"""A check of an MP4's or MOV's tables: a number of samples that the file cannot hold is refused.

libav allocates 56 bytes per sample of the index before any frame is read. A common size of all samples takes four bytes
whatever their number, so a file of 4 KB can claim gigabytes of memory. Source: ISO/IEC 14496-12, `stsz` and `trun`.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

FREE_SAMPLES = 1_000_000
"""This many samples are never refused: they take 56 MB."""
_CONTAINERS = frozenset((b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf"))
_MAX_BOXES = 200_000


def claims_too_much(path: Path) -> bool:
    """Tell whether a file claims more samples than it has bytes; False when it is no MP4 or MOV."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(8)[4:] not in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"moof", b"styp"):
            return False
        total = 0
        for number in _claimed(file, 0, size, [0]):
            total += number
            if total > max(FREE_SAMPLES, size):
                return True
    return False


def _claimed(file: BinaryIO, first: int, stop: int, seen: list[int]) -> Iterator[int]:
    """Yield the number of samples of each table in [first, stop)."""
    while first + 8 <= stop and seen[0] < _MAX_BOXES:
        seen[0] += 1
        file.seek(first)
        head = file.read(24)
        length, kind = struct.unpack(">I4s", head[:8])
        begin = first + 8
        if length == 1 and len(head) >= 16:
            length, begin = struct.unpack(">Q", head[8:16])[0], first + 16
        length = length or stop - first
        if length < begin - first:
            return
        if kind in _CONTAINERS:
            yield from _claimed(file, begin, min(first + length, stop), seen)
        elif kind == b"stsz" and len(head) >= 20:
            yield struct.unpack(">I", head[16:20])[0]
        elif kind == b"trun" and len(head) >= 16:
            yield struct.unpack(">I", head[12:16])[0]
        first += length
