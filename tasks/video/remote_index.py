"""The index of an MP4 at an address -> the packets of its video, and their bytes in the file.

An MP4 tells times, sizes and places of all packets in its index (moov, or the moof of each fragment), apart from
their bytes (mdat). So the file is demuxed like a local one, by the same libav with the same edit lists, but every
packet is read as zeros. The plan is the same as for the local file, and only the index is fetched. Damage inside
packets is unknown until they are decoded. Other containers have no such index (Matroska indexes only keyframes;
transport streams and AVI have no usable index) and are read whole.
"""

from dataclasses import dataclass
from fractions import Fraction

from av.container import InputContainer
from av.video.stream import VideoStream

from tasks.fetching.range_file import RangeFile, Span
from tasks.video.decoding import demux
from tasks.video.file_end import ends_early
from tasks.video.nal_units import nal_length_size, nal_units, tells_orientation
from tasks.video.packets import NAL_CODECS, Packets

BOXES_OF_MP4 = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"sidx", b"moof"})
"""Possible first boxes of an MP4."""
MAX_BOXES = 100_000


@dataclass(frozen=True, kw_only=True)
class Index:
    """The content of a remote file's index."""

    packets: Packets
    """The packets of the video stream, as `read_packets` gives them."""
    extents: list[Span]
    """The position of each of them in the file."""

    def spans(self, ranges: list[tuple[int, int]]) -> list[Span]:
        """Return the bytes of ranges [first, last] of packets."""
        return [self.extents[place] for first, last in ranges for place in range(first, last + 1)]


def media_spans(file: RangeFile) -> list[Span]:
    """Return the spans of an MP4's media (the contents of mdat), ascending; none when it is no MP4."""
    spans: list[Span] = []
    at = 0
    for _ in range(MAX_BOXES):
        if at + 8 > file.size:
            return spans
        head = file.read_at(at, 16)
        size, kind, begin = int.from_bytes(head[:4], "big"), head[4:8], at + 8
        if at == 0 and kind not in BOXES_OF_MP4:
            return []
        if size == 1:
            size, begin = int.from_bytes(head[8:16], "big"), at + 16
        end = at + size if size else file.size
        if end < begin:
            return []
        if kind == b"mdat":
            spans.append((begin, min(end, file.size)))
        at = end
    return []


def read_index(file: RangeFile, container: InputContainer, stream: VideoStream) -> Index | None:
    """Demux the stream with its media hollow; None where packets must be seen: no index of them all, or MPEG-4 part 2.

    `container` must have been opened on `file` with nothing hollow, so that libav has seen its first packets. Its
    buffers hold zeros afterwards: decode from another.
    """
    codec = stream.codec_context.codec.canonical_name
    if not file.hollow or "mp4" not in container.format.name or codec == "mpeg4":  # which packs pictures as it likes
        return None
    pts: list[int | None] = []
    dts: list[int | None] = []
    is_discarded: list[bool] = []
    extents: list[Span] = []
    latest = (-1, 0)
    for packet in demux(container, stream):
        if packet is None or packet.is_corrupt or packet.pos is None:
            return None
        pts.append(packet.pts)
        dts.append(packet.dts)
        is_discarded.append(packet.is_discard)
        extents.append((packet.pos, packet.pos + packet.size))
        if packet.pts is not None and not packet.is_discard:
            latest = max(latest, (packet.pts, packet.duration or 0))
    # By libav's index, since its parsers take the flag from a packet's bytes where they know the codec.
    keys = {entry.pos for entry in stream.index_entries if entry.is_keyframe}
    packets = Packets(
        codec=codec,
        time_base=Fraction(stream.time_base or 1),
        pts=pts,
        dts=dts,
        is_key=[first in keys for first, _ in extents],
        is_discarded=is_discarded,
        is_damaged=False,
        is_truncated=ends_early(file, stream),
        may_skip=_may_skip(codec, stream.codec_context.extradata or b""),
        last_ticks=latest[1],
    )
    return Index(packets=packets, extents=extents) if packets.is_trusted else None


def turns_itself(file: RangeFile, codec: str, extradata: bytes, extents: list[Span]) -> bool:
    """Tell whether the first packet says how pictures are turned, so that the file must be read from its beginning.

    libav has read that packet when it opened the file, so hardly anything is fetched for it.
    """
    if codec not in NAL_CODECS or not extents:
        return False
    first, end = extents[0]
    hollow, file.hollow = file.hollow, ()
    content = file.read_at(first, end - first)
    file.hollow = hollow
    units = nal_units(memoryview(content), nal_length_size(codec, extradata))
    return any(tells_orientation(codec, unit) for unit in units or [])


def _may_skip(codec: str, extradata: bytes) -> bool:
    """Tell whether unreferenced frames can be skipped: in HEVC, where hvcC says that there is one temporal layer."""
    if codec == "hevc":
        return len(extradata) > 21 and extradata[0] == 1 and extradata[21] >> 3 & 7 == 1
    return codec in NAL_CODECS
