"""Check that a tar of examples is whole: the end mark follows its last member, and the index counts as many examples.

Python's tarfile takes a damaged header after the first member for the end of the archive, without an error.
"""

from collections import Counter
from functools import lru_cache
from pathlib import Path

BLOCK = 512
"""Bytes in a block of a tar; two zero blocks end it."""
MAX_PADDING = 64 << 20
"""Largest number of zero bytes after the end mark; writers fill archives up to a multiple of some KB."""
INDEX = "index.parquet"
"""Table of all examples in the folder of the splits' folders."""


def check_end_mark(tar: Path, end: int) -> None:
    """Raise ValueError unless at least two blocks of zeros, and nothing else, follow byte `end`, the end of the last
    member.
    """
    size = tar.stat().st_size
    if size < end + 2 * BLOCK:
        raise ValueError(f"{tar}: truncated (the end mark of a tar is missing). Build this shard again.")
    with tar.open("rb") as file:
        file.seek(end)
        rest = file.read(min(size - end, MAX_PADDING + 1))
    if len(rest) > MAX_PADDING or rest.strip(b"\0"):
        raise ValueError(
            f"{tar}: truncated or no tar (what follows byte {end} is neither an example nor the end mark). Build this "
            "shard again."
        )


def check_number(tar: Path, number: int) -> None:
    """Raise ValueError when the index beside the tar, where there is one, does not count `number` examples in it."""
    folder = tar.absolute().parent
    for index, name in ((folder.parent / INDEX, f"{folder.name}/{tar.name}"), (folder / INDEX, tar.name)):
        if index.is_file():
            counts = _counts(index, index.stat().st_mtime_ns, index.stat().st_size)
            if name in counts and counts[name] != number:
                raise ValueError(f"{tar}: has {number} examples, by {index} {counts[name]}. Build this shard again.")


MAX_INDEXED = 100_000_000
"""Rows of one index; more are no real data set."""


@lru_cache(maxsize=4)
def _counts(index: Path, _mtime_ns: int, _size: int) -> Counter[str]:
    """Return the number of examples of each tar by the index; empty when the index does not list this tar."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(index, read_dictionary=["shard"], buffer_size=1 << 20)
        if not pa.types.is_dictionary(file.schema_arrow.field("shard").type):
            return Counter()
        if (number := file.metadata.num_rows) > MAX_INDEXED:
            raise ValueError(f"{number} rows, more than {MAX_INDEXED}")
        counts: Counter[str] = Counter()
        # Batch by batch: equal rows without number take a few KB of file.
        for batch in file.iter_batches(100_000, columns=["shard"], use_threads=False):
            for value_count in pc.value_counts(batch.column(0)):
                counts[str(value_count["values"])] += int(value_count["counts"].as_py())
        return counts
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise ValueError(f"{index}: not a readable .parquet file ({error}). Build the shards again.") from error
