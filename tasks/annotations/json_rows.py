"""JSON -> row after row: an object a line, or an array of objects, by itself or as the one such member of an object."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

from modeling.sheets import MAX_ROWS
from tasks.annotations.text_files import encoding_of, named

MAX_JSON_BYTES = 256 << 20
"""Largest file of one JSON value: it is in memory as a whole, and takes up to ten times its size."""


def json_lines(path: Path) -> Generator[Any, None, None]:
    """Yield None, for columns that each row has by itself, then (where, row) of each line."""
    # Line feeds and carriage returns end a line; JSON allows U+2028, U+2029 and U+0085 inside its strings, as Python
    # does when it reads text. Files that were joined by cat have marks in the middle.
    with path.open(encoding=encoding_of(path)) as file:
        yield None
        for number, text in enumerate(file, start=1):
            line = text.lstrip("\ufeff")
            if not line.strip():
                continue
            where = f"line {number}"
            if number > MAX_ROWS:
                raise ValueError(f"{path}: more than {MAX_ROWS} lines. Split the table.")
            if number == 1 and line.lstrip().startswith("["):
                raise ValueError(f"{path}: this is one array, not an object a line. Call the file .json.")
            try:
                row = json.loads(line, object_pairs_hook=_Pairs)
            except (ValueError, RecursionError) as error:
                raise ValueError(
                    f"{path}: {where} is no JSON ({error}). Write one object a line, or call a file that is one value "
                    ".json."
                ) from error
            yield where, _row(row, path, where)


def json_rows(path: Path) -> Generator[Any, None, None]:
    """Yield None, then (where, row) of each object in the file's array."""
    if path.stat().st_size > MAX_JSON_BYTES:
        raise ValueError(
            f"{path}: {path.stat().st_size} bytes; JSON that is one value has at most {MAX_JSON_BYTES}, since it is "
            "in memory as a whole. Write one object a line (.jsonl), which is read line by line."
        )
    yield None
    try:
        value = json.loads(path.read_text(encoding=encoding_of(path)), object_pairs_hook=_Pairs)
    except UnicodeError:
        raise
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: this is no JSON ({error}). One object a line is called .jsonl.") from error
    rows = _array(value, path)
    if len(rows) > MAX_ROWS:
        raise ValueError(f"{path}: more than {MAX_ROWS} rows. Split the table.")
    for number, row in enumerate(rows, start=1):
        yield f"row {number}", _row(row, path, f"row {number}")


def _array(value: Any, path: Path) -> list[Any]:
    """Return the array that a value is, or has as its one member of objects."""
    if isinstance(value, list) and not isinstance(value, _Pairs):
        return value
    members = value if isinstance(value, _Pairs) else []
    arrays = {name: member for name, member in members if _holds_objects(member)}
    if len(arrays) != 1:
        there = ", ".join(str(name) for name, _ in members)[:200] or "nothing"
        raise ValueError(
            f"{path}: this is no array of objects, nor an object with one such array in it; there are {there}. "
            'Write [{"video": ..., "start_s": ..., "stop_s": ..., "instruction": ...}, ...].'
        )
    return next(iter(arrays.values()))


def _holds_objects(value: Any) -> bool:
    is_array = isinstance(value, list) and not isinstance(value, _Pairs)
    return is_array and bool(value) and all(isinstance(part, _Pairs) for part in value)


def _row(value: Any, path: Path, where: str) -> dict[str, Any]:
    if not isinstance(value, _Pairs):
        raise ValueError(f"{path}: {where} is no object. Write one object a row.")
    names = named((name for name, _ in value), f"{path}: {where}")
    return dict(zip(names, (part for _, part in value), strict=True))


class _Pairs(list[tuple[str, Any]]):
    """The members of a JSON object in order, so that one that is given twice is seen."""
