"""Packets of a video stream -> the shown frames and a plan of what to decode, without decoding.

The number of a shown frame is its place among the presentation times of the packets, so it is known without decoding
the earlier frames; `is_trusted` tells where that is true. Only `read_packets` uses PyAV.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from math import floor

from av import Packet
from av.container import InputContainer
from av.video.stream import VideoStream

from tasks.video.decoding import demux
from tasks.video.nal_units import nal_length_size, nal_units, tells_orientation
from tasks.video.rounding import MICROSECOND, rounds_frames
from tasks.video.timeline import Timeline

ONE_FRAME_A_PACKET = frozenset({"h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "h263", "mjpeg", "prores"})
"""Codecs with one shown frame per packet, except VP8's hidden frames and XviD's pairs in one packet (see below)."""
NAL_CODECS = frozenset({"h264", "hevc"})
"""Codecs with NAL units, which mark the frames that no other frame refers to."""
MPEG4_PICTURE = b"\x00\x00\x01\xb6"
"""Start code of a picture (VOP) in MPEG-4 part 2."""
MAX_EMPTY_MPEG4 = 19
"""An MPEG-4 packet of at most this many bytes may mean "no new picture"; it shows no frame (as in libav)."""
MIN_TICKS_A_FRAME = 4
"""Where a frame lasts fewer ticks, the ticks are the frames' own clock, unless they are seen to be rounded seconds."""


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
    """An edit list, or the codec, hides this frame."""
    is_damaged: bool
    """A packet is cut short, marked as corrupt by the demuxer, or does not consist of whole NAL units or one picture.
    """
    is_truncated: bool
    """The file ends before its own tables say."""
    may_skip: bool
    """Frames that no other frame refers to can be left undecoded."""
    last_ticks: int = 0
    """Duration of the last shown frame; 0 where the file does not give it."""
    tells_orientation: bool = False
    """The stream itself rotates its pictures from some frame on."""
    is_joined: bool = False
    """The clock restarts in the middle; the times here continue."""
    jumps_back: bool = False
    """The clock jumps back although its container does not allow it."""

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
        if self.tells_orientation or self.is_joined:
            return False
        if None in self.pts or len(self.position) != len(self.shown) or not self.is_key[0]:
            return False
        return self.is_discarded[0] or self.pts[0] == self.shown[0]

    @cached_property
    def frame_ticks(self) -> int:
        """Most frequent number of ticks of a frame; 0 where packets have no times."""
        # Decoding times where presentation times are made up, as in AVI: both have the same steps.
        known = sorted({dts for dts in self.dts if dts is not None}) or self.shown
        steps = sorted(after - before for before, after in pairwise(known))
        return steps[len(steps) // 2] if steps else 0

    @cached_property
    def tolerance(self) -> Fraction:
        """Ticks: a time this close before a frame's time means that frame. Half a tick where times are rounded, and
        everywhere a microsecond, since people write times so, and floats are less exact.
        """
        is_rounded = self.frame_ticks >= MIN_TICKS_A_FRAME or rounds_frames(self.time_base, self.shown)
        return max(Fraction(1, 2) if is_rounded else Fraction(0), MICROSECOND / self.time_base)

    def ticks_of(self, time_s: Fraction) -> int:
        """Return a time as the number of ticks that have passed, as exactly as the clock allows."""
        return floor(time_s / self.time_base + self.tolerance)

    @cached_property
    def horizon(self) -> int | None:
        """Up to this pts all shown frames are certainly in the file; None: all of them. Missing packets have a later
        dts.
        """
        known = [dts for dts in self.dts if dts is not None]
        return (known[-1] if known else 0) if self.is_truncated else None

    def index_of(self, index: int | None, time_s: Fraction) -> int | None:
        """Return the number of the frame on screen at `time_s` after the first, or `index`, clamped to those shown.

        None when the file breaks off before.
        """
        limit = self.shown[0] + self.ticks_of(time_s)
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
        for at in range(bisect_right(self.keys, place) - 1, -1, -1):
            start_pts = self.pts[self.keys[at]]
            if pts is None or start_pts is None or start_pts <= pts:
                return self.keys[at]
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
    length_size = nal_length_size(codec, stream.codec_context.extradata or b"")
    pts: list[int | None] = []
    dts: list[int | None] = []
    is_key: list[bool] = []
    is_discarded: list[bool] = []
    # Fields may come in packets of their own in a transport stream, two to a frame.
    is_damaged = "mpegts" in container.format.name and stream.codec_context.field_order > 1
    has_layers = is_turned = False
    timeline, latest = Timeline(container, stream), (-1, 0)
    for packet in demux(container, stream):
        if packet is None:
            is_damaged = True
            continue
        if packet.is_corrupt and is_truncated:  # the packet in which the file ends
            continue
        units = nal_units(memoryview(packet), length_size) if has_units else []
        is_damaged = is_damaged or packet.is_corrupt or units is None
        is_damaged = is_damaged or (codec == "mpeg4" and not _is_one_picture(bytes(packet)))
        has_layers = has_layers or (codec == "hevc" and any(unit[1] & 7 != 1 for unit in units or []))
        is_turned = is_turned or any(tells_orientation(codec, unit) for unit in units or [])
        timeline.put(packet)
        pts.append(packet.pts)
        dts.append(packet.dts)
        is_key.append(packet.is_keyframe)
        is_discarded.append(packet.is_discard or (codec == "vp8" and _is_hidden(packet)))
        if packet.pts is not None and not is_discarded[-1]:
            latest = max(latest, (packet.pts, packet.duration or 0))
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
        last_ticks=latest[1],
        tells_orientation=is_turned,
        is_joined=timeline.num_jumps > 0,
        jumps_back=timeline.jumps_back,
    )


def _is_one_picture(content: bytes) -> bool:
    """Tell whether an MPEG-4 part 2 packet holds exactly one picture, and this picture is shown."""
    return content.count(MPEG4_PICTURE) == 1 and len(content) > MAX_EMPTY_MPEG4


def _is_hidden(packet: Packet) -> bool:
    """Tell whether a VP8 packet's frame is only referred to, by bit `show_frame` of its tag (RFC 6386, 9.1)."""
    return not memoryview(packet)[0] & 0x10
