"""EPIC-KITCHENS-100 annotations (CSV of 15 columns) -> segments. The paper's HC is the extension's training rows.

Segments are cut by timestamps. start_frame and stop_frame are numbers of JPEGs that were extracted at 60 or 50 frames
per second, whatever the video's own rate; here they only identify a segment (one per video, start and stop frame).
Source: https://github.com/epic-kitchens/epic-kitchens-100-annotations, Damen et al., IJCV 2022.
"""

import ast
import csv
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modeling.sheets import check_table, strict_dicts
from tasks.annotations.instructions import parse_instruction
from tasks.annotations.segment import Annotations, Segment, has_good_times
from tasks.config import EpicSubset

PAPER_NUM_ACTIONS = 260
COLUMNS = ("participant_id", "video_id", "start_timestamp", "stop_timestamp", "start_frame", "stop_frame", "narration")
"""Columns that are read; also `verb` and `all_nouns`, where they exist."""
FURTHER_COLUMNS = ("verb", "all_nouns")


@dataclass(frozen=True, kw_only=True)
class PinnedFile:
    """An official annotation file with its known counts."""

    name: str
    git_blob: str
    """Git blob of the file at commit ea8b404 of the annotations' repository."""
    num_rows: int
    num_in_subset: Mapping[EpicSubset, int]
    num_distinct: Mapping[EpicSubset, int]
    """Distinct (video, start frame, stop frame) in each subset; 37 454 is the paper's number of pairs."""


PINNED_FILES = (
    PinnedFile(
        name="EPIC_100_train.csv",
        git_blob="a7c4d226126f60bf1a15a7524092f7c731beeea9",
        num_rows=67_217,
        num_in_subset={"extension": 37_455, "epic55": 29_762, "all": 67_217},
        num_distinct={"extension": 37_454, "epic55": 29_758, "all": 67_212},
    ),
    PinnedFile(
        name="EPIC_100_validation.csv",
        git_blob="5683790a9b2e22834e3932849f9a8e40b4d273a3",
        num_rows=9_668,
        num_in_subset={"extension": 0, "epic55": 9_668, "all": 9_668},
        num_distinct={"extension": 0, "epic55": 9_668, "all": 9_668},
    ),
)
FUNNEL = ("rows", "in_subset", "distinct", "with_text", "with_times")
FAILURES = ("unsafe_video_id", "bad_times")


def git_blob(path: Path) -> str:
    """Return the SHA-1 of a file's content as a git blob."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def in_subset(video_id: str, subset: EpicSubset) -> bool:
    """Tell whether a video belongs to a subset: the extension's videos are numbered from 101.

    >>> [in_subset("P01_102", "extension"), in_subset("P01_02", "extension"), in_subset("P01_02", "epic55")]
    [True, False, True]
    """
    is_extension = re.fullmatch(r"P\d\d+_1\d\d", video_id) is not None
    return subset == "all" or is_extension == (subset == "extension")


def seconds_of(timestamp: str) -> float | None:
    """Return the seconds of a timestamp HH:mm:ss.SS, None when it is none.

    >>> seconds_of("00:01:02.50"), seconds_of("01:00:00"), seconds_of("soon"), seconds_of("-0:00:01.0")
    (62.5, 3600.0, None, None)
    """
    parts = re.fullmatch(r"(\d+):([0-5]?\d):([0-5]?\d)(\.\d+)?", timestamp.strip())
    if parts is None:
        return None
    whole = int(parts[1]) * 3600 + int(parts[2]) * 60 + int(parts[3])
    # One conversion of the decimal text, so that 62.5 s is not 62 + 0.5 with a rounding in between.
    return float(f"{whole}{parts[4] or ''}")


def read_epic(path: Path, subset: EpicSubset, more: Sequence[Path] = ()) -> Annotations:
    """Read EPIC-100 CSVs, such as train and validation, as one; a segment counts once over all of them.

    Rows are filtered (not_in_subset, duplicate_segment, no_text, no_times) or fail (unsafe_video_id, bad_times).
    ValueError when a file is no such table, or is given twice.
    """
    paths = [path, *more]
    for table_path in paths:
        if table_path.is_file():
            check_table(table_path)
    blobs = [git_blob(path) for path in paths if path.is_file()]
    if len(set(blobs)) < len(blobs):
        raise ValueError(f"The same annotations are given twice: {', '.join(map(str, paths))}. Give each file once.")
    annotations = Annotations(funnel=dict.fromkeys(FUNNEL, 0), facts={"annotations": [], "warnings": []})
    seen: set[tuple[str, str, str]] = set()
    num_several_nouns = 0
    for place, table_path in enumerate(paths, start=1):
        funnel = dict.fromkeys(FUNNEL, 0)
        for number, row in enumerate(_rows(table_path), start=1):
            funnel["rows"] += 1
            outcome = _segment(row, subset, seen, funnel)
            if isinstance(outcome, Segment):
                annotations.segments.append(outcome)
                num_several_nouns += names_several_nouns(row["all_nouns"])
                continue
            status = "failed" if outcome in FAILURES else "filtered"
            what = {name: row[name] for name in ("video_id", "start_frame", "stop_frame", "narration")}
            said = {"message": _message(table_path, number, row, outcome)} if status == "failed" else {}
            annotations.reject(number, status, outcome, **({"file": place} if more else {}), **what, **said)
        annotations.funnel = {name: annotations.funnel[name] + funnel[name] for name in FUNNEL}
        _check_pinned(table_path, subset, funnel, annotations.facts)
    annotations.facts["num_several_nouns"] = num_several_nouns
    _count_actions(subset, annotations)
    return annotations


def _message(path: Path, number: int, row: dict[str, str], reason: str) -> str:
    """Return a message with a failed row's place, its value, and the remedy."""
    if reason == "unsafe_video_id":
        return f"{path.name}: row {number}, column video_id: {row['video_id'][:80]!r} is no id. Write P01_101."
    columns = ("start_timestamp", "stop_timestamp", "start_frame", "stop_frame")
    values = ", ".join(row[name][:40] for name in columns)
    return (
        f"{path.name}: row {number}, column {', '.join(columns)}: {values!r} cannot be used. Write timestamps as "
        "HH:MM:SS.ss, the start before the stop, and frames as whole numbers."
    )


