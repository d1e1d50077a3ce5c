"""Decoded frames, of which some have no presentation time -> the time of each: a frame's duration after the one before.

Transport streams may give times to a part of their pictures only (ISO/IEC 13818-1 wants one in 0.7 s), and Matroska
loses negative ones. The ffmpeg program continues in the same way. Where the next given time does not fit, that is an
error, and nothing is guessed.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction

from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from tasks.video.decoding import VideoError

Ticks = int | Fraction


def timed(frames: Iterable[VideoFrame], stream: VideoStream) -> Iterator[tuple[VideoFrame, Fraction]]:
    """Yield (frame, ticks since the first frame).

    VideoError when a frame has no time, and none follows from the frames around it.
    """
    rate, time_base = stream.average_rate, Fraction(stream.time_base or 1)
    exact = 1 / (rate * time_base) if rate else Fraction(0)
    start: Fraction | None = None  # the first frame's time on the stream's clock, once it is known
    ahead = Fraction(0)  # where the next frame is expected
    is_expected = False  # the frame before had no time of its own
    for frame in frames:
        # The stream's rate, where the frame's duration is this rate in whole ticks.
        step = exact if abs(exact - frame.duration) <= 1 else Fraction(frame.duration)
        if frame.pts is None:
            ticks = ahead
        else:
            is_first = start is None
            if start is None:
                start = frame.pts - ahead
            ticks = frame.pts - start
            if is_expected and not is_first and abs(ticks - ahead) > step / 2:
                raise _missing()
        is_expected = frame.pts is None
        if is_expected and not step:
            raise _missing()
        ahead = ticks + step
        yield frame, ticks


def _missing() -> VideoError:
    return VideoError(
        "times_missing", "Some frames have no time, and those around them do not tell it. Encode the video anew."
    )
