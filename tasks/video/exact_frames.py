"""Exact frames of a video: a file + wanted moments -> the frames on screen at these moments.

The frame on screen at a moment is the one with the largest pts that is not later. The needed packets are planned
beforehand (packets.py). Each needed group of pictures is decoded once, and only up to the last wanted frame; the
decoded frames are compared with the plan. Files without a reliable plan (damaged packets, streams cut out of the
middle) are decoded whole. So is AVI, which has decoding times only.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from modeling.data.images import Picture
from tasks.fetching.opening import VideoFile
from tasks.video.cropping import crop_of
from tasks.video.decoding import Decoded, VideoError, deinterlaced, demux, opened, to_rgb
from tasks.video.file_end import ends_early
from tasks.video.in_order import breaks_off, read_by_count, read_whole
from tasks.video.moments import Film, Moment, Reading, Shown, T
from tasks.video.order import lacks_order
from tasks.video.packets import Packets, read_packets
from tasks.video.streams import video_streams

if TYPE_CHECKING:
    from tasks.fetching.range_file import RangeFile

__all__ = ["AS_SHOWN", "How", "Moment", "Reading", "Shown", "VideoError", "read_moments"]


@dataclass(frozen=True, kw_only=True)
class How:
    """The settings that map a moment to a frame."""

    deinterlaces: bool = False
    """Deinterlace interlaced frames by bwdif; such files are then decoded whole."""
    from_container: bool = False
    """Count times from the container's start, as players do, instead of from the first frame."""

    crops: bool = False
    """Cut off what the container says."""

    def cropped(self, keep: Callable[[Decoded], T], film: Film) -> Callable[[Decoded], T]:
        """Return `keep` for frames of the film, with the crop that holds for them."""
        crop = film.crop if self.crops else None
        return keep if crop is None else lambda decoded: keep(replace(decoded, crop=crop))

    def shifted(self, moments: Sequence[Moment], film: Film) -> Sequence[Moment]:
        """Return the moments as counted from the first frame."""
        return [replace(moment, shift_s=film.late_s) for moment in moments] if self.from_container else moments


AS_SHOWN = How()
"""The rules of docs/frames.md, unless told otherwise."""


def read_moments(
    path: VideoFile,
    moments: Sequence[Moment],
    keep: Callable[[Picture], T],
    *,
    size_px: int | None = None,
    how: How = AS_SHOWN,
) -> Reading[T]:
    """Return the frames on screen at `moments`; `keep` is called once per frame with uint8 RGB [H, W, 3], upright.

    `size_px` squashes them to a square before. VideoError when the whole file cannot be read, FetchError when it cannot
    be fetched. A moment that it does not hold has an error of its own.
    """

    def picture(decoded: Decoded) -> T:
        frame = decoded.frame
        if how.deinterlaces and frame.interlaced_frame:
            frame = deinterlaced(decoded.before, frame, decoded.after)
        return keep(to_rgb(frame, size_px, decoded.matrix, decoded.crop))

    try:
        return _read(path, moments, picture, how)
    except av.error.FFmpegError as error:
        raise VideoError("undecodable", f"{path.name}: {error}.") from error


def _read(path: VideoFile, moments: Sequence[Moment], keep: Callable[[Decoded], T], how: How) -> Reading[T]:
    if not isinstance(path, Path):
        indexed = _read_by_index(path, moments, keep, how)
        if indexed is not None:
            return indexed
    with opened(path) as (container, stream):
        packets = read_packets(container, stream, ends_early(path, stream))
        if packets.jumps_back:
            raise VideoError(
                "times_jump_back",
                f"{path.name}: its clock jumps back, so no time is certain. It may be files joined by cat, or several "
                "edits in one file. Give the parts as files of their own, or encode it anew.",
            )
        is_counted = container.format.name == "avi" or lacks_order(path, stream, packets)
        film = _film_of(path, container, stream, packets, is_counted=is_counted)
        moments, keep = how.shifted(moments, film), how.cropped(keep, film)
        if packets.is_trusted and not is_counted:
            planned = _read_by_plan(container, stream, packets, film, moments, keep, how)
            if planned is not None:
                return planned
            is_counted = lacks_order(path, stream, packets)  # decoding may have shown that pictures are reordered
    with opened(path) as (container, stream):  # open it again: not every container can go back to its very first packet
        read = read_by_count if is_counted else read_whole
        return read(container, stream, packets, film, moments, keep)


