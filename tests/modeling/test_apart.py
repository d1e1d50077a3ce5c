"""A helper reads a stranger's file: it passes on values and errors, its memory is bounded, and its end is told."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modeling import apart as module
from modeling.apart import apart
from tasks.annotations.parquet_batches import rows_in_batches
from tasks.annotations.table import read_table

MEMORY = 400 << 20


def lines(path: Path) -> Iterator[str]:
    """Yield the lines of a file. A line can also name a fault to cause."""
    for line in path.read_text().splitlines():
        if line == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if line == "memory":
            bytearray(1 << 30)
        if line == "error":
            raise KeyError("our own")
        yield line


def read(path: Path) -> list[str]:
    return list(apart(lines, path, memory=MEMORY))


@pytest.fixture
def good(tmp_path: Path) -> Path:
    (tmp_path / "good.txt").write_text("".join(f"{number}\n" for number in range(2_000)))
    return tmp_path / "good.txt"


def test_values_come_in_order_and_a_helper_is_used_again(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(good) == [str(number) for number in range(2_000)]
    [helper] = [idle for idle in module._idle if idle.memory == MEMORY]
    monkeypatch.chdir(good.parent)
    (good.parent / "pickle.py").write_text("raise SystemExit('code of the current folder ran')")
    assert len(read(Path("good.txt"))) == 2_000
    assert helper in module._idle
    helper.process.kill()
    helper.process.wait()
    assert len(read(Path("good.txt"))) == 2_000


@pytest.mark.parametrize(
    ("what", "error", "says"),
    [
        ("crash", ValueError, r"bad\.txt: not readable: it ends the program that reads it \(Segmentation"),
        ("memory", ValueError, r"bad\.txt: reading it takes more than 400 MiB"),
        ("error", KeyError, "our own"),
    ],
)
def test_what_a_file_does_to_its_reader_is_an_error_here(
    what: str, error: type[Exception], says: str, good: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.txt").write_text(f"0\n{what}\n")
    with pytest.raises(error, match=says):
        read(tmp_path / "bad.txt")
    assert len(read(good)) == 2_000


def test_a_reader_that_is_given_up_does_not_disturb_the_next(good: Path) -> None:
    values = apart(lines, good, memory=MEMORY)
    assert next(values) == "0"
    assert len(read(good)) == 2_000
    values.close()  # type: ignore[attr-defined]
    assert len(read(good)) == 2_000


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "zstd"},
        {"compression": "zstd", "column_encoding": {"instruction": "DELTA_BYTE_ARRAY"}},
    ],
)
def test_long_texts_that_take_few_bytes_of_parquet_end_within_the_bound(
    options: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = {"video": ["a"] * 24, "start_s": [0.0] * 24, "stop_s": [1.0] * 24, "instruction": ["x" * 4_000_000] * 24}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet", use_dictionary=False, **options)
    assert (tmp_path / "a.parquet").stat().st_size < 1_000_000
    monkeypatch.setattr("tasks.annotations.parquet_rows.TABLE_MEMORY", 160 << 20)
    with pytest.raises(ValueError, match=r"a\.parquet: reading it takes more than 160 MiB"):
        read_table(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"a\.parquet: reading it takes more than 160 MiB"):
        list(rows_in_batches(tmp_path / "a.parquet", ["instruction"], memory=160 << 20))


def test_a_table_of_other_encodings_is_read(tmp_path: Path) -> None:
    columns = {"video": ["a"] * 24, "start_s": [0.0] * 24, "stop_s": [1.0] * 24, "instruction": ["open door"] * 24}
    encodings = {"instruction": "DELTA_BYTE_ARRAY", "video": "DELTA_LENGTH_BYTE_ARRAY", "start_s": "BYTE_STREAM_SPLIT"}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet", use_dictionary=False, column_encoding=encodings)
    assert read_table(tmp_path / "a.parquet").funnel["rows"] == 24
