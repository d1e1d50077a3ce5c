"""Exact frames of a video: a file + the moments wanted -> the frames on screen then.

The frame on screen at a moment is the one with the largest pts that is not later. Which packets it takes is planned
beforehand (packets.py), each needed group of pictures is decoded once and only up to the last wanted frame, and what
comes out is held against the plan. Files that no plan can describe (damaged packets, streams cut out of the middle)
are decoded whole; AVI has no presentation times and is counted.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Generic, Literal, TypeVar

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from modeling.data.images import Picture
from tasks.decoding import VideoError, decode, demux, ends_early, opened, to_rgb
from tasks.packets import Packets, read_packets

__all__ = ["Moment", "Reading", "Shown", "VideoError", "ffmpeg_program", "read_moments"]

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A moment of a video, by time or by number of frame."""

    time_s: float | None = None
    """Seconds from the first shown frame."""
    index: int | None = None
    """Number of the shown frame, from 0; taken instead of the time where given."""

    @property
    def exact_s(self) -> Fraction:
        """The time as the decimal number that was written: 0.3 s is frame 9 at 30 fps, whatever float makes of it."""
        return Fraction(repr(float(self.time_s or 0.0)))


@dataclass(frozen=True, kw_only=True)
class Shown(Generic[T]):
    """The frame on screen at a moment."""

    index: int
    """Number of the frame in presentation order, from 0."""
    pts_s: float
    """Its presentation time in the container, in seconds; in AVI number / rate."""
    kept: T
    """What the caller keeps of the picture."""


@dataclass(frozen=True, kw_only=True)
class Reading(Generic[T]):
    """What came of reading a video."""

    outcomes: list[Shown[T] | VideoError]
    """One for each moment, in their order."""
    num_decoded: int
    """Frames that were decoded."""
    method: Literal["plan", "whole", "count"]
    """plan: groups of pictures chosen by packets; whole: everything; count: from the start on."""


def read_moments(path: Path, moments: Sequence[Moment], keep: Callable[[Picture], T]) -> Reading[T]:
    """Return the frames on screen at `moments`; each is passed once through `keep` as uint8 RGB [H, W, 3], upright.

    VideoError when the file as a whole cannot be read; single moments that it does not hold have their own error.
    """
    try:
        return _read(path, moments, keep)
    except av.error.FFmpegError as error:
        raise VideoError("undecodable", f"{path.name}: {error}.") from error


def _read(path: Path, moments: Sequence[Moment], keep: Callable[[Picture], T]) -> Reading[T]:
    with opened(path) as (container, stream):
        packets = read_packets(container, stream, ends_early(path, stream))
        is_counted = container.format.name == "avi" or all(pts is None for pts in packets.pts)
        if packets.is_trusted and not is_counted:
            planned = _read_by_plan(container, stream, packets, moments, keep)
            if planned is not None:
                return planned
    with opened(path) as (container, stream):  # anew: not every container goes back to its very first packet
        if is_counted:
            return _read_by_count(container, stream, packets, moments, keep)
        return _read_whole(container, stream, packets, moments, keep)


def _read_by_plan(
    container: InputContainer,
    stream: VideoStream,
    packets: Packets,
    moments: Sequence[Moment],
    keep: Callable[[Picture], T],
) -> Reading[T] | None:
    """Decode what the plan says; None when what comes out is not what the packets promised."""
    indices = [packets.index_of(moment.index, moment.exact_s) for moment in moments]
    places = {packets.position[packets.shown[index]]: index for index in indices if index is not None}
    shown: dict[int, Shown[T]] = {}
    num_decoded = 0
    for first, last in packets.ranges(places):
        wanted = {place for place in places if first <= place <= last}
        missing = {packets.pts[place]: places[place] for place in wanted}
        for frame in _decode_range(container, stream, packets, first, last, wanted):
            if frame is None or frame.is_corrupt:
                return None
            num_decoded += 1
            index = missing.pop(frame.pts, None)
            if index is not None:
                shown[index] = Shown(
                    index=index, pts_s=float(packets.shown[index] * packets.time_base), kept=keep(to_rgb(frame))
                )
        if missing:
            return None
    return Reading(
        outcomes=[_truncated() if index is None else shown[index] for index in indices],
        num_decoded=num_decoded,
        method="plan",
    )


def _decode_range(
    container: InputContainer, stream: VideoStream, packets: Packets, first: int, last: int, wanted: set[int]
) -> Iterator[VideoFrame | None]:
    """Yield the frames of the packets [first, last], leaving out what nobody wants or needs; None: not as planned."""
    decoder = stream.codec_context
    skips = False
    decoder.skip_frame = "DEFAULT"
    for place, packet in _packets_from(container, stream, packets, first):
        if (packet.pts, packet.dts) != (packets.pts[place], packets.dts[place]):
            yield None
            return
        if skips != (packets.may_skip and place not in wanted):
            skips = not skips
            decoder.skip_frame = "NONREF" if skips else "DEFAULT"
        try:
            yield from decoder.decode(packet)
            if place == last:
                # The decoder gives up what it holds back for reordering: no packet beyond the last is decoded.
                yield from decoder.decode(None)
                return
        except av.error.InvalidDataError:
            yield None
            return
    yield None


