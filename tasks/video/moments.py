"""The records of a reading: moments of a video, and the frames shown at them."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Generic, Literal, TypeVar

from tasks.video.cropping import Crop
from tasks.video.decoding import Decoded, VideoError
from tasks.video.tone_mapping import hdr_kind, wide_gamut

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A moment of a video, by time or by number of frame."""

    time_s: float | None = None
    """Seconds from the first shown frame."""
    index: int | None = None
    """Number of the shown frame, from 0; where given, it is used instead of the time."""

    shift_s: Fraction = Fraction(0)
    """Seconds to subtract from the time: where times count from the container's start, the delay of the first frame."""

    @property
    def exact_s(self) -> Fraction:
        """The time as the written decimal number, without the rounding of floats: 0.3 s is frame 9 at 30 fps."""
        return Fraction(repr(float(self.time_s or 0.0))) - self.shift_s


@dataclass(frozen=True, kw_only=True)
class Shown(Generic[T]):
    """The frame on screen at a moment."""

    index: int
    """Number of the frame in presentation order, from 0."""
    pts_s: float
    """Presentation time in the container, in seconds; in AVI number / rate."""
    kept: T
    """The return value of the caller's `keep`."""
    is_interlaced: bool = False
    """True when the stream marks the frame as two fields."""
    hdr: str = ""
    """hlg or pq where the frame was tone-mapped from it."""
    wide_gamut: str = ""
    """bt2020 or p3 where an SDR frame has such primaries; they are not converted."""

    @classmethod
    def of(cls, decoded: Decoded, index: int, pts_s: float, keep: Callable[[Decoded], T]) -> "Shown[T]":
        """Return a decoded frame as the one shown at a moment."""
        return cls(
            index=index,
            pts_s=pts_s,
            kept=keep(decoded),
            is_interlaced=decoded.frame.interlaced_frame,
            hdr=hdr_kind(decoded.frame.color_trc),
            wide_gamut=wide_gamut(decoded.frame.color_primaries, decoded.frame.color_trc),
        )


@dataclass(frozen=True, kw_only=True)
class Film:
    """The facts about a video beside its pictures."""

    stream_index: int
    """Number of the stream in the container."""
    num_streams: int
    """Number of video streams in the file."""
    late_s: Fraction = Fraction(0)
    """Delay of its first frame after the container's start, in seconds."""
    frame_s: Fraction = Fraction(0)
    """Most frequent duration of a frame, in seconds."""
    tolerance_s: Fraction = Fraction(0)
    """A wanted time this close before a frame's time means that frame: half a tick of a clock that rounds, and at least
    a microsecond.
    """
    crop: Crop | None = None
    """The crop that the container states."""
    length_s: Fraction | None = None
    """Seconds from its first frame to the end of its last; None when reading did not reach the end."""
    num_frames: int | None = None
    """Number of shown frames; None when reading did not reach the end."""


@dataclass(frozen=True, kw_only=True)
class Reading(Generic[T]):
    """The result of reading a video."""

    outcomes: list[Shown[T] | VideoError]
    """One result per moment, in their order."""
    first_pts_s: Fraction
    """Presentation time of the first shown frame, from which moments count."""
    num_decoded: int
    """Number of decoded frames."""
    film: Film
    """The facts about the video."""
    method: Literal["plan", "whole", "count"]
    """plan: groups of pictures chosen by packets; whole: everything; count: from the start on."""
