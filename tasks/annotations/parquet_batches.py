"""Columns of an untrusted Parquet file -> rows, with lists and structs, in bounded memory.

A text that stands once in a dictionary and 200 times in a column takes its size 200 times when it is unpacked. No cell
is larger than its column's part of the file unpacked, so batches are made as small as the largest part asks for.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from modeling.apart import PICTURES_MEMORY, apart
from tasks.annotations.parquet_rows import BUFFER_BYTES

MAX_ROWS = 10_000_000
"""Largest number of rows of one file; no real data set has more."""
BATCH_BYTES = 256 << 20
"""Largest size of a batch of one column, unless a single cell is larger."""
MAX_PART_BYTES = 4 << 30
"""Largest unpacked size of one column in one group of rows."""
ROWS_AT_ONCE = 1_000


def column_names(path: Path) -> list[str]:
    """Return the names of a file's columns. ValueError when it is no Parquet file."""
    try:
        return list(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: not a readable Parquet file ({error}).") from error


def rows_in_batches(path: Path, columns: Sequence[str], *, memory: int = PICTURES_MEMORY) -> Iterator[dict[str, Any]]:
    """Yield the rows, read by a helper (modeling/apart.py) that takes at most `memory` bytes.

    ValueError, which names the file, for damage, a missing column, and excessive sizes.
    """
    return apart(read_batches, path, list(columns), memory=memory)


def read_batches(path: Path, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """As `rows_in_batches`, in this process."""
    missing = [name for name in columns if name not in column_names(path)]
    if missing:
        raise ValueError(f"{path}: no column {missing[0]!r}.")
    try:
        with pq.ParquetFile(path, buffer_size=BUFFER_BYTES) as file:
            size = _batch_size(path, file, columns)
            for batch in file.iter_batches(size, columns=list(columns), use_threads=False):
                yield from batch.to_pylist()
    except pa.ArrowMemoryError as error:
        raise MemoryError from error
    except (pa.ArrowException, OSError, OverflowError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a readable Parquet file ({error}).") from error


def _batch_size(path: Path, file: pq.ParquetFile, columns: Sequence[str]) -> int:
    """Return the number of rows to unpack at once; ValueError for a file that is too large."""
    metadata = file.metadata
    if metadata.num_rows > MAX_ROWS:
        raise ValueError(f"{path}: too many rows ({metadata.num_rows}); at most {MAX_ROWS} are read. Split the file.")
    largest = 1
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for part in map(group.column, range(group.num_columns)):
            if any(part.path_in_schema == name or part.path_in_schema.startswith(f"{name}.") for name in columns):
                largest = max(largest, part.total_uncompressed_size)
    if largest > MAX_PART_BYTES:
        raise ValueError(f"{path}: a column takes {largest} bytes in one group of rows. Write smaller groups of rows.")
    return max(1, min(ROWS_AT_ONCE, BATCH_BYTES // largest))
