"""Columns of an untrusted Parquet file -> rows of plain cells, in bounded memory.

A text that stands once in a dictionary and 200 times in a column takes its size 200 times as Python's texts; equal
rows without number take a few KB of file. Sizes are therefore looked at before cells become Python's values.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from modeling.apart import TABLE_MEMORY, apart
from modeling.sheets import MAX_ROWS, MAX_TEXT

ROWS_AT_ONCE = 2_000
BUFFER_BYTES = 1 << 20
"""Bytes of a column that are read at once; otherwise Arrow reads the column's part of a group of rows as a whole."""
MAX_GROUP_BYTES = 2 << 30
"""Unpacked, in one group of rows."""


def columns_of(path: Path) -> list[str]:
    """Return the names of a file's columns. ValueError for what is none or is too large."""
    return list(_open(path, ()).schema_arrow.names)


def rows_of_columns(path: Path, columns: Sequence[str]) -> Iterator[list[Any]]:
    """Yield the cells of each row, read by a helper (modeling/apart.py).

    ValueError, which names file and row, for damage, for texts that are too long, and for more memory than it may take.
    """
    return apart(read_rows, path, list(columns), memory=TABLE_MEMORY)


def _open(path: Path, columns: Sequence[str]) -> pq.ParquetFile:
    try:
        file = pq.ParquetFile(path)
        _check_sizes(path, file)
        texts = [
            field.name
            for field in file.schema_arrow
            if field.name in columns and pa.types.is_string(field.type) and _is_read_as_dictionary(file, field.name)
        ]
        return pq.ParquetFile(path, read_dictionary=texts, buffer_size=BUFFER_BYTES)
    except pa.ArrowMemoryError as error:
        raise MemoryError from error
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: not a readable .parquet file ({error}). Write it anew.") from error


def _is_read_as_dictionary(file: pq.ParquetFile, name: str) -> bool:
    """Tell whether Arrow can give a column's texts as places in a dictionary, which some encodings do not allow."""
    groups = map(file.metadata.row_group, range(file.metadata.num_row_groups))
    parts = (group.column(place) for group in groups for place in range(group.num_columns))
    return not any("DELTA" in str(part.encodings) for part in parts if part.path_in_schema == name)


def _check_sizes(path: Path, file: pq.ParquetFile) -> None:
    if file.metadata.num_rows > MAX_ROWS:
        raise ValueError(f"{path}: {file.metadata.num_rows} rows; at most {MAX_ROWS} are read. Split the table.")
    # Of the group as a whole: asking a damaged file for what it says of one column ends the process.
    for group in range(file.metadata.num_row_groups):
        size = file.metadata.row_group(group).total_byte_size
        if size > MAX_GROUP_BYTES:
            raise ValueError(f"{path}: a group of rows has {size} bytes, more than {MAX_GROUP_BYTES}. Split it.")


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[list[Any]]:
    """As `rows_of_columns`, in this process."""
    file, number = _open(path, columns), 0
    try:
        for batch in file.iter_batches(ROWS_AT_ONCE, columns=list(columns), use_threads=False):
            by_name = dict(zip(batch.schema.names, batch.columns, strict=True))
            lists = [_cells(by_name[name], f"{path}: the column {name!r}", number) for name in columns]
            for cells in zip(*lists, strict=True):
                yield list(cells)
            number += batch.num_rows
    except pa.ArrowMemoryError as error:
        raise MemoryError from error
    except (pa.ArrowException, OSError, OverflowError, IndexError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path}: not a readable .parquet file behind row {number} ({error}). Write it anew."
        ) from error


def _cells(column: pa.Array, where: str, before: int) -> list[Any]:
    if pa.types.is_nested(column.type):
        return _nested(column)
    if pa.types.is_dictionary(column.type):
        values = _texts(column.dictionary, column.indices, where, before)
        return [None if place is None else values[place] for place in column.indices.to_pylist()]
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or pa.types.is_binary(column.type):
        return _texts(column, None, where, before)
    return list(column.to_pylist())


def _nested(column: pa.Array) -> list[Any]:
    """Return [] for every list, map or struct: none of them is a cell."""
    return [None if gone else [] for gone in pc.is_null(column).to_pylist()]


def _texts(column: pa.Array, indices: pa.Array | None, where: str, before: int) -> list[Any]:
    lengths = pc.binary_length(column)
    longest = pc.max(lengths).as_py() or 0
    if longest > 4 * MAX_TEXT:
        place = pc.index(lengths, longest).as_py()
        row = place if indices is None else pc.index(indices, pa.scalar(place, indices.type)).as_py()
        raise ValueError(
            f"{where} of row {before + row + 1} has {longest} characters; a text has at most {MAX_TEXT}. Shorten it."
        )
    return list(column.to_pylist())
