"""Frames picked while a video is decoded from its start, for files whose packets do not tell the shown frames."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor
from typing import Generic

from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from tasks.video.decoding import Decoded, Matrix, VideoError, decode, matrix_of
from tasks.video.frame_times import Ticks, timed
from tasks.video.moments import Film, Moment, Reading, Shown, T
from tasks.video.packets import Packets
from tasks.video.rounding import MICROSECOND


def read_whole(
    container: InputContainer,
    stream: VideoStream,
    packets: Packets,
    film: Film,
    moments: Sequence[Moment],
    keep: Callable[[Decoded], T],
) -> Reading[T]:
    """Decode from the start and count the frames that libav shows; the frames give the times."""

    start: Ticks | None = None
    num_untimed = 0

    def clocked() -> Iterator[tuple[VideoFrame, Ticks, float]]:
        nonlocal start, num_untimed
        for frame, ticks in timed(decode(container, stream, is_truncated=packets.is_truncated), stream):
            if start is None and frame.pts is not None:
                start = frame.pts - ticks
            num_untimed += start is None
            yield frame, ticks, float(((start or 0) + ticks) * packets.time_base)

    limits = [
        ("number", moment.index) if moment.index is not None else ("ticks", packets.ticks_of(moment.exact_s))
        for moment in moments
    ]
    picked = _pick(clocked(), limits, keep)
    first_pts_s = (start or 0) * packets.time_base
    for place, outcome in enumerate(picked.outcomes):
        if num_untimed and isinstance(outcome, Shown) and outcome.index < num_untimed:
            picked.outcomes[place] = replace(outcome, pts_s=float(first_pts_s) + outcome.pts_s)
    if packets.horizon is not None and packets.shown:
        known_ticks = packets.horizon - packets.shown[0]
        picked.drop(place for place, (clock, limit) in enumerate(limits) if clock == "ticks" and limit > known_ticks)
        picked.drop(place for place in picked.at_end if limits[place][0] == "number")
    return Reading(
        outcomes=picked.outcomes,
        first_pts_s=first_pts_s,
        num_decoded=picked.num_seen,
        film=_ended(film, picked, packets),
        method="whole",
    )


def read_by_count(
    container: InputContainer,
    stream: VideoStream,
    packets: Packets,
    film: Film,
    moments: Sequence[Moment],
    keep: Callable[[Decoded], T],
) -> Reading[T]:
    """Decode from the start by libav's decoding times, where there are no presentation times; without any, count.

    In AVI a chunk may be empty (the picture before stays) and the rate may be a common multiple of others, so a time is
    no number of frames. A frame's time is that of the packet with which the decoder returned it, as in the ffmpeg
    program; the delay of reordering is the same for all frames and cancels out.
    """
    clock = _Clock.of(stream, packets)
    limits = [
        ("number", moment.index) if moment.index is not None else ("ticks", clock.ticks_of(moment.exact_s))
        for moment in moments
    ]
    decoded = decode(container, stream, is_truncated=packets.is_truncated)
    picked = _pick(clock.frames(decoded), limits, keep)
    if packets.is_truncated:
        # Missing frames at the end may come before the last existing frames.
        num_known = picked.num_seen - stream.codec_context.reorder_depth if picked.at_end else picked.num_seen
        missing_from = picked.num_ticks + (num_known - picked.num_seen + 1) * clock.frame_ticks
        ends = {"number": num_known, "ticks": missing_from}
        picked.drop(place for place, (kind, limit) in enumerate(limits) if limit >= ends[kind])
    elif picked.at_end:
        # Empty chunks at the end keep the last picture on screen.
        last = (
            max((index_entry.timestamp + 1 for index_entry in stream.index_entries), default=0)
            if clock.has_times
            else 0
        )
        ticks = max(picked.num_ticks + clock.frame_ticks, last)
        film = replace(film, length_s=ticks * clock.tick_s, num_frames=picked.num_seen)
    return Reading(
        outcomes=picked.outcomes, first_pts_s=Fraction(0), num_decoded=picked.num_seen, film=film, method="count"
    )


@dataclass(frozen=True, kw_only=True)
class _Clock:
    """The times of the frames of a stream without presentation times."""

    has_times: bool
    """True when packets have decoding times; otherwise a tick is a frame."""
    tick_s: Fraction
    frame_ticks: int
    tolerance: Fraction

    @classmethod
    def of(cls, stream: VideoStream, packets: Packets) -> "_Clock":
        if any(dts is not None for dts in packets.dts):
            steps = packets.frame_ticks or 1
            return cls(has_times=True, tick_s=packets.time_base, frame_ticks=steps, tolerance=packets.tolerance)
        # The stream's own rate; without one, libav's demuxers say 25 of raw streams.
        rate = stream.codec_context.framerate or stream.average_rate or stream.guessed_rate
        if not rate:
            raise VideoError("no_frame_rate", "The file has neither presentation times nor a frame rate.")
        return cls(has_times=False, tick_s=1 / rate, frame_ticks=1, tolerance=MICROSECOND * rate)

    def ticks_of(self, time_s: Fraction) -> int:
        return floor(time_s / self.tick_s + self.tolerance)

    def frames(self, decoded: Iterable[VideoFrame]) -> Iterator[tuple[VideoFrame, int, float]]:
        """Yield (frame, ticks since the first, seconds since the first)."""
        start: int | None = None
        ticks = 0
        for number, frame in enumerate(decoded):
            if not self.has_times:
                ticks = number
            elif frame.dts is not None:
                start = frame.dts if start is None else start
                ticks = max(frame.dts - start, ticks)
            elif number:  # the last frames, which the decoder returns without a further packet
                ticks += self.frame_ticks
            yield frame, ticks, float(ticks * self.tick_s)


def _ended(film: Film, picked: "_Picked[T]", packets: Packets) -> Film:
    """Return the facts about a film, with its end if decoding reached it."""
    if not picked.at_end or packets.is_truncated:
        return film
    ticks = picked.num_ticks + (packets.last_ticks or packets.frame_ticks)
    return replace(film, length_s=ticks * packets.time_base, num_frames=picked.num_seen)


@dataclass(kw_only=True)
class _Picked(Generic[T]):
    """Frames picked while decoding in order."""

    outcomes: list[Shown[T] | VideoError]
    """One result per moment."""
    at_end: set[int]
    """Places of the moments that no later frame followed."""
    num_seen: int = 0
    """Frames decoded."""
    num_ticks: Ticks = 0
    """Time of the last of them, in ticks since the first."""

    def drop(self, places: Iterable[int]) -> None:
        """Remove the results of moments that a broken-off file does not hold."""
        for place in places:
            self.outcomes[place] = breaks_off()


@dataclass(frozen=True, kw_only=True)
class _OnScreen:
    """A frame in its order."""

    decoded: Decoded
    number: int
    ticks: Ticks
    pts_s: float

    def shown(self, keep: Callable[[Decoded], T], after: VideoFrame | None) -> Shown[T]:
        return Shown.of(replace(self.decoded, after=after), self.number, self.pts_s, keep)


def _pick(
    frames: Iterable[tuple[VideoFrame, Ticks, float]],
    limits: Sequence[tuple[str, int]],
    keep: Callable[[Decoded], T],
) -> _Picked[T]:
    """Pick, from (frame, ticks since the first, pts_s) in order, the last frame within each limit on number or ticks.

    A limit before the first frame gives the first frame, a limit after the last frame the last. Decoding ends with the
    last limit.
    """
    picked: dict[int, Shown[T]] = {}
    # Latest first, so that each frame looks at the next one due only: 10 000 segments of hours are no rarity.
    queues: dict[str, list[int]] = {"number": [], "ticks": []}
    for place in sorted(range(len(limits)), key=lambda place: -limits[place][1]):
        queues[limits[place][0]].append(place)
    last: _OnScreen | None = None
    for now in _in_order(frames):
        due = set()
        for clock, reached in (("number", now.number), ("ticks", now.ticks)):
            while queues[clock] and limits[queues[clock][-1]][1] < reached:
                due.add(queues[clock].pop())
        if due:
            shown = last.shown(keep, now.decoded.frame) if last is not None else now.shown(keep, None)
            picked |= dict.fromkeys(due, shown)
        last = now
        if not any(queues.values()):
            break
    if last is None:
        raise VideoError("no_frames", "No frame of the video can be decoded.")
    waiting = {place for queue in queues.values() for place in queue}
    if waiting:
        picked |= dict.fromkeys(waiting, last.shown(keep, None))
    outcomes: list[Shown[T] | VideoError] = [picked[place] for place in range(len(limits))]
    return _Picked(outcomes=outcomes, at_end=waiting, num_seen=last.number + 1, num_ticks=last.ticks)


def _in_order(frames: Iterable[tuple[VideoFrame, Ticks, float]]) -> Iterator[_OnScreen]:
    """Number the frames, and add to each the last display matrix and the frame before it."""
    matrix: Matrix | None = None
    before: VideoFrame | None = None
    for number, (frame, ticks, pts_s) in enumerate(frames):
        own = matrix_of(frame)
        matrix = own if own is not None else matrix
        yield _OnScreen(
            decoded=Decoded(frame=frame, matrix=matrix, before=before), number=number, ticks=ticks, pts_s=pts_s
        )
        before = frame


def breaks_off() -> VideoError:
    """Return the error of a moment that a broken-off file does not hold."""
    return VideoError("truncated", "The file breaks off before this moment. Fetch it again.")
