"""Any other dataset: a table of actions (CSV, JSON lines or Parquet) -> segments.

Columns: video (file name in the videos' folder), start_s, stop_s, instruction, and if wanted verb, object,
start_point, end_point, group. What is not given of the parts is taken from the instruction.
"""

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.annotations.instructions import parse_instruction
from tasks.annotations.segment import Annotations, Segment, has_good_times, is_safe_video_id, segment_id_of

REQUIRED = ("video", "start_s", "stop_s", "instruction")
OPTIONAL = ("verb", "object", "start_point", "end_point", "group")
SUFFIXES = (".csv", ".jsonl", ".parquet")


def read_table(path: Path) -> Annotations:
    """Read a table; rows fail for unsafe_video_id, bad_times and no_instruction.

    ValueError, which names file, column and row, for what is no table or lacks a column.
    """
    annotations = Annotations(funnel={"rows": 0, "with_text": 0, "with_times": 0})
    for number, row in enumerate(_rows(path), start=1):
        annotations.funnel["rows"] += 1
        outcome = _segment(number, row)
        if outcome not in ("no_instruction", "unsafe_video_id"):
            annotations.funnel["with_text"] += 1
        if isinstance(outcome, Segment):
            annotations.funnel["with_times"] += 1
            annotations.segments.append(outcome)
            continue
        reason, column = (
            outcome,
            {"bad_times": "start_s, stop_s", "no_instruction": "instruction"}.get(outcome, "video"),
        )
        value = ", ".join(str(row.get(name)) for name in column.split(", "))
        message = f"{path.name}: row {number}, column {column}: {value[:120]!r} cannot be used."
        annotations.reject(number, "failed", reason, video_id=str(row.get("video"))[:200], message=message)
    return annotations


def _rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a table by its suffix, after a check of its columns."""
    readers = {".csv": _csv_rows, ".jsonl": _jsonl_rows, ".parquet": _parquet_rows}
    if path.suffix.lower() not in readers:
        raise ValueError(f"{path}: a table is one of {', '.join(SUFFIXES)}. Rename or convert the file.")
    try:
        columns, rows = readers[path.suffix.lower()](path)
    except (UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        raise ValueError(f"{path}: not a readable {path.suffix} file ({error}). Write it anew, in UTF-8.") from error
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise ValueError(
            f"{path}: column {missing[0]!r} is missing; there are {', '.join(map(str, columns)) or 'none'}. "
            f"A table has {', '.join(REQUIRED)} and may have {', '.join(OPTIONAL)}."
        )
    return rows


def _csv_rows(path: Path) -> tuple[list[str], list[dict[str, Any]]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, restval="")
        rows = []
        for number, row in enumerate(reader, start=1):
            if None in row:
                raise ValueError(
                    f"{path}: row {number} has more cells than the header. Quote the cells that hold a comma."
                )
            rows.append(dict(row))
        return list(reader.fieldnames or []), rows


def _jsonl_rows(path: Path) -> tuple[list[str], list[dict[str, Any]]]:
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}: line {number} is no JSON ({error}). Write one object a line.") from error
        missing = [name for name in REQUIRED if not isinstance(row, dict) or name not in row]
        if missing:
            raise ValueError(f"{path}: line {number} has no {missing[0]!r}. Each needs {', '.join(REQUIRED)}.")
        rows.append(row)
    return list(REQUIRED), rows


def _parquet_rows(path: Path) -> tuple[list[str], list[dict[str, Any]]]:
    table = pq.read_table(path)
    return table.column_names, table.to_pylist()


def _segment(number: int, row: dict[str, Any]) -> Segment | str:
    """Return the segment of row `number`, or the reason there is none."""
    texts = {name: _text(row.get(name)) for name in ("video", "instruction", *OPTIONAL)}
    if not is_safe_video_id(texts["video"]):
        return "unsafe_video_id"
    if not texts["instruction"]:
        return "no_instruction"
    start_s, stop_s = _number(row["start_s"]), _number(row["stop_s"])
    if not has_good_times(start_s, stop_s):
        return "bad_times"
    assert start_s is not None
    assert stop_s is not None
    parsed = parse_instruction(texts["instruction"], texts["verb"].replace(" ", "-"))
    return Segment(
        segment_id=segment_id_of(texts["video"], f"{number:06d}"),
        video_id=texts["video"],
        start_s=start_s,
        stop_s=stop_s,
        instruction=texts["instruction"],
        verb=texts["verb"] or parsed.verb,
        object=texts["object"] or parsed.object,
        start_point=texts["start_point"] or parsed.start_point,
        end_point=texts["end_point"] or parsed.end_point,
        group=texts["group"] or texts["video"],
    )


def _text(value: object) -> str:
    """Return a cell as text; an empty one, whatever stands for it in the format, is ""."""
    return "" if value is None or value != value else str(value).strip()


def _number(value: object) -> float | None:
    """Return a cell as seconds; None when it is no number."""
    try:
        return float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else None
    except ValueError:
        return None