def names_several_nouns(all_nouns: str) -> bool:
    """Tell whether the column all_nouns, a list of texts as Python writes it, has two or more.

    >>> [names_several_nouns(nouns) for nouns in ("['door']", "['plate', 'table']", "", "open(")]
    [False, True, False, False]
    """
    try:
        nouns = ast.literal_eval(all_nouns or "[]")
    except (ValueError, SyntaxError):
        return False
    return isinstance(nouns, list) and len(nouns) > 1


def _rows(path: Path) -> list[dict[str, str]]:
    """Return the rows as dicts of strings; "" where a row is short."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            columns, dicts = strict_dicts(file, path)
            missing = [name for name in COLUMNS if name not in columns]
            rows = [{name: row.get(name, "") for name in (*COLUMNS, *FURTHER_COLUMNS)} for row in dicts]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(
            f"{path}: not a CSV file in UTF-8 ({error}). Give EPIC_100_train.csv or one like it."
        ) from error
    if missing:
        raise ValueError(
            f"{path}: column {missing[0]!r} is missing; EPIC-100 annotations have {', '.join(COLUMNS)}. "
            "Use --preset table for a table of your own."
        )
    return rows


def _segment(
    row: dict[str, str], subset: EpicSubset, seen: set[tuple[str, str, str]], funnel: dict[str, int]
) -> Segment | str:
    """Return the segment of a row, or the reason there is none; count the steps that it passes."""
    video_id = row["video_id"]
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", video_id) is None:
        return "unsafe_video_id"
    if not in_subset(video_id, subset):
        return "not_in_subset"
    funnel["in_subset"] += 1
    identity = video_id, row["start_frame"].lstrip("0"), row["stop_frame"].lstrip("0")
    if identity in seen:
        return "duplicate_segment"
    seen.add(identity)
    funnel["distinct"] += 1
    if not row["narration"].strip():
        return "no_text"
    funnel["with_text"] += 1
    if not row["start_timestamp"].strip() or not row["stop_timestamp"].strip():
        return "no_times"
    start_s, stop_s = seconds_of(row["start_timestamp"]), seconds_of(row["stop_timestamp"])
    frames = [row[name] for name in ("start_frame", "stop_frame")]
    if not has_good_times(start_s, stop_s) or not all(re.fullmatch(r"\d{1,9}", frame) for frame in frames):
        return "bad_times"
    funnel["with_times"] += 1
    assert start_s is not None
    assert stop_s is not None
    parsed = parse_instruction(row["narration"], row["verb"])
    return Segment(
        segment_id=f"{video_id}-{int(frames[0]):06d}-{int(frames[1]):06d}",
        video_id=video_id,
        start_s=start_s,
        stop_s=stop_s,
        instruction=row["narration"],
        verb=parsed.verb,
        object=parsed.object,
        start_point=parsed.start_point,
        end_point=parsed.end_point,
        group=row["participant_id"] or video_id.split("_")[0],
    )


def _check_pinned(path: Path, subset: EpicSubset, funnel: dict[str, int], facts: dict[str, Any]) -> None:
    """Record which file it is, and compare an official one with its known counts."""
    blob = git_blob(path)
    pinned = next((pinned_file for pinned_file in PINNED_FILES if pinned_file.git_blob == blob), None)
    facts["annotations"].append({"git_blob": blob, "pinned": pinned.name if pinned is not None else None})
    if pinned is None:
        known = ", ".join(f"{pinned_file.name} {pinned_file.git_blob[:12]}" for pinned_file in PINNED_FILES)
        facts["warnings"].append(
            f"{path.name} is no pinned file (its git blob is {blob[:12]}; pinned are {known}): it is used as it is, "
            "and its counts are not checked."
        )
        return
    counts = {name: funnel[name] for name in ("rows", "in_subset", "distinct")}
    known_counts = {
        "rows": pinned.num_rows,
        "in_subset": pinned.num_in_subset[subset],
        "distinct": pinned.num_distinct[subset],
    }
    assert counts == known_counts, f"{pinned.name} gave {counts}, not {known_counts}"


def _count_actions(subset: EpicSubset, annotations: Annotations) -> None:
    """Count the actions, distinct first words of narrations; those of HC are compared with the paper's number."""
    facts = annotations.facts
    facts["num_actions"] = len({segment.instruction.split()[0].lower() for segment in annotations.segments})
    facts["paper_num_actions"] = PAPER_NUM_ACTIONS
    is_hc = subset == "extension" and any(fact["pinned"] == PINNED_FILES[0].name for fact in facts["annotations"])
    if is_hc and facts["num_actions"] != PAPER_NUM_ACTIONS:
        facts["warnings"].append(f"{facts['num_actions']} actions by first word; the paper has {PAPER_NUM_ACTIONS}.")
