"""Which part of its pictures a container says is to be shown: an opened file -> the borders to cut off, or None.

MP4 and MOV tell it as a clean aperture (`clap`, ISO/IEC 14496-12), Matroska and WebM as PixelCrop (RFC 9559). Players
differ in whether they obey; libav's decoders do not. What the stream itself crops (SPS) is cut off by the decoder.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from math import floor

from av.container import InputContainer
from av.video.stream import VideoStream

from tasks.fetching.opening import VideoFile, bytes_of

MAX_ELEMENTS = 5_000
"""Boxes, or elements, of a file that are looked at."""
_VISUAL_ENTRY_BYTES = 86
"""Bytes of a box that describes samples of video, before the boxes in it."""
_SEGMENT, _TRACKS, _ENTRY, _KIND, _VIDEO = 0x18538067, 0x1654AE6B, 0xAE, 0x83, 0xE0
_SIDES = {0x54CC: "left", 0x54BB: "top", 0x54DD: "right", 0x54AA: "bottom"}


@dataclass(frozen=True, kw_only=True)
class Crop:
    """Pixels to cut off each side of a picture as it is decoded, before it is turned upright."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0

    def fits(self, width: int, height: int) -> bool:
        """Tell whether it cuts something off pictures of this size, and not everything."""
        sides = (self.left, self.top, self.right, self.bottom)
        return min(sides) >= 0 and any(sides) and self.left + self.right < width and self.top + self.bottom < height

    def __str__(self) -> str:
        return f"left {self.left}, top {self.top}, right {self.right}, bottom {self.bottom}"


def crop_of(file: VideoFile, container: InputContainer, stream: VideoStream) -> Crop | None:
    """Return what the container says to cut off; None where it says nothing, or nothing that can be done."""
    width, height = stream.codec_context.width, stream.codec_context.height
    crop = None
    if "mp4" in container.format.name:
        crop = _clean_aperture(file, stream.id, width, height)
    elif "matroska" in container.format.name:
        crop = _pixel_crop(file, [video_stream.index for video_stream in container.streams.video].index(stream.index))
    return crop if crop is not None and crop.fits(width, height) else None


class _Budget:
    """Counts the boxes that are read, so that no file takes long."""

    def __init__(self) -> None:
        self.left = MAX_ELEMENTS

    def spend(self) -> bool:
        self.left -= 1
        return self.left >= 0


def _clean_aperture(file: VideoFile, track_id: int, width: int, height: int) -> Crop | None:
    budget = _Budget()
    for track in _inside(file, [(0, 1 << 62)], (b"moov", b"trak"), budget):
        heads = _inside(file, [track], (b"tkhd",), budget)
        numbers = {_number(file, first + (20 if bytes_of(file, first, 1) == b"\1" else 12)) for first, _ in heads}
        if track_id not in numbers:
            continue
        for first, stop in _inside(file, [track], (b"mdia", b"minf", b"stbl", b"stsd"), budget):
            entry = first + 8
            inner = (entry + _VISUAL_ENTRY_BYTES, min(stop, entry + _number(file, entry)))
            for begin, _ in _inside(file, [inner], (b"clap",), budget):
                return _from_aperture(bytes_of(file, begin, 32), width, height)
    return None


def _from_aperture(content: bytes, width: int, height: int) -> Crop | None:
    """Return the crop to an aperture. The distance of its centre from the picture's centre gives its place."""
    if len(content) < 32:
        return None
    wide, wide_by, high, high_by, right, right_by, down, down_by = struct.unpack(">IIIIiIiI", content)
    if not (wide_by and high_by and right_by and down_by):
        return None
    shown_px, shown_rows = round(wide / wide_by), round(high / high_by)
    left = floor((width - shown_px) / 2 + right / right_by)  # half a pixel goes to the other side, as in libavformat
    top = floor((height - shown_rows) / 2 + down / down_by)
    return Crop(left=left, top=top, right=width - shown_px - left, bottom=height - shown_rows - top)


def _number(file: VideoFile, at: int) -> int:
    return int.from_bytes(bytes_of(file, at, 4), "big")


def _inside(
    file: VideoFile, spans: list[tuple[int, int]], kinds: tuple[bytes, ...], budget: _Budget
) -> list[tuple[int, int]]:
    """Return the contents of the boxes that are found by going down through `kinds`."""
    for kind in kinds:
        spans = [box for span in spans for kind_of_box, box in _boxes(file, span, budget) if kind_of_box == kind]
    return spans


def _boxes(file: VideoFile, span: tuple[int, int], budget: _Budget) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Yield (kind, content) of the boxes in a span."""
    first, stop = span
    while first + 8 <= stop and budget.spend():
        head = bytes_of(file, first, 16)
        if len(head) < 8:
            return
        length, kind, begin = int.from_bytes(head[:4], "big"), head[4:8], first + 8
        if length == 1:
            length, begin = int.from_bytes(head[8:16], "big"), first + 16
        end = first + length if length else stop
        if end < begin:
            return
        yield kind, (begin, min(end, stop))
        first = end


def _pixel_crop(file: VideoFile, place: int) -> Crop | None:
    """Return the crop of a Matroska file's video track number `place`, from 0."""
    budget = _Budget()
    for segment in _elements(file, (0, 1 << 62), _SEGMENT, budget):
        for tracks in _elements(file, segment, _TRACKS, budget):
            entries = list(_elements(file, tracks, _ENTRY, budget))
            films = [entry for entry in entries if _value(file, entry, _KIND, budget) == 1]
            for video in _elements(file, films[place], _VIDEO, budget) if place < len(films) else ():
                sides = {name: _value(file, video, number, budget) for number, name in _SIDES.items()}
                return Crop(**sides)
            return None
    return None


def _value(file: VideoFile, span: tuple[int, int], wanted: int, budget: _Budget) -> int:
    """Return the first number of a kind in a span, 0 where there is none."""
    for first, stop in _elements(file, span, wanted, budget):
        return int.from_bytes(bytes_of(file, first, min(stop - first, 8)), "big")
    return 0


def _elements(file: VideoFile, span: tuple[int, int], wanted: int, budget: _Budget) -> Iterator[tuple[int, int]]:
    """Yield the contents of the EBML elements (RFC 8794) of a kind in a span."""
    first, stop = span
    while first < stop and budget.spend():
        head = bytes_of(file, first, 12)
        if len(head) < 2 or not head[0]:
            return
        id_bytes = 9 - head[0].bit_length()
        length_bytes = 9 - head[id_bytes].bit_length() if len(head) > id_bytes and head[id_bytes] else 0
        if id_bytes > 4 or not length_bytes or len(head) < id_bytes + length_bytes:
            return
        begin = first + id_bytes + length_bytes
        mask = (1 << 7 * length_bytes) - 1
        length = int.from_bytes(head[id_bytes : id_bytes + length_bytes], "big") & mask
        end = stop if length == mask else begin + length  # of unknown length: up to the end
        if int.from_bytes(head[:id_bytes], "big") == wanted:
            yield begin, min(end, stop)
        first = end
