"""Any other dataset: a table of actions (CSV, JSON lines or Parquet) -> segments.

Columns: video (file name in the videos' folder, or with subfolders), instruction, and start_s, stop_s or start_frame,
stop_frame; a row without any of these is a whole clip. Optional columns: verb, object, start_point, end_point, group;
missing parts are taken from the instruction. (video, start, stop, instruction) identify a row, whatever its capitals
and blanks: a repeated row counts once, and the order of rows has no effect.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from modeling.sheets import MAX_TEXT
from modeling.visible import is_unicode
from tasks.annotations.instructions import as_read, parse_instruction
from tasks.annotations.segment import (
    MAX_NAME_BYTES,
    UNKNOWN_S,
    Annotations,
    Segment,
    has_good_times,
    is_safe_video_id,
    segment_id_of,
)
from tasks.annotations.table_files import Row, rows_of
from tasks.annotations.times import seconds_of, why_no_time
from tasks.artifacts.artifact import digest_of

REQUIRED = ("video", "start_s", "stop_s", "instruction")
SECONDS, FRAMES = ("start_s", "stop_s"), ("start_frame", "stop_frame")
OPTIONAL = ("verb", "object", "start_point", "end_point", "group")
MAX_CHARACTERS = 200_000_000
"""Largest sum of the instructions of a table.

Rows are not kept while they are read, but instructions are; these take about a gigabyte of memory.
"""
MAX_NAME = 100
"""Largest number of characters of a video's name in the keys of its segments."""
_LOOKS_LIKE_TIME = re.compile(r"start|stop|begin|end|time|frame|from|until|onset|second")


@dataclass(frozen=True, kw_only=True)
class Unusable:
    """Why a row gives no segment."""

    reason: str
    column: str
    said: str
    """The error of the cell and the remedy."""


def read_table(path: Path) -> Annotations:
    """Read a table; rows fail for bad_cell, unsafe_video_id, no_instruction and bad_times; duplicates are filtered.

    ValueError, which names file, column and row, for what is no table, lacks a column, or gives frames beside seconds.
    """
    annotations = Annotations(funnel={"rows": 0})
    first_of: dict[str, str] = {}
    num_characters = 0
    with rows_of(path) as (columns, rows):
        if columns is not None:
            _check_columns(columns, str(path))
        for number, (where, row) in enumerate(rows, start=1):
            if columns is None:
                _check_columns(row, f"{path}: {where}")
            annotations.funnel["rows"] += 1
            outcome = _segment(row, f"{path}: {where}")
            if isinstance(outcome, Segment):
                first = first_of.setdefault(outcome.segment_id, where)
                if first is where:
                    annotations.segments.append(outcome)
                    num_characters += len(outcome.instruction)
                    if num_characters > MAX_CHARACTERS:
                        raise ValueError(
                            f"{path}: the instructions up to {where} have more than {MAX_CHARACTERS} characters, which "
                            "are kept in memory. Shorten them, or split the table."
                        )
                    continue
                message = f"{path.name}: {where} repeats {first}: the same video, times and instruction."
                annotations.reject(number, "filtered", "duplicate_segment", video_id=outcome.video_id, message=message)
                continue
            message = f"{path.name}: {where}, column {outcome.column}: {outcome.said}."
            video_id = str(row.get("video"))[:200]
            annotations.reject(number, "failed", outcome.reason, video_id=video_id, message=message)
    if not annotations.funnel["rows"]:
        raise ValueError(f"{path}: there is no row in this table. Write one for each action.")
    _count(annotations)
    return annotations


def _count(annotations: Annotations) -> None:
    """Fill in the funnel and the facts from the kept and the rejected rows."""
    reasons = [row["reason"] for row in annotations.rejected]
    duplicates = reasons.count("duplicate_segment")
    num_distinct = annotations.funnel["rows"] - duplicates
    num_unnamed = sum(reason in ("bad_cell", "no_instruction", "unsafe_video_id") for reason in reasons)
    annotations.funnel |= {"distinct": num_distinct} if duplicates else {}
    annotations.funnel |= {
        "with_text": num_distinct - num_unnamed,
        "with_times": len(annotations.segments),
    }
    whole = sum(segment.is_whole_clip for segment in annotations.segments)
    annotations.facts = {
        "num_whole_clips": whole,
        "num_counted_in_frames": sum(segment.start_frame is not None for segment in annotations.segments),
        "warnings": [
            *([f"{duplicates} rows repeat others and are left out."] if duplicates else []),
            *([f"{whole} rows have no times: each stands for its whole video."] if whole else []),
        ],
    }


def _check_columns(names: Iterable[str], where: str) -> None:
    """Raise ValueError when a column is missing, or when an unknown column seems to hold times."""
    there = list(names)
    timed = [name for name in there if name in SECONDS + FRAMES]
    wanted = ["video", *(FRAMES if any(name in FRAMES for name in timed) else SECONDS if timed else ()), "instruction"]
    unknown = [name for name in there if name not in OPTIONAL and _LOOKS_LIKE_TIME.search(name)]
    if not timed and (unknown or "video" not in there or "instruction" not in there):
        wanted = list(REQUIRED)
    missing = [name for name in wanted if name not in there]
    if missing:
        raise ValueError(
            f"{where}: column {missing[0]!r} is missing; there are {', '.join(there)[:500] or 'none'}. The first line "
            f"names the columns. A table has {', '.join(REQUIRED)}, or start_frame and stop_frame in place of seconds, "
            f"or no times where each row is a whole clip; it may have {', '.join(OPTIONAL)}."
        )


