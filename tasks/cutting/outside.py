"""A segment + facts about its film -> a reason to leave it out, or whether its end is clamped.

Times of the uncut film, or milliseconds and microseconds read as seconds, are after the video's end: both frames would
be its last one. A segment that starts in the video and ends after it is cut off at the video's end.
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
    """Return the message for a segment that starts after the video's end; None for others."""
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
    """Tell whether a segment ends after the video's end, so that the last frame replaces its end."""
    if segment.stop_frame is not None:
        return film.num_frames is not None and segment.stop_frame >= film.num_frames
    return film.length_s is not None and Moment(time_s=segment.stop_s).exact_s > film.length_s + film.tolerance_s


def is_late(film: Film) -> bool:
    """Tell whether a video's first frame comes more than one frame after the container's start."""
    return film.late_s > max(film.frame_s, Fraction(1, 1000))


def facts_of(rows: Iterable[Record]) -> dict[str, Any]:
    """Count unusual properties of pairs, and return the warnings about them."""
    counts: Counter[str] = Counter()
    for row in rows:
        counts["clamped_to_end"] += row["clamped_to_end"]
        counts["interlaced"] += row["is_interlaced"]
        counts["hdr_tone_mapped"] += bool(row["hdr"])
        counts["wide_gamut"] += bool(row["wide_gamut"])
        counts["of_several_streams"] += row["num_video_streams"] > 1
        counts["video_starts_late"] += row["video_starts_late"]
        counts["crop_not_applied"] += bool(row["container_crop"]) and not row["crop_applied"]
    facts: dict[str, Any] = {name: counts[name] for name in COUNTED}
    return facts | {"warnings": [f"{counts[name]} {text}" for name, text in COUNTED.items() if text and counts[name]]}


COUNTED = {
    "clamped_to_end": "pairs end after their video: its last frame was taken.",
    "interlaced": "pairs are of films marked as interlaced. Where they show comb lines: frames.deinterlace=bwdif.",
    "hdr_tone_mapped": "pairs are of HDR films and were tone-mapped (docs/frames.md).",
    "wide_gamut": "pairs are of SDR films with the primaries of BT.2020 or P3. These are not converted, so saturated "
    "colours look paler (docs/frames.md).",
    "of_several_streams": "",
    "video_starts_late": "pairs are of files whose video starts after the container does. Their times count from the "
    "first frame; for times read off a player: frames.time_zero=container.",
    "crop_not_applied": "pairs are of files whose container says that their pictures are to be cropped. They were not; "
    "frames.crop=container does it.",
}
"""Counted property -> the warning after its number; "" gives no warning."""
