"""What an MP4 or MOV claims of itself against its size: an index of samples that the file cannot hold is refused.

libav makes 24 to 56 bytes of memory of every sample that the index claims, before a frame is asked for. A size that is
the same for all samples takes four bytes whatever their number, and each entry of an edit list may repeat them all, so
30 KB of file can claim gigabytes of memory. libav finds such tables wherever they lie, in a sample's description too;
so the bytes of the index are searched for their names. Other containers have no such tables: what they take is bounded
by the memory of the process that reads them (processes.py).
Source: ISO/IEC 14496-12, `stsz`, `trun` and `elst`; QuickTime File Format, `cmov`.
"""

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tasks.fetching.opening import VideoFile

FREE_SAMPLES = 1_000_000
"""This many samples are never refused: they take 56 MB."""
MAX_BOXES = 2_000_000
"""Largest number of boxes; a recording of an hour in fragments of one frame has 216 000."""
MAX_INDEX_BYTES = 1 << 30
"""Largest size of everything in the file but media; the index of a day has 30 MB."""
MAX_UNPACKED = 32 << 20
"""Largest unpacked size of a packed index. No camera of this century writes one."""
_AT_ONCE = 16 << 20
_NO_INDEX = frozenset((b"mdat", b"free", b"skip", b"wide"))
_INDEX_BEHIND = re.compile(rb"....(?:moov|cmov)|(?:moov|cmov)", re.DOTALL)
"""The beginning of an index that is named free space, at the place where libav looks for it."""
_TABLES = re.compile(rb"(?:stsz|stz2|trun|elst|cmvd)")
_KIND = re.compile(rb"[\x20-\x7e\xa9]{4}")

Read = Callable[[int, int], bytes]
"""(first byte, length) -> the bytes of a file."""


@dataclass
class _Claimed:
    """What the tables that were found claim."""

    samples: int = 0
    fragment_samples: int = 0
    edits: int = 1
    is_absurd: bool = False

    @property
    def in_all(self) -> int:
        """Samples, each as often as the longest edit list may repeat it."""
        return self.samples * self.edits + self.fragment_samples


def claims_too_much(file: VideoFile) -> bool:
    """Tell whether a file claims more samples than it has bytes; False for what is no MP4 or MOV."""
    if not isinstance(file, Path):
        return _claims_too_much(file.read_at, file.size)
    with file.open("rb") as opened:

        def read(first: int, length: int) -> bytes:
            opened.seek(first)
            return opened.read(length)

        return _claims_too_much(read, file.stat().st_size)


def _claims_too_much(read: Read, size: int) -> bool:
    claimed = _Claimed()
    indexed = 0
    for number, (first, stop) in enumerate(_index_spans(read, size)):
        indexed += stop - first
        if number >= MAX_BOXES or indexed > MAX_INDEX_BYTES:
            return True
        _count(read, first, stop, claimed)
        if claimed.is_absurd or claimed.in_all > max(FREE_SAMPLES, size):
            return True
    return False


def _index_spans(read: Read, size: int) -> Iterator[tuple[int, int]]:
    """Yield [first, stop) of the contents of the boxes of a file that are no media; empty ones for those that are."""
    at = 0
    while at + 8 <= size:
        head = read(at, 24)
        if len(head) < 8 or not _KIND.fullmatch(head[4:8]):
            return
        length, kind = struct.unpack(">I4s", head[:8])
        begin = at + 8
        if length == 1 and len(head) >= 16:
            length, begin = struct.unpack(">Q", head[8:16])[0], at + 16
        stop = at + length if length else size
        if stop < begin:
            return
        hidden = kind != b"mdat" and _INDEX_BEHIND.match(head[begin - at :])
        yield (begin, begin) if kind in _NO_INDEX and not hidden else (begin, min(stop, size))
        at = stop


def _count(read: Read, first: int, stop: int, claimed: _Claimed) -> None:
    """Add up the tables in [first, stop)."""
    while first < stop:
        content = read(first, min(_AT_ONCE, stop - first))
        _count_in(content, claimed, partial(_rest, read, first, stop))
        if len(content) < _AT_ONCE:
            return
        first += len(content) - 16  # a table's head may lie across the end


def _rest(read: Read, first: int, stop: int, place: int) -> bytes:
    return read(first + place, min(_AT_ONCE, stop - first - place))


def _count_in(content: bytes, claimed: _Claimed, rest_from: Callable[[int], bytes]) -> None:
    """Add up the tables in some bytes; `rest_from` gives what follows a place in them."""
    for match_ in _TABLES.finditer(content):
        kind, behind = match_[0], content[match_.end() : match_.end() + 12]
        if kind == b"cmvd":
            _count_packed(rest_from(match_.end() + 4), claimed)
        elif kind == b"elst" and len(behind) >= 8:
            claimed.edits = max(claimed.edits, struct.unpack(">I", behind[4:8])[0])
        elif kind == b"trun" and len(behind) >= 8:
            claimed.fragment_samples += struct.unpack(">I", behind[4:8])[0]
        elif kind in (b"stsz", b"stz2") and len(behind) >= 12:
            claimed.samples += struct.unpack(">I", behind[8:12])[0]


def _count_packed(packed: bytes, claimed: _Claimed) -> None:
    """Add up the tables of an index that was packed by zlib."""
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(packed, MAX_UNPACKED)
    except zlib.error:
        return
    claimed.is_absurd = claimed.is_absurd or not unpacking.eof
    _count_in(content.replace(b"cmvd", b""), claimed, lambda place: b"")
