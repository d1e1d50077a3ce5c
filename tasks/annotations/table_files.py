"""A file of rows (CSV, JSON, JSON lines, Parquet), as programs and people write it -> its columns, and row after row.

Names of columns are read without surrounding blanks and in small letters. The first non-empty line of a CSV gives the
separator; a line `sep=;` before it, which Excel writes, is obeyed.
"""

import csv
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa

from modeling.sheets import check_table, strict_rows, told_separator, unquoted
from tasks.annotations.json_rows import json_lines, json_rows
from tasks.annotations.parquet_rows import columns_of, rows_of_columns
from tasks.annotations.text_files import encoding_of, named, refuse_other_files

SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json", ".parquet")
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
"""Columns that the reader of tables uses."""
Row = dict[str, Any]


@contextmanager
def rows_of(path: Path) -> Iterator[tuple[list[str] | None, Iterator[tuple[str, Row]]]]:
    """Open a table: (columns, (where, row) one after the other); no columns for JSON lines, whose rows have their own.

    `where` is "row 3" or "line 3", from 1. ValueError, which names the file, for what is no such table.
    """
    readers = dict.fromkeys((".csv", ".tsv", ".txt"), _csv) | dict.fromkeys((".jsonl", ".ndjson"), json_lines)
    readers |= {".json": json_rows, ".parquet": _parquet}
    check_table(path)
    refuse_other_files(path, SUFFIXES)
    try:
        with closing(readers[path.suffix.lower()](path)) as parts:
            columns = next(parts)
            yield columns, parts
    except UnicodeError as error:
        raise ValueError(
            f"{path}: its text is not in UTF-8 ({error}), but in an encoding of one country, as Windows-1252, which "
            "nothing tells apart. Save it as UTF-8; in Excel: CSV UTF-8."
        ) from error
    except (csv.Error, pa.ArrowException) as error:
        raise ValueError(f"{path}: not a readable {path.suffix} file ({error}). Write it anew, in UTF-8.") from error


def _csv(path: Path) -> Generator[Any, None, None]:
    with path.open(newline="", encoding=encoding_of(path)) as file:
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
    """Return the first non-empty line and the separator: that of `sep=`, else the most frequent one."""
    line = next((text for text in file if text.strip().strip(",;\t|")), "")
    if told := told_separator(line):
        return next((text for text in file if text.strip()), ""), told
    plain = unquoted(line)
    return line, max(SEPARATORS, key=lambda separator: (plain.count(separator), separator == ","))


def _parquet(path: Path) -> Generator[Any, None, None]:
    names = columns_of(path)
    columns = named(names, str(path))
    yield columns
    # Other columns are not unpacked: their content and size do not matter.
    wanted = [(name, column) for name, column in zip(names, columns, strict=True) if column in KNOWN]
    for number, cells in enumerate(rows_of_columns(path, [name for name, _ in wanted]), start=1):
        yield f"row {number}", dict(zip((column for _, column in wanted), cells, strict=True))
