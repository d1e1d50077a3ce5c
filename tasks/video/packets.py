"""What a file's packets say without decoding: packets of a video stream -> which frames are shown, and what to decode.

The number of a shown frame is its place among the presentation times of the packets, so that it is known without
decoding what comes before; `is_trusted` says where that holds. Contact with PyAV is one function, `read_packets`.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from av import Packet
from av.container import InputContainer
from av.video.stream import VideoStream

from tasks.video.decoding import demux

ONE_FRAME_A_PACKET = frozenset({"h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "h263", "mjpeg", "prores"})
"""Codecs of which each packet shows one frame, VP8's hidden frames and XviD's pairs in one packet aside (see below)."""
NAL_CODECS = frozenset({"h264", "hevc"})
"""Codecs whose packets are NAL units, which tell the frames that no other refers to."""
MPEG4_PICTURE = b"\x00\x00\x01\xb6"
"""Start code of a picture (VOP) in MPEG-4 part 2."""
MAX_EMPTY_MPEG4 = 19
"""Up to this many bytes an MPEG-4 packet may stand for "no new picture", which is not shown (so libav, too)."""
START_CODE = re.compile(rb"\x00\x00\x01(?=..)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Packets:
    """The packets of a video stream in decoding order, without their bytes."""

    codec: str
    """libav's name of the codec."""
    time_base: Fraction
    """Seconds of one tick of pts and dts."""
    pts: list[int | None]
    """Presentation time of each packet."""
    dts: list[int | None]
    """Decoding time of each packet."""
    is_key: list[bool]
    """Decoding may start here."""
    is_discarded: list[bool]
    """An edit list or the like, or the codec, keeps this frame from being shown."""
    is_damaged: bool
    """A packet is cut short, flagged as corrupt by the demuxer, or not made of whole NAL units or of one picture."""
    is_truncated: bool
    """The file ends before its own tables say."""
    may_skip: bool
    """Frames that no other frame refers to can be left undecoded."""

    @cached_property
    def shown(self) -> list[int]:
        """Presentation times of the shown frames, ascending: the n-th is that of frame n."""
        return sorted(
            pts for pts, gone in zip(self.pts, self.is_discarded, strict=True) if not gone and pts is not None
        )

    @cached_property
    def position(self) -> dict[int, int]:
        """Map the pts of each shown frame to its place in decoding order."""
        pairs = enumerate(zip(self.pts, self.is_discarded, strict=True))
        return {pts: place for place, (pts, gone) in pairs if not gone and pts is not None}

    @cached_property
    def keys(self) -> list[int]:
        """Places of the keyframes, ascending."""
        return [place for place, is_key in enumerate(self.is_key) if is_key]

    @cached_property
    def is_trusted(self) -> bool:
        """Tell whether packets alone give the shown frames; otherwise the file has to be decoded whole.

        Not so for damaged files, for codecs or interlaced streams with no one-to-one relation of packets to frames,
        and where a stream starts in the middle: frames that refer to what was cut off are not shown.
        """
        if self.codec not in ONE_FRAME_A_PACKET or self.is_damaged or not self.shown:
            return False
        if None in self.pts or len(self.position) != len(self.shown) or not self.is_key[0]:
            return False
        return self.is_discarded[0] or self.pts[0] == self.shown[0]

    @cached_property
    def horizon(self) -> int | None:
        """Up to this pts all shown frames are known to be in the file; None = all. Missing packets have later dts."""
        known = [dts for dts in self.dts if dts is not None]
        return (known[-1] if known else 0) if self.is_truncated else None

    def index_of(self, index: int | None, time_s: Fraction) -> int | None:
        """Return the number of the frame on screen at `time_s` after the first, or `index`, clamped to those shown.

        None when the file breaks off before.
        """
        limit = self.shown[0] + int(time_s // self.time_base)
        if index is not None:
            limit = self.shown[index] if index < len(self.shown) else self.shown[-1] + 1
        if self.horizon is not None and limit > self.horizon:
            return None
        return max(bisect_right(self.shown, limit) - 1, 0)

    def decode_start(self, place: int) -> int:
        """Return the place of the keyframe from which the packet at `place` can be decoded.

        A frame shown before the last keyframe that precedes it in decoding order may refer to frames before that
        keyframe (open GOP), so decoding starts one keyframe earlier.
        """
        pts = self.pts[place]
        for start in range(place, -1, -1):
            start_pts = self.pts[start]
            if self.is_key[start] and (pts is None or start_pts is None or start_pts <= pts):
                return start
        return 0

    def seek_times(self, place: int) -> Iterator[int]:
        """Yield times to seek to for the packet at `place`, each earlier than the one before."""
        latest = bisect_right(self.keys, place) - 1
        for back in (0, 1, 2, 4, 8, latest):
            if back <= latest:
                key = self.keys[latest - back]
                yield min(time for time in (self.pts[key], self.dts[key]) if time is not None)

    def is_behind(self, dts: int | None, place: int) -> bool:
        """Tell whether a packet of decoding time `dts` comes after the one at `place`."""
        own = self.dts[place]
        return dts is not None and own is not None and dts > own

    def ranges(self, places: Iterable[int]) -> list[tuple[int, int]]:
        """Return the least ranges [first, last] in decoding order that give the frames at `places`, ascending."""
        ranges: list[tuple[int, int]] = []
        for first, last in sorted((self.decode_start(place), place) for place in places):
            if ranges and first <= ranges[-1][1] + 1:
                ranges[-1] = (ranges[-1][0], max(last, ranges[-1][1]))
            else:
                ranges.append((first, last))
        return ranges


def read_packets(container: InputContainer, stream: VideoStream, is_truncated: bool) -> Packets:
    """Demux the whole stream without decoding."""
    codec = stream.codec_context.codec.canonical_name
    has_units = codec in NAL_CODECS
    length_size = _nal_length_size(codec, stream.codec_context.extradata or b"")
    pts: list[int | None] = []
    dts: list[int | None] = []
    is_key: list[bool] = []
    is_discarded: list[bool] = []
    # Fields may come in packets of their own in a transport stream, two to a frame.
    is_damaged = "mpegts" in container.format.name and stream.codec_context.field_order > 1
    has_layers = False
    for packet in demux(container, stream):
        if packet is None:
            is_damaged = True
            continue
        if packet.is_corrupt and is_truncated:  # the packet in which the file ends
            continue
        heads = _unit_heads(memoryview(packet), length_size) if has_units else []
        is_damaged = is_damaged or packet.is_corrupt or heads is None
        is_damaged = is_damaged or (codec == "mpeg4" and not _is_one_picture(bytes(packet)))
        has_layers = has_layers or (codec == "hevc" and any(head[1] & 7 != 1 for head in heads or []))
        pts.append(packet.pts)
        dts.append(packet.dts)
        is_key.append(packet.is_keyframe)
        is_discarded.append(packet.is_discard or (codec == "vp8" and _is_hidden(packet)))
    return Packets(
        codec=codec,
        time_base=Fraction(stream.time_base or 1),
        pts=pts,
        dts=dts,
        is_key=is_key,
        is_discarded=is_discarded,
        is_damaged=is_damaged,
        is_truncated=is_truncated,
        may_skip=has_units and not has_layers,
    )


def _is_one_picture(content: bytes) -> bool:
    """Tell whether an MPEG-4 part 2 packet holds just one picture, and one that is shown."""
    return content.count(MPEG4_PICTURE) == 1 and len(content) > MAX_EMPTY_MPEG4


def _is_hidden(packet: Packet) -> bool:
    """Tell whether a VP8 packet's frame is only referred to, by bit `show_frame` of its tag (RFC 6386, 9.1)."""
    return not memoryview(packet)[0] & 0x10


def _nal_length_size(codec: str, extradata: bytes) -> int:
    """Return the bytes of a NAL unit's length in MP4 and Matroska (ISO 14496-15), 0 where units have start codes."""
    if codec == "h264" and len(extradata) > 4 and extradata[0] == 1:
        return (extradata[4] & 3) + 1
    if codec == "hevc" and len(extradata) > 21 and (extradata[0] or extradata[1] or extradata[2] > 1):
        return (extradata[21] & 3) + 1
    return 0


def _unit_heads(content: memoryview, length_size: int) -> list[bytes] | None:
    """Return the first two bytes of each NAL unit of a packet; None when the lengths do not fill the packet."""
    if not length_size:
        return [bytes(content[code.end() : code.end() + 2]) for code in START_CODE.finditer(content)]
    heads = []
    offset, size = 0, len(content)
    while offset < size:
        length = int.from_bytes(content[offset : offset + length_size], "big")
        offset += length_size
        head = bytes(content[offset : offset + 2])
        offset += length
        # The first bit of a unit is always 0 ("forbidden_zero_bit").
        if length < 1 or offset > size or head[0] & 0x80:
            return None
        heads.append(head.ljust(2, b"\1"))
    return heads
