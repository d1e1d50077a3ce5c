"""Is a segment within its video? A segment + what is known of the film -> a reason to leave it out, or clamped.

Times of the uncut film, milliseconds or microseconds taken for seconds lie behind the video's end: both frames would be
its last one. A segment that starts in the video and ends behind it ends with the video.
"""

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from tasks.annotations.segment import Segment
from tasks.artifacts.artifact import Record
from tasks.video.moments import Film, Moment

STARTS_BEHIND_VIDEO = "starts_behind_video"


def starts_behind(segment: Segment, film: Film, name: str) -> str | None:
    """Return the message of a segment that starts when the video has ended, None for others."""
    if segment.start_frame is not None:
        if film.num_frames is None or segment.start_frame < film.num_frames:
            return None
        return (
            f"{name}: the segment starts with frame {segment.start_frame}, and the video has {film.num_frames} frames, "
            "numbered from 0. Are the numbers those of this file?"
        )
    if segment.is_whole_clip or film.length_s is None or Moment(time_s=segment.start_s).exact_s < film.length_s:
        return None
    return (
        f"{name}: the segment starts at {segment.start_s:.10g} s, and the video lasts {float(film.length_s):.10g} s. "
        "Are its times seconds, and of this file?"
    )


def is_clamped(segment: Segment, film: Film) -> bool:
    """Tell whether a segment ends behind the video's end, so that the last frame stands for it."""
    if segment.stop_frame is not None:
        return film.num_frames is not None and segment.stop_frame >= film.num_frames
    return film.length_s is not None and Moment(time_s=segment.stop_s).exact_s > film.length_s + film.tolerance_s


def is_late(film: Film) -> bool:
    """Tell whether a video's first frame comes more than one frame after the container's start."""
    return film.late_s > max(film.frame_s, Fraction(1, 1000))


def facts_of(rows: Iterable[Record]) -> dict[str, Any]:
    """Count what is unusual about pairs, and say what must be known of it."""
    counts: Counter[str] = Counter()
    for row in rows:
        counts["clamped_to_end"] += row["clamped_to_end"]
        counts["interlaced"] += row["is_interlaced"]
        counts["hdr_tone_mapped"] += bool(row["hdr"])
        counts["of_several_streams"] += row["num_video_streams"] > 1
        counts["video_starts_late"] += row["video_starts_late"]
        counts["crop_not_applied"] += bool(row["container_crop"]) and not row["crop_applied"]
    facts: dict[str, Any] = {name: counts[name] for name in COUNTED}
    return facts | {"warnings": [f"{counts[name]} {text}" for name, text in COUNTED.items() if text and counts[name]]}


COUNTED = {
    "clamped_to_end": "pairs end behind their video: its last frame was taken.",
    "interlaced": "pairs are of films marked as interlaced. Where they show comb lines: frames.deinterlace=bwdif.",
    "hdr_tone_mapped": "pairs are of HDR films and were tone-mapped (docs/frames.md).",
    "of_several_streams": "",
    "video_starts_late": "pairs are of files whose video starts after the container does. Their times count from the "
    "first frame; for times read off a player: frames.time_zero=container.",
    "crop_not_applied": "pairs are of files whose container says that their pictures are to be cropped. They were not; "
    "frames.crop=container does it.",
}
"""What is counted over all pairs, and what the warning says after the number; "" warns of nothing."""
