"""What is asked of a video and what comes of it: moments -> the frames shown at them."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Generic, Literal, TypeVar

from tasks.video.decoding import VideoError

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
    first_pts_s: Fraction
    """Presentation time of the first shown frame, from which moments count."""
    num_decoded: int
    """Frames that the decoder gave out."""
    method: Literal["plan", "whole", "count"]
    """plan: groups of pictures chosen by packets; whole: everything; count: from the start on."""
