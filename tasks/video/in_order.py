"""Frames picked while a video is decoded from its start: for files whose packets do not tell which frames are shown."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Generic

from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from tasks.video.decoding import VideoError, decode
from tasks.video.moments import Moment, Reading, Shown, T
from tasks.video.packets import Packets


def read_whole(
    container: InputContainer,
    stream: VideoStream,
    packets: Packets,
    moments: Sequence[Moment],
    keep: Callable[[VideoFrame], T],
) -> Reading[T]:
    """Decode from the start and count what libav shows."""

    start: int | None = None

    def clocked() -> Iterator[tuple[VideoFrame, int, float]]:
        nonlocal start
        pts = 0
        for frame in decode(container, stream, is_truncated=packets.is_truncated):
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
    first_pts_s = (start or 0) * packets.time_base
    return Reading(outcomes=picked.outcomes, first_pts_s=first_pts_s, num_decoded=picked.num_seen, method="whole")


def read_by_count(
    container: InputContainer,
    stream: VideoStream,
    packets: Packets,
    moments: Sequence[Moment],
    keep: Callable[[VideoFrame], T],
) -> Reading[T]:
    """Count decoded frames: the frame at time t is number floor(t * rate)."""
    rate = stream.average_rate or stream.guessed_rate
    if not rate:
        raise VideoError("no_frame_rate", "The file has neither presentation times nor a frame rate.")
    limits = [("number", each.index if each.index is not None else int(each.exact_s * rate)) for each in moments]
    numbered = (
        (frame, 0, float(number / rate))
        for number, frame in enumerate(decode(container, stream, is_truncated=packets.is_truncated))
    )
    picked = _pick(numbered, limits, keep)
    if packets.is_truncated:
        # What is missing at the end may have been shown before the last frames that are there.
        num_known = picked.num_seen - stream.codec_context.reorder_depth if picked.at_end else picked.num_seen
        picked.drop(place for place, (_, limit) in enumerate(limits) if limit >= num_known)
    return Reading(outcomes=picked.outcomes, first_pts_s=Fraction(0), num_decoded=picked.num_seen, method="count")


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
            self.outcomes[place] = breaks_off()


def _pick(
    frames: Iterable[tuple[VideoFrame, int, float]],
    limits: Sequence[tuple[str, int]],
    keep: Callable[[VideoFrame], T],
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


def _show(on_screen: tuple[VideoFrame, int, float], keep: Callable[[VideoFrame], T]) -> Shown[T]:
    frame, number, pts_s = on_screen
    return Shown(index=number, pts_s=pts_s, kept=keep(frame))


def breaks_off() -> VideoError:
    """Return the error of a moment that a broken-off file does not hold."""
    return VideoError("truncated", "The file breaks off before this moment. Fetch it again.")