def _packets_from(
    container: InputContainer, stream: VideoStream, packets: Packets, first: int
) -> Iterator[tuple[int, av.Packet]]:
    """Yield (place, packet) from the packet at place `first` on; a seek may land anywhere before or behind."""
    target = (packets.pts[first], packets.dts[first])
    for seek_to in packets.seek_times(first):
        container.seek(seek_to, stream=stream, backward=True)
        place = None
        for packet in demux(container, stream):
            if packet is None:
                return
            if place is None and (packet.pts, packet.dts) == target:
                place = first
            if place is not None:
                yield place, packet
                place += 1
            elif packets.is_behind(packet.dts, first):
                break


def _read_whole(
    container: InputContainer,
    stream: VideoStream,
    packets: Packets,
    moments: Sequence[Moment],
    keep: Callable[[Picture], T],
) -> Reading[T]:
    """Decode from the start and count what libav shows."""

    def clocked() -> Iterator[tuple[VideoFrame, int, float]]:
        start, pts = None, 0
        for frame in decode(container, stream):
            pts = frame.pts if frame.pts is not None else pts
            start = pts if start is None else start
            yield frame, pts - start, float(pts * packets.time_base)

    limits = [
        ("number", each.index) if each.index is not None else ("ticks", int(each.exact_s // packets.time_base))
        for each in moments
    ]
    picked = _pick(clocked(), limits, keep)
    if packets.horizon is not None and packets.shown:
        known_ticks = packets.horizon - packets.shown[0]
        picked.drop(place for place, (clock, limit) in enumerate(limits) if clock == "ticks" and limit > known_ticks)
        picked.drop(place for place in picked.at_end if limits[place][0] == "number")
    return Reading(outcomes=picked.outcomes, num_decoded=picked.num_seen, method="whole")


def _read_by_count(
    container: InputContainer,
    stream: VideoStream,
    packets: Packets,
    moments: Sequence[Moment],
    keep: Callable[[Picture], T],
) -> Reading[T]:
    """Count decoded frames: the frame at time t is number floor(t * rate)."""
    rate = stream.average_rate or stream.guessed_rate
    if not rate:
        raise VideoError("no_frame_rate", "The file has neither presentation times nor a frame rate.")
    limits = [("number", each.index if each.index is not None else int(each.exact_s * rate)) for each in moments]
    numbered = ((frame, 0, float(number / rate)) for number, frame in enumerate(decode(container, stream)))
    picked = _pick(numbered, limits, keep)
    if packets.is_truncated:
        # What is missing at the end may have been shown before the last frames that are there.
        num_known = picked.num_seen - stream.codec_context.reorder_depth if picked.at_end else picked.num_seen
        picked.drop(place for place, (_, limit) in enumerate(limits) if limit >= num_known)
    return Reading(outcomes=picked.outcomes, num_decoded=picked.num_seen, method="count")


@dataclass(kw_only=True)
class _Picked(Generic[T]):
    """Frames picked while decoding in order."""

    outcomes: list[Shown[T] | VideoError]
    """One for each moment."""
    at_end: set[int]
    """Places of the moments that no later frame followed."""
    num_seen: int = 0
    """Frames decoded."""

    def drop(self, places: Iterable[int]) -> None:
        """Take back moments that a broken-off file does not hold."""
        for place in places:
            self.outcomes[place] = _truncated()


def _pick(
    frames: Iterable[tuple[VideoFrame, int, float]],
    limits: Sequence[tuple[str, int]],
    keep: Callable[[Picture], T],
) -> _Picked[T]:
    """Pick from (frame, ticks since the first, pts_s) in order the last frame within each limit on number or ticks.

    A limit before the first frame gives the first, one behind the last the last; decoding ends with the last limit.
    """
    picked: dict[int, Shown[T]] = {}
    waiting = set(range(len(limits)))
    on_screen: tuple[VideoFrame, int, float] | None = None
    num_seen = 0
    for number, (frame, ticks, pts_s) in enumerate(frames):
        num_seen = number + 1
        now = {"number": number, "ticks": ticks}
        due = {place for place in waiting if now[limits[place][0]] > limits[place][1]}
        if due:
            picked |= dict.fromkeys(due, _show(on_screen or (frame, number, pts_s), keep))
            waiting -= due
        if not waiting:
            break
        on_screen = frame, number, pts_s
    if waiting:
        if on_screen is None:
            raise VideoError("no_frames", "No frame of the video can be decoded.")
        picked |= dict.fromkeys(waiting, _show(on_screen, keep))
    return _Picked(outcomes=[picked[place] for place in range(len(limits))], at_end=waiting, num_seen=num_seen)


def _show(on_screen: tuple[VideoFrame, int, float], keep: Callable[[Picture], T]) -> Shown[T]:
    frame, number, pts_s = on_screen
    return Shown(index=number, pts_s=pts_s, kept=keep(to_rgb(frame)))


def _truncated() -> VideoError:
    return VideoError("truncated", "The file breaks off before this moment. Fetch it again.")


def ffmpeg_program() -> str:
    """Return the ffmpeg program: the system's, else the one that imageio-ffmpeg brings."""
    system = shutil.which("ffmpeg")
    if system is not None:
        return system
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())
