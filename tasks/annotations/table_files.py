"""A file of rows (CSV, JSON lines, Parquet), as programs and people write it -> its columns, and row after row.

Names of columns are taken without blanks around them and in small letters. The separator of a CSV is found in its first
line that holds anything; `sep=;`, which Excel writes before it, is obeyed.
"""

import csv
import json
import re
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa

from modeling.sheets import MAX_ROWS, check_table, strict_rows
from tasks.annotations.parquet_rows import open_parquet, rows_of_columns

SUFFIXES = (".csv", ".jsonl", ".parquet")
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
KNOWN = frozenset(
    [
        "video",
        "instruction",
        "start_s",
        "stop_s",
        "start_frame",
        "stop_frame",
        "verb",
        "object",
        "start_point",
        "end_point",
        "group",
        "picture",
        "expected",
        "id",
    ]
)
"""Columns that a reader of tables looks at."""
Row = dict[str, Any]


@contextmanager
def rows_of(path: Path) -> Iterator[tuple[list[str] | None, Iterator[tuple[str, Row]]]]:
    """Open a table: (columns, (where, row) one after the other); no columns for JSON lines, whose rows have their own.

    `where` is "row 3" or "line 3", from 1. ValueError, which names the file, for what is no such table.
    """
    readers = {".csv": _csv, ".jsonl": _json_lines, ".parquet": _parquet}
    if path.suffix.lower() not in readers:
        raise ValueError(f"{path}: a table is one of {', '.join(SUFFIXES)}. Rename or convert the file.")
    check_table(path)
    try:
        with closing(readers[path.suffix.lower()](path)) as parts:
            columns = next(parts)
            yield columns, parts
    except (UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        raise ValueError(f"{path}: not a readable {path.suffix} file ({error}). Write it anew, in UTF-8.") from error


def named(names: Iterable[object], where: str) -> list[str]:
    """Return names of columns without blanks and capitals; ValueError when two are one."""
    plain = [str(name).strip().lower() for name in names]
    twice = [name for name, count in Counter(plain).items() if count > 1 and name]
    if twice:
        raise ValueError(f"{where}: column {twice[0]!r} is there twice. Remove or rename one.")
    return plain


def _csv(path: Path) -> Generator[Any, None, None]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        first, separator = _first_line(file)
        reader = strict_rows(chain([first], file), path, separator)
        columns = named(next(reader, []), str(path))
        yield columns
        number = 0
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            number += 1
            if len(cells) > len(columns) and any(cell.strip() for cell in cells[len(columns) :]):
                raise ValueError(
                    f"{path}: row {number} has more cells than the header. Quote the cells that hold "
                    f"{'a comma' if separator == ',' else f'the separator, {separator!r}'}."
                )
            cells += [""] * (len(columns) - len(cells))
            yield f"row {number}", dict(zip(columns, cells, strict=False))


def _first_line(file: TextIO) -> tuple[str, str]:
    """Return the first line that is not empty and the separator: `sep=` says it, else the one that is there most."""
    line = next((each for each in file if each.strip().strip(",;\t|")), "")
    told = re.fullmatch(r"\"?sep=(.)\"?[,;\t]*", line.strip("\r\n"))
    if told:
        return next((each for each in file if each.strip()), ""), told[1]
    unquoted = re.sub(r'"[^"]*"', "", line)
    return line, max(SEPARATORS, key=lambda each: (unquoted.count(each), each == ","))


def _json_lines(path: Path) -> Generator[Any, None, None]:
    # Only a line feed ends a line: JSON allows U+2028, U+2029 and U+0085 inside its strings.
    with path.open(newline="\n", encoding="utf-8-sig") as file:
        yield None
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            where = f"line {number}"
            if number > MAX_ROWS:
                raise ValueError(f"{path}: more than {MAX_ROWS} lines. Split the table.")
            try:
                pairs = json.loads(line, object_pairs_hook=_Pairs)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"{path}: {where} is no JSON ({error}). Write one object a line.") from error
            if not isinstance(pairs, _Pairs):
                raise ValueError(f"{path}: {where} is no object. Write one object a line.")
            names = named((name for name, _ in pairs), f"{path}: {where}")
            yield where, dict(zip(names, (value for _, value in pairs), strict=True))


class _Pairs(list[tuple[str, Any]]):
    """The members of a JSON object in order, so that one that is given twice is seen."""


def _parquet(path: Path) -> Generator[Any, None, None]:
    names = open_parquet(path, ()).schema_arrow.names
    columns = named(names, str(path))
    yield columns
    # Other columns are not unpacked: what they hold, and how much, is of no interest.
    wanted = [(name, column) for name, column in zip(names, columns, strict=True) if column in KNOWN]
    with open_parquet(path, [name for name, _ in wanted]) as file:
        for number, cells in enumerate(rows_of_columns(path, file, [name for name, _ in wanted]), start=1):
            yield f"row {number}", dict(zip((column for _, column in wanted), cells, strict=True))
