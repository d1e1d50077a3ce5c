"""The least number of pictures that must be decoded for a frame, counted in the bitstream without the project's reader.

Counted from the wanted frame's keyframe on: H.264 pictures with nal_ref_idc > 0 (ITU-T H.264, 7.4.1), HEVC pictures
whose NAL type is not one of a sub-layer non-reference picture (ITU-T H.265, 7.4.2.2), and every packet of other codecs.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import av
from av.bitstream import BitStreamFilterContext

START_CODE = re.compile(rb"\x00\x00\x01(.)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A packet of the stream."""

    pts: int
    """Presentation time in ticks."""
    is_key: bool
    """Decoding may start here."""
    is_shown: bool
    """True when no edit list cuts the picture away and it is not hidden."""
    is_reference: bool
    """True when other pictures may refer to it."""


@dataclass(frozen=True)
class Bitstream:
    """The pictures of a video in decoding order."""

    pictures: list[Picture]

    @cached_property
    def places(self) -> list[int]:
        """Return the place, in decoding order, of the n-th shown frame."""
        shown = [place for place, picture in enumerate(self.pictures) if picture.is_shown]
        return sorted(shown, key=lambda place: self.pictures[place].pts)

    def needed(self, wanted: Iterable[int]) -> set[int]:
        """Return the places of the pictures to decode for the shown frames whose numbers are in `wanted`."""
        needed: set[int] = set()
        for number in wanted:
            place = self.places[number]
            keys = (k for k in range(place, -1, -1) if self.pictures[k].is_key)
            start = next(k for k in keys if self.pictures[k].pts <= self.pictures[place].pts)
            needed |= {place, *(k for k in range(start, place) if self.pictures[k].is_reference)}
        return needed


def read_bitstream(path: Path) -> Bitstream:
    """Read the pictures of a file's video stream; they must have presentation times."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        codec = stream.codec_context.codec.canonical_name
        units = BitStreamFilterContext(f"{codec}_mp4toannexb", stream) if codec in ("h264", "hevc") else None
        pictures = []
        for packet in container.demux(stream):
            if not packet.size:
                continue
            # Read the content before the filter takes it away from the packet.
            pts, is_key, is_shown = packet.pts, packet.is_keyframe, not packet.is_discard
            content = b"".join(bytes(unit) for unit in units.filter(packet)) if units else bytes(packet)
            is_shown = is_shown and not (codec == "vp8" and not content[0] & 0x10)
            is_reference = _is_reference(codec, content)
            pictures.append(Picture(pts=pts, is_key=is_key, is_shown=is_shown, is_reference=is_reference))
    return Bitstream(pictures)


def _is_reference(codec: str, content: bytes) -> bool:
    heads = [head[1][0] for head in START_CODE.finditer(content)]
    if codec == "h264":
        return any(head & 31 in (1, 5) and head >> 5 & 3 for head in heads)
    if codec == "hevc":
        return any(kind >= 16 or kind % 2 == 1 for kind in (head >> 1 & 63 for head in heads) if kind < 32)
    return True
