"""Exact frames of a video: a file + the moments wanted -> the frames on screen then.

The frame on screen at a moment is the one with the largest pts that is not later. Which packets it takes is planned
beforehand (packets.py), each needed group of pictures is decoded once and only up to the last wanted frame, and what
comes out is held against the plan. Files that no plan can describe (damaged packets, streams cut out of the middle)
are decoded whole; AVI has no presentation times and is counted.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from modeling.data.images import Picture
from tasks.fetching.opening import VideoFile
from tasks.video.decoding import VideoError, demux, ends_early, opened, to_rgb
from tasks.video.in_order import breaks_off, read_by_count, read_whole
from tasks.video.moments import Moment, Reading, Shown, T
from tasks.video.packets import Packets, read_packets

if TYPE_CHECKING:
    from tasks.fetching.range_file import RangeFile

__all__ = ["Moment", "Reading", "Shown", "VideoError", "read_moments"]


def read_moments(
    path: VideoFile, moments: Sequence[Moment], keep: Callable[[Picture], T], *, size_px: int | None = None
) -> Reading[T]:
    """Return the frames on screen at `moments`; each is passed once through `keep` as uint8 RGB [H, W, 3], upright.

    `size_px` squashes them to a square before. VideoError when the file as a whole cannot be read, FetchError when it
    cannot be had; single moments that it does not hold have their own error.
    """
    try:
        return _read(path, moments, lambda frame: keep(to_rgb(frame, size_px)))
    except av.error.FFmpegError as error:
        raise VideoError("undecodable", f"{path.name}: {error}.") from error


def _read(path: VideoFile, moments: Sequence[Moment], keep: Callable[[VideoFrame], T]) -> Reading[T]:
    if not isinstance(path, Path):
        indexed = _read_by_index(path, moments, keep)
        if indexed is not None:
            return indexed
    with opened(path) as (container, stream):
        packets = read_packets(container, stream, ends_early(path, stream))
        is_counted = container.format.name == "avi" or all(pts is None for pts in packets.pts)
        if packets.is_trusted and not is_counted:
            planned = _read_by_plan(container, stream, packets, moments, keep)
            if planned is not None:
                return planned
    with opened(path) as (container, stream):  # anew: not every container goes back to its very first packet
        if is_counted:
            return read_by_count(container, stream, packets, moments, keep)
        return read_whole(container, stream, packets, moments, keep)


def _read_by_index(file: "RangeFile", moments: Sequence[Moment], keep: Callable[[VideoFrame], T]) -> Reading[T] | None:
    """Fetch and decode what the file's index says is needed; None when it has none that serves: read it whole then."""
    from tasks.video.remote_index import media_spans, read_index

    media = media_spans(file)
    with opened(file) as (container, stream):
        file.hollow = media
        index = read_index(file, container, stream)
    if index is not None:
        packets = index.packets
        shown = (packets.index_of(moment.index, moment.exact_s) for moment in moments)
        places = {packets.position[packets.shown[each]] for each in shown if each is not None}
        file.prefetch(index.spans(packets.ranges(places)))
        with opened(file) as (container, stream):
            reading = _read_by_plan(container, stream, packets, moments, keep)
        if reading is not None:
            return reading
    file.read_whole()
    return None


def _read_by_plan(
    container: InputContainer,
    stream: VideoStream,
    packets: Packets,
    moments: Sequence[Moment],
    keep: Callable[[VideoFrame], T],
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
                    index=index, pts_s=float(packets.shown[index] * packets.time_base), kept=keep(frame)
                )
        if missing:
            return None
    return Reading(
        outcomes=[breaks_off() if index is None else shown[index] for index in indices],
        first_pts_s=packets.shown[0] * packets.time_base,
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
        with suppress(av.error.FFmpegError):  # refused: read on from where the file stands
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
