"""One labelled action of a video, the common record of all annotation readers.

Also the checks that the readers share, because anybody may have written an annotation file.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from modeling.atomic import atomic_file
from tasks.artifacts.artifact import Record

UNKNOWN_S = math.nan
"""A time that the annotation does not give in seconds."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """The part of a video in which one action is done."""

    segment_id: str
    """Key of the pair everywhere: letters, digits, "_" and "-" only."""
    video_id: str
    """The video's id, or its file name."""
    start_s: float
    """Start, in seconds from the first shown frame; NaN where only frames are counted, or the whole clip is meant."""
    stop_s: float
    """End, in seconds, as `start_s`. Stage frames replaces NaN by the times of the frames."""
    start_frame: int | None = None
    """Number of the first frame from 0, where the annotation counts frames of the video itself; it then decides."""
    stop_frame: int | None = None
    """Number of the last frame from 0, as `start_frame`."""
    instruction: str
    """The instruction that the model gets."""
    verb: str = ""
    """The verb with its particle: "take", "turn on"."""
    object: str = ""
    """The object of the action."""
    start_point: str = ""
    """The place from which the object is taken."""
    end_point: str = ""
    """The place to which the object is brought."""
    group: str = ""
    """The participant, subject or video. All pairs of one group go to training, or all to testing."""
    overlaps: bool = False
    """Another segment of the same video overlaps this one."""

    @property
    def is_whole_clip(self) -> bool:
        """It lasts from the video's first frame to its last."""
        return self.start_frame is None and math.isnan(self.start_s)

    @property
    def span(self) -> tuple[float, float]:
        """Start and stop in the unit of the segment: seconds, else frames, else the whole clip."""
        if not math.isnan(self.start_s):
            return self.start_s, self.stop_s
        if self.start_frame is not None and self.stop_frame is not None:
            return self.start_frame, self.stop_frame
        return -math.inf, math.inf


SCHEMA = pa.schema(
    [
        pa.field("segment_id", pa.string(), nullable=False),
        pa.field("video_id", pa.string(), nullable=False),
        pa.field("start_s", pa.float64(), nullable=False),
        pa.field("stop_s", pa.float64(), nullable=False),
        pa.field("start_frame", pa.int64()),
        pa.field("stop_frame", pa.int64()),
        *(
            pa.field(name, pa.string(), nullable=False)
            for name in ("instruction", "verb", "object", "start_point", "end_point", "group")
        ),
        pa.field("overlaps", pa.bool_(), nullable=False),
    ]
)
"""Columns of segments.parquet."""


ROWS_OF_A_GROUP = 100_000
"""Largest number of rows that are written to segments.parquet at once."""
TEXT_OF_A_GROUP = 1 << 26
"""Characters of texts that are written to segments.parquet at once, about; a text alone has up to 10 000."""
MAX_REJECTED = 2_000
"""Characters of a text that are kept in the record of a rejected row."""


@dataclass(kw_only=True)
class Annotations:
    """The result of reading an annotation file."""

    segments: list[Segment] = field(default_factory=list)
    """The rows kept, in the file's order."""
    rejected: list[Record] = field(default_factory=list)
    """The other rows, with `row` (from 1), `status`, `reason` and the fields that identify them."""
    funnel: dict[str, int] = field(default_factory=dict)
    """Rows left after each step, in order."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Counts and warnings worth keeping."""

    def reject(self, row: int, status: str, reason: str, **what: object) -> None:
        """Note a row that is not kept."""
        plain = {name: _writable(value) if isinstance(value, str) else value for name, value in what.items()}
        self.rejected.append({"row": row, **plain, "status": status, "reason": reason})


MAX_NAME_BYTES = 240
"""Largest name of a video or of a folder.

A file system takes 255 bytes, and a download's name ends in .part.json while it grows.
"""
MAX_VIDEO_ID = 1_000
"""Characters of a video's name with its folders."""


def _writable(text: str) -> str:
    """Return a text that can be written: halves of surrogate pairs become escapes, and a long text is cut."""
    return text[:MAX_REJECTED].encode(errors="backslashreplace").decode()


def is_safe_video_id(video_id: str) -> bool:
    """Tell whether a video id can name a file in a folder or its subfolders, without leaving the folder or naming
    hidden files.

    >>> [is_safe_video_id(name) for name in ("P01_102", "my clip.mp4", "P01/clip.mp4", "../../x", "/a", ".x", "a//b")]
    [True, True, True, False, False, False, False]
    >>> [is_safe_video_id(name) for name in ("", "x" * 300, "a/../b", "a/", "a\\\\b", "a/.b")]
    [False, False, False, False, False, False]
    """
    if len(video_id) > MAX_VIDEO_ID or not video_id.isprintable() or "\\" in video_id:
        return False
    parts = video_id.split("/")
    if any(len(part.encode(errors="replace")) > MAX_NAME_BYTES for part in parts):
        return False
    return all(part and not part.startswith((".", "~")) for part in parts)


def segment_id_of(video_id: str, place: str) -> str:
    r"""Return the key of a segment: the video's id in plain characters and its place in the annotation.

    >>> segment_id_of("media3__sample.mp4", "000007")
    'media3__sample_mp4-000007'
    """
    return f"{re.sub(r'[^A-Za-z0-9_-]', '_', video_id)}-{place}"


def has_good_times(start: float | None, stop: float | None) -> bool:
    """Tell whether a segment's times are numbers, not negative, and in order."""
    if start is None or stop is None or not (math.isfinite(start) and math.isfinite(stop)):
        return False
    return 0 <= start < stop


def mark_overlaps(segments: list[Segment]) -> list[Segment]:
    """Return the segments, in their order, with `overlaps` set; segments that only touch do not overlap."""
    by_video: dict[str, list[int]] = defaultdict(list)
    for place, segment in enumerate(segments):
        by_video[segment.video_id].append(place)
    overlapping: set[int] = set()
    for places in by_video.values():
        places.sort(key=lambda place: segments[place].span)
        latest = places[0]  # the earlier segment that stops last
        for place in places[1:]:
            if segments[place].span[0] < segments[latest].span[1]:
                overlapping |= {latest, place}
            if segments[place].span[1] > segments[latest].span[1]:
                latest = place
    return [replace(segment, overlaps=place in overlapping) for place, segment in enumerate(segments)]


def write_segments(path: Path, segments: list[Segment]) -> None:
    """Write segments as Parquet with SCHEMA, atomically; equal segments give equal bytes."""
    with atomic_file(path) as temporary, pq.ParquetWriter(temporary, SCHEMA) as writer:
        for group in _in_groups(segments):
            rows = [asdict(segment) for segment in group]
            writer.write_table(pa.Table.from_pylist(rows, schema=SCHEMA))


def _in_groups(segments: list[Segment]) -> Iterator[list[Segment]]:
    """Yield the segments in groups of bounded size, at least one: a table of all of them would be in memory three times
    over, and a reader takes the memory of a whole group.
    """
    group: list[Segment] = []
    size = 0
    for segment in segments:
        group.append(segment)
        size += len(segment.instruction) + len(segment.verb) + len(segment.object)
        size += len(segment.start_point) + len(segment.end_point) + len(segment.video_id) + len(segment.group)
        if len(group) >= ROWS_OF_A_GROUP or size >= TEXT_OF_A_GROUP:
            yield group
            group, size = [], 0
    if group or not segments:
        yield group


def read_segments(path: Path) -> list[Segment]:
    """Read what `write_segments` wrote."""
    return [Segment(**row) for row in pq.read_table(path, schema=SCHEMA).to_pylist()]