def _segment(row: Row, where: str) -> Segment | Unusable:
    """Return the segment of a row, or the reason there is none."""
    for name in ("video", "instruction", *SECONDS, *FRAMES, *OPTIONAL):
        if isinstance(row.get(name), list | dict | bytes):
            said = f"{str(row[name])[:80]!r} is not one text or number. Give one value a cell"
            return Unusable(reason="bad_cell", column=name, said=said)
    texts = {name: _text(row.get(name)) for name in ("video", "instruction", *OPTIONAL)}
    for name, text in texts.items():
        if wrong := _why_no_text(text):
            return Unusable(reason="bad_cell", column=name, said=wrong)
    # Decomposed accents, as a Mac writes them, are the same name.
    video_id = unicodedata.normalize("NFC", texts["video"]).replace("\\", "/").removeprefix("./")
    if not is_safe_video_id(video_id):
        said = f"{video_id[:120]!r} cannot be used. {_remedy_for_name(video_id)}"
        return Unusable(reason="unsafe_video_id", column="video", said=said)
    if not texts["instruction"]:
        return Unusable(reason="no_instruction", column="instruction", said="'' cannot be used. Say what is done")
    times = _times(row, where)
    if isinstance(times, Unusable):
        return times
    parsed = parse_instruction(texts["instruction"], texts["verb"].replace(" ", "-"))
    return Segment(
        segment_id=_segment_id(video_id, times, texts["instruction"]),
        video_id=video_id,
        start_s=times.start_s,
        stop_s=times.stop_s,
        start_frame=times.start_frame,
        stop_frame=times.stop_frame,
        instruction=texts["instruction"],
        verb=texts["verb"] or parsed.verb,
        object=texts["object"] or parsed.object,
        start_point=texts["start_point"] or parsed.start_point,
        end_point=texts["end_point"] or parsed.end_point,
        group=texts["group"] or video_id,
    )


@dataclass(frozen=True, kw_only=True)
class _Times:
    """The times of a row's action: in seconds, in numbers of frames, or the whole clip."""

    start_s: float = UNKNOWN_S
    stop_s: float = UNKNOWN_S
    start_frame: int | None = None
    stop_frame: int | None = None

    @property
    def place(self) -> str:
        """In words that a key may hold."""
        if self.start_frame is not None:
            return f"f{self.start_frame:06d}-f{self.stop_frame:06d}"
        return "whole" if self.start_s != self.start_s else f"{self.start_s * 1000:07.0f}-{self.stop_s * 1000:07.0f}"


def _times(row: Row, where: str) -> _Times | Unusable:
    """Return a row's times. ValueError when it gives frames and seconds."""
    given = {name: row[name] for name in SECONDS + FRAMES if _text(row.get(name))}
    in_frames = [name for name in given if name in FRAMES]
    if in_frames and len(in_frames) < len(given):
        raise ValueError(
            f"{where} gives {in_frames[0]} beside {next(name for name in given if name in SECONDS)}, and they need not "
            "agree. Keep the seconds or the numbers of frames (from 0), and remove the others."
        )
    if not given:
        return _Times()
    names = FRAMES if in_frames else SECONDS
    both, values = ", ".join(names), [row.get(name) for name in names]
    shown = ", ".join(_text(value) for value in values)[:120]
    if len(given) == 1:
        said = f"{shown!r}: one of the two is empty. Give both, or neither for the whole clip"
        return Unusable(reason="bad_times", column=both, said=said)
    read = [_frame_number(value) if in_frames else seconds_of(value) for value in values]
    start, stop = read
    if start is None or stop is None:
        wrong = values[read.index(None)]
        said = f"{str(wrong)[:80]!r} is no number of a frame, counted from 0" if in_frames else why_no_time(wrong)
        return Unusable(reason="bad_times", column=both, said=said)
    if not has_good_times(start, stop):
        said = f"{shown!r} cannot be used: the start is at least 0 and comes before the stop"
        return Unusable(reason="bad_times", column=both, said=said)
    return _Times(start_frame=int(start), stop_frame=int(stop)) if in_frames else _Times(start_s=start, stop_s=stop)


def _frame_number(value: object) -> int | None:
    """Return a cell as the number of a frame; None when it is none."""
    number = seconds_of(value) if not isinstance(value, str) or re.fullmatch(r"\s*\d+(\.0*)?\s*", value) else None
    return int(number) if number is not None and number % 1 == 0 and abs(number) < 2**31 else None


def _segment_id(video_id: str, times: _Times, instruction: str) -> str:
    """Return the key of a row: readable, and different for every other (video, start, stop, instruction)."""
    digest = digest_of([video_id, times.place, repr(times.start_s), repr(times.stop_s), as_read(instruction)])[:8]
    return segment_id_of(video_id[:MAX_NAME], f"{times.place}-{digest}")


def _remedy_for_name(video_id: str) -> str:
    longest = max(len(part.encode(errors="replace")) for part in video_id.split("/"))
    if longest > MAX_NAME_BYTES:
        return f"It has {longest} bytes, and a name has at most {MAX_NAME_BYTES}. Rename the file"
    return "Name a file inside the videos' folder"


def _why_no_text(text: str) -> str:
    """Return why a text cannot be written to a file, or is too long; "" for a good text."""
    if len(text) > MAX_TEXT:
        return f"it has {len(text)} characters, and a text has at most {MAX_TEXT}. Shorten it"
    if "\0" in text:
        return f"{text[:80]!r} holds a null character, which no text has. Write the table anew, in UTF-8"
    if not is_unicode(text):
        return f"{ascii(text)[:80]} holds half of a surrogate pair, which is no Unicode text. Write the whole character"
    return ""


def _text(value: object) -> str:
    """Return a cell as text; an empty cell of any format is ""."""
    return "" if value is None or value != value else str(value).strip()
