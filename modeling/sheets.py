"""Untrusted texts in tables: strict reading of CSV rows, and safe cells of CSV and Markdown.

A spreadsheet computes a cell that begins with = + - @, and some others; the same text behind an apostrophe is shown.
Markdown makes links, pictures and headings of marks that an instruction may hold.
"""

import csv
import re
import string
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

from modeling.visible import visible

MAX_TEXT = 10_000
"""Characters of one text (an instruction, a name); a longer one is a mistake or an attack."""
MAX_SEED_DIGITS = 18
"""Digits of a seed: a whole number from 0 that 64 bits hold."""
MAX_ROWS = 2_000_000
"""Rows of one table; EPIC-KITCHENS-100 has 77 000."""
MAX_TABLE_BYTES = 4 << 30
"""Largest size of a table's file."""
_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")
_TOLD_SEPARATOR = re.compile(r'"?sep=(.)"?[,;\t ]*', re.IGNORECASE)
_MARKS = re.compile(f"([{re.escape(string.punctuation)}])")


def check_table(path: Path) -> None:
    """Raise ValueError for a file that is too large for a table: a sparse file of terabytes costs nothing to send."""
    if path.stat().st_size > MAX_TABLE_BYTES:
        raise ValueError(f"{path}: {path.stat().st_size} bytes; a table has at most {MAX_TABLE_BYTES}. Split it.")


def strict_rows(lines: Iterable[str], path: Path, separator: str = ",") -> Iterator[list[str]]:
    """Yield the rows of a CSV, the header first. ValueError, which names file and row, where a quote is left open.

    A lenient reader would join all rows up to the next quote into one text.
    """
    # A quote after a blank opens a quoted cell too; otherwise the quotes would be part of the text.
    reader = csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=True)
    number = 0
    while True:
        begins_at = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            where = f"row {number} (line {begins_at})" if number else "the header"
            raise ValueError(
                f"{path}: {where} is no row of CSV ({error}). Close the quote that opens there, and write a quote "
                "inside a cell twice."
            ) from error
        if cells is None:
            return
        yield cells
        number += any(cell.strip() for cell in cells)
        if number > MAX_ROWS:
            raise ValueError(f"{path}: more than {MAX_ROWS} rows. Split the table.")


def strict_dicts(lines: Iterable[str], path: Path) -> tuple[list[str], Iterator[dict[str, str]]]:
    """Return the columns of a CSV and its rows as dicts. A missing cell is ""; surplus cells are under the key "".

    Spreadsheets divide cells by semicolons or tabs where a comma stands in numbers, and may say so in a line `sep=;`.
    """
    lines = iter(lines)
    first = next(lines, "")
    told = told_separator(first)
    first = next(lines, "") if told else first
    rows = strict_rows(chain([first], lines), path, told or separator_of(first))
    columns = [column.strip() for column in next(rows, [])]
    twice = [column for column, number in Counter(columns).items() if column and number > 1]
    if twice:
        raise ValueError(f"{path}: the column {twice[0]!r:.80} is there twice; nobody knows which counts. Remove one.")

    def dicts() -> Iterator[dict[str, str]]:
        for cells in rows:
            if cells:
                beyond = {"": "".join(cells[len(columns) :])} if len(cells) > len(columns) else {}
                yield dict(zip(columns, cells + [""] * (len(columns) - len(cells)), strict=False)) | beyond

    return columns, dicts()


def told_separator(line: str) -> str:
    """Return the separator that a line before a table tells, as spreadsheets write it; "" for any other line.

    >>> told_separator("sep=;"), told_separator('"SEP=\\t",,'), told_separator("separator")
    (';', '\\t', '')
    """
    told = _TOLD_SEPARATOR.fullmatch(line.strip("\r\n"))
    return told[1] if told else ""


def unquoted(line: str) -> str:
    """Return a line of a table without its quoted cells."""
    return re.sub(r'"[^"]*"', "", line)


def separator_of(head: str) -> str:
    """Return what divides the cells of a table with this first line: a comma, or, where it has none, another sign.

    >>> separator_of("segment_id;picture"), separator_of('a,"b;c;d"'), separator_of("a\\tb")
    (';', ',', '\\t')
    """
    plain = unquoted(head)
    return "," if "," in plain else max(",;\t", key=plain.count)


def safe_cell(value: object) -> object:
    """Return a cell that no spreadsheet computes: a text that begins like a formula gets an apostrophe in front.

    >>> safe_cell("=1+1"), safe_cell("open door"), safe_cell(-0.5)
    ("'=1+1", 'open door', -0.5)
    """
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def safe_cells(row: Mapping[str, object]) -> dict[str, object]:
    """Return a row whose texts no spreadsheet computes."""
    return {name: safe_cell(value) for name, value in row.items()}


def plain_cell(text: str) -> str:
    """Return the text that `safe_cell` was given.

    >>> plain_cell("'=1+1"), plain_cell("'open' door")
    ('=1+1', "'open' door")
    """
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def markdown_text(text: object) -> str:
    r"""Return a text as one line of Markdown that shows it literally: no links, pictures, headings, tables or tags.

    >>> markdown_text("![x](http://a.org)\n# b|c")
    '\\!\\[x\\]\\(http\\:\\/\\/a\\.org\\) \\# b\\|c'
    """
    return _MARKS.sub(r"\\\1", visible(" ".join(str(text).split())))
