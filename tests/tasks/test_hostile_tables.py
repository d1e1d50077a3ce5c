"""Tables that anybody may have written: a row fails, or an error names the file and its row.

No row is lost silently.
"""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modeling.editing.requests import plan_requests
from modeling.sheets import MAX_ROWS, MAX_TEXT, markdown_text, plain_cell, safe_cell
from tasks.annotations.epic import read_epic
from tasks.annotations.pair_list import read_header
from tasks.annotations.table import read_table
from tasks.splitting.long_distance import candidates_csv, read_choice
from tests.support.commands import environment

HEADER = "video,start_s,stop_s,instruction\n"
ROW = "clip,0.1,0.5,open door\n"


def table(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8", errors="surrogatepass")
    return path


@pytest.mark.parametrize("closing", ["", 'clip,1,2,"put cup, on table"\n'])
def test_an_open_quote_is_an_error_that_names_the_row_where_it_opens(tmp_path: Path, closing: str) -> None:
    path = table(tmp_path / "a.csv", HEADER + 2 * ROW + 'clip,0.2,0.4,"open door\n' + 50 * ROW + closing)
    with pytest.raises(ValueError, match=r"a\.csv: row 3 \(line 4\)"):
        read_table(path)


def test_a_quoted_line_break_is_still_a_text(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", HEADER + 'clip,0.2,0.4,"open\ndoor"\n' + ROW)
    assert len(read_table(path).segments) == 2


@pytest.mark.parametrize(
    "row",
    [
        '{"video": "clip", "start_s": 0, "stop_s": 1, "instruction": "open \\ud800"}',
        '{"video": "clip\\udfff", "start_s": 0, "stop_s": 1, "instruction": "open"}',
        '{"video": "clip", "start_s": 0, "stop_s": %s, "instruction": "open"}' % ("1" * 400),
        '{"video": "clip", "start_s": 0, "stop_s": 1, "instruction": ["open"]}',
        '{"video": "clip", "start_s": 0, "stop_s": 1, "instruction": "%s"}' % ("x" * (MAX_TEXT + 1)),
    ],
)
def test_a_row_of_json_that_cannot_be_used_fails_alone(tmp_path: Path, row: str) -> None:
    good = '{"video": "clip", "start_s": 0.1, "stop_s": 0.5, "instruction": "open door"}'
    annotations = read_table(table(tmp_path / "a.jsonl", f"{row}\n{good}\n"))
    assert [segment.instruction for segment in annotations.segments] == ["open door"]
    [rejected] = annotations.rejected
    assert rejected["status"] == "failed"
    assert len(str(rejected).encode()) < 10_000


@pytest.mark.parametrize("line", ["[" * 100_000, '{"video": ' + "1" * 5_000 + "}", "{", "3"])
def test_a_line_that_is_no_json_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(ValueError, match=r"a\.jsonl: line 2"):
        read_table(
            table(tmp_path / "a.jsonl", '{"video":"c","start_s":0,"stop_s":1,"instruction":"x"}\n' + line + "\n")
        )


def test_a_cell_beyond_csvs_limit_is_named_by_file_and_row(tmp_path: Path) -> None:
    path = table(tmp_path / "cell.csv", "image,instruction\nb.png,open\na.png," + "x" * 140_000 + "\n")
    with pytest.raises(ValueError, match=r"cell\.csv: row 2"):
        plan_requests(path, None, tmp_path / "out", [0])


@pytest.mark.parametrize(
    "cells", ["a.png,open,1,%s" % ("n" * 300), "a.png,open,%s,x" % ("9" * 23), "%s.png,open,1,x" % ("n" * 300)]
)
def test_names_and_seeds_that_no_file_or_generator_takes_are_named_before_any_work(tmp_path: Path, cells: str) -> None:
    path = table(tmp_path / "rows.csv", f"image,instruction,seed,out\nb.png,open,1,b\n{cells}\n")
    with pytest.raises(ValueError, match=r"rows\.csv, row 2"):
        plan_requests(path, None, tmp_path / "out", [0])


def columns(count: int, instruction: str = "open door") -> dict[str, list[object]]:
    return {
        "video": ["clip"] * count,
        "start_s": [0.1] * count,
        "stop_s": [0.5 + number for number in range(count)],
        "instruction": [instruction] * count,
        "other": [[1, 2]] * count,
    }


def test_small_parquet_files_take_little_memory(tmp_path: Path) -> None:
    once = pa.DictionaryArray.from_arrays(pa.array([0] * 200, pa.int32()), pa.array(["x" * 10_000_000]))
    bomb = pa.table(columns(200) | {"instruction": once})
    pq.write_table(bomb, tmp_path / "bomb.parquet", dictionary_pagesize_limit=1 << 30)
    assert (tmp_path / "bomb.parquet").stat().st_size < 1_000_000
    code = (
        "import sys\nfrom pathlib import Path\nfrom tasks.annotations.table import read_table\n"
        "try:\n    read_table(Path(sys.argv[1]))\nexcept ValueError as error:\n    print(error)\n"
        # Not ru_maxrss: it starts with the size of the process that started this one.
        "print(next(x.split()[1] for x in Path('/proc/self/status').read_text().splitlines() if 'VmHWM' in x))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "bomb.parquet")]
    done = subprocess.run(command, env=environment(None), capture_output=True, text=True, timeout=60)
    message, used_kb = done.stdout.splitlines()
    assert "'instruction' of row 1 has 10000000 characters" in message
    assert int(used_kb) < 1_000_000


def test_rows_without_number_are_refused_by_what_the_file_says_of_itself(tmp_path: Path) -> None:
    count = MAX_ROWS + 1
    ones = pa.array([1.0]).take(pa.array([0] * 1000, pa.int32()))
    with pq.ParquetWriter(tmp_path / "many.parquet", pa.schema([("video", pa.float64())])) as writer:
        for _ in range(count // 1000 + 1):
            writer.write_table(pa.table({"video": ones}), row_group_size=1000)
    with pytest.raises(ValueError, match=r"many\.parquet: \d+ rows; at most"):
        read_table(tmp_path / "many.parquet")


def test_a_parquet_file_is_read_as_before(tmp_path: Path) -> None:
    pq.write_table(pa.table(columns(5)), tmp_path / "a.parquet", row_group_size=2)
    assert [segment.stop_s for segment in read_table(tmp_path / "a.parquet").segments] == [0.5, 1.5, 2.5, 3.5, 4.5]


def test_a_damaged_parquet_file_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table(columns(2000)), tmp_path / "a.parquet")
    content = bytearray((tmp_path / "a.parquet").read_bytes())
    content[200:400] = bytes(200)
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.parquet: not a readable"):
        read_table(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"a\.parquet: no list of pairs"):
        read_header(tmp_path / "a.parquet")


def test_a_sparse_file_is_refused_by_its_size(tmp_path: Path) -> None:
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(40 << 30)
        with pytest.raises(ValueError, match="a table has at most"):
            read_table(tmp_path / name)
    with pytest.raises(ValueError, match="a table has at most"):
        read_epic(tmp_path / "a.csv", "all")


TEXTS = ("=HYPERLINK(1)", "+1", "-1", "@x", "\t=1", "\r=1", "'=1", "''=1", "'quoted'", "open door", "", "＝1")


@pytest.mark.parametrize("text", TEXTS)
def test_a_cell_is_no_formula_and_comes_back_as_it_was(text: str) -> None:
    cell = str(safe_cell(text))
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "＝"))
    assert plain_cell(cell) == text


def test_a_table_of_candidates_holds_no_formula_and_is_still_read(tmp_path: Path) -> None:
    row = {
        "segment_id": "-1-x",
        "rank": 1,
        "camera_shift": -0.5,
        "instruction": '=HYPERLINK("http://a")',
        "end_point": "@b",
    }
    text = candidates_csv([row])
    assert "'=HYPERLINK" in text
    assert "'@b" in text
    assert ",-0.5," in text
    marked = text.replace("\n,", "\nx,")
    assert read_choice(table(tmp_path / "c.csv", marked)).segment_ids == ("-1-x",)


def test_no_text_makes_markdown_of_its_own() -> None:
    told = markdown_text("a\n# b | <img src=x> [x](http://a.org) `c` www.a.org")
    assert "\n" not in told
    assert told.count("\\") == sum(not (character.isalnum() or character in " \\") for character in told)