def _film_of(
    file: VideoFile, container: InputContainer, stream: VideoStream, packets: Packets, *, is_counted: bool
) -> Film:
    """Return the facts about a film that are known before decoding."""
    first = stream.start_time if is_counted else packets.shown[0] if packets.shown else None
    starts = container.start_time is not None and first is not None
    late_s = (first or 0) * packets.time_base - Fraction(container.start_time or 0, av.time_base)
    return Film(
        stream_index=stream.index,
        num_streams=len(video_streams(container)),
        late_s=max(late_s, Fraction(0)) if starts else Fraction(0),
        frame_s=packets.frame_ticks * packets.time_base,
        tolerance_s=packets.tolerance * packets.time_base,
        crop=crop_of(file, container, stream),
    )


def _read_by_index(
    file: "RangeFile", moments: Sequence[Moment], keep: Callable[[Decoded], T], how: How
) -> Reading[T] | None:
    """Fetch and decode the parts that the file's index names; None when no index is usable: then read it whole."""
    from tasks.video.remote_index import media_spans, read_index, turns_itself

    media = media_spans(file)
    with opened(file) as (container, stream):
        file.hollow = media
        index = read_index(file, container, stream)
        codec, extradata = stream.codec_context.codec.canonical_name, stream.codec_context.extradata or b""
        film = _film_of(file, container, stream, index.packets, is_counted=False) if index is not None else None
    if index is not None and film is not None:
        packets = index.packets
        moments, keep = how.shifted(moments, film), how.cropped(keep, film)
        shown = (packets.index_of(moment.index, moment.exact_s) for moment in moments)
        places = {packets.position[packets.shown[number]] for number in shown if number is not None}
        file.prefetch(index.spans(packets.ranges(places)))
        if not turns_itself(file, codec, extradata, index.extents):
            with opened(file) as (container, stream):
                reading = _read_by_plan(container, stream, packets, film, moments, keep, how)
            if reading is not None:
                return reading
    file.read_whole()
    return None


def _read_by_plan(
    container: InputContainer,
    stream: VideoStream,
    packets: Packets,
    film: Film,
    moments: Sequence[Moment],
    keep: Callable[[Decoded], T],
    how: How,
) -> Reading[T] | None:
    """Decode by the plan; None when the frames differ from the plan, or need their neighbours."""
    indices = [packets.index_of(moment.index, moment.exact_s) for moment in moments]
    places = {packets.position[packets.shown[index]]: index for index in indices if index is not None}
    in_order = sorted(places)
    shown: dict[int, Shown[T]] = {}
    num_decoded = 0
    for first, last in packets.ranges(places):
        wanted = set(in_order[bisect_left(in_order, first) : bisect_right(in_order, last)])
        missing = {packets.pts[place]: places[place] for place in wanted}
        latest: int | None = None
        for frame in _decode_range(container, stream, packets, first, last, wanted):
            if frame is None or frame.is_corrupt or (how.deinterlaces and frame.interlaced_frame):
                return None
            if latest is not None and frame.pts is not None and frame.pts <= latest:
                return None
            latest = frame.pts
            num_decoded += 1
            index = missing.pop(frame.pts, None)
            if index is not None:
                shown[index] = Shown.of(
                    Decoded(frame=frame), index, float(packets.shown[index] * packets.time_base), keep
                )
        if missing:
            return None
    if not packets.is_truncated:
        ticks = packets.shown[-1] - packets.shown[0] + (packets.last_ticks or packets.frame_ticks)
        film = replace(film, length_s=ticks * packets.time_base, num_frames=len(packets.shown))
    return Reading(
        outcomes=[breaks_off() if index is None else shown[index] for index in indices],
        first_pts_s=packets.shown[0] * packets.time_base,
        num_decoded=num_decoded,
        film=film,
        method="plan",
    )


def _decode_range(
    container: InputContainer, stream: VideoStream, packets: Packets, first: int, last: int, wanted: set[int]
) -> Iterator[VideoFrame | None]:
    """Yield the frames of the packets [first, last] without those that are not needed; None: not as planned."""
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
                # The decoder now returns the frames that it kept for reordering: no packet after the last is decoded.
                yield from decoder.decode(None)
                return
        except av.error.InvalidDataError:
            yield None
            return
    yield None


def _packets_from(
    container: InputContainer, stream: VideoStream, packets: Packets, first: int
) -> Iterator[tuple[int, av.Packet]]:
    """Yield (place, packet) from the packet at place `first` on; a seek may land before or after it."""
    target = (packets.pts[first], packets.dts[first])
    for seek_to in packets.seek_times(first):
        with suppress(av.error.FFmpegError):  # refused: continue at the present position
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
