"""What is asked of a video and what comes of it: moments -> the frames shown at them."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Generic, Literal, TypeVar

from tasks.video.cropping import Crop
from tasks.video.decoding import Decoded, VideoError
from tasks.video.tone_mapping import hdr_kind

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A moment of a video, by time or by number of frame."""

    time_s: float | None = None
    """Seconds from the first shown frame."""
    index: int | None = None
    """Number of the shown frame, from 0; taken instead of the time where given."""

    shift_s: Fraction = Fraction(0)
    """What is taken off the time: where times count from the container's start, how much later the first frame is."""

    @property
    def exact_s(self) -> Fraction:
        """The time as the decimal number that was written: 0.3 s is frame 9 at 30 fps, whatever float makes of it."""
        return Fraction(repr(float(self.time_s or 0.0))) - self.shift_s


@dataclass(frozen=True, kw_only=True)
class Shown(Generic[T]):
    """The frame on screen at a moment."""

    index: int
    """Number of the frame in presentation order, from 0."""
    pts_s: float
    """Its presentation time in the container, in seconds; in AVI number / rate."""
    kept: T
    """What the caller keeps of the picture."""
    is_interlaced: bool = False
    """The stream says that the frame holds two fields."""
    hdr: str = ""
    """hlg or pq where the frame was tone-mapped from it."""

    @classmethod
    def of(cls, decoded: Decoded, index: int, pts_s: float, keep: Callable[[Decoded], T]) -> "Shown[T]":
        """Return a decoded frame as the one shown at a moment."""
        return cls(
            index=index,
            pts_s=pts_s,
            kept=keep(decoded),
            is_interlaced=decoded.frame.interlaced_frame,
            hdr=hdr_kind(decoded.frame.color_trc),
        )


@dataclass(frozen=True, kw_only=True)
class Film:
    """What is known of a video beside its pictures."""

    stream_index: int
    """Number of the stream in the container."""
    num_streams: int
    """Video streams among which it was chosen."""
    late_s: Fraction = Fraction(0)
    """How much later than the container's start its first frame is shown."""
    frame_s: Fraction = Fraction(0)
    """How long a frame is shown mostly."""
    tolerance_s: Fraction = Fraction(0)
    """Half a tick of the clock, by which a time may miss a frame's and means it still; 0 where ticks are frames."""
    crop: Crop | None = None
    """What the container says to cut off its pictures."""
    length_s: Fraction | None = None
    """From its first frame to the end of its last; None where reading did not come to the end."""
    num_frames: int | None = None
    """Frames shown; None likewise."""


@dataclass(frozen=True, kw_only=True)
class Reading(Generic[T]):
    """What came of reading a video."""

    outcomes: list[Shown[T] | VideoError]
    """One for each moment, in their order."""
    first_pts_s: Fraction
    """Presentation time of the first shown frame, from which moments count."""
    num_decoded: int
    """Frames that the decoder gave out."""
    film: Film
    """What is known of the video."""
    method: Literal["plan", "whole", "count"]
    """plan: groups of pictures chosen by packets; whole: everything; count: from the start on."""
