"""Any table of actions becomes segments; an error names the file, row and column."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.annotations.table import read_table

GOOD = {"video": "my clip.mp4", "start_s": 0.5, "stop_s": 2.0, "instruction": "put cup on table"}


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    if path.suffix == ".csv":
        lines = [",".join(rows[0]), *(",".join(str(cell) for cell in row.values()) for row in rows)]
        path.write_text("\n".join(lines) + "\n")
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_row_of_every_format_becomes_the_same_segment(suffix: str, tmp_path: Path) -> None:
    [segment] = read_table(write(tmp_path / f"a{suffix}", [GOOD])).segments
    assert segment.segment_id.startswith("my_clip_mp4-0000500-0002000-")
    assert (segment.video_id, segment.start_s, segment.stop_s) == ("my clip.mp4", 0.5, 2.0)
    assert (segment.instruction, segment.verb, segment.object, segment.end_point) == (
        "put cup on table",
        "put",
        "cup",
        "table",
    )
    assert segment.group == "my clip.mp4"


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_given_parts_stand_before_parsed_ones(suffix: str, tmp_path: Path) -> None:
    given = GOOD | {"verb": "place", "object": "mug", "start_point": "sink", "end_point": "desk", "group": "anna"}
    [segment] = read_table(write(tmp_path / f"a{suffix}", [given])).segments
    parts = (segment.verb, segment.object, segment.start_point, segment.end_point, segment.group)
    assert parts == ("place", "mug", "sink", "desk", "anna")


@pytest.mark.parametrize(
    ("changed", "reason", "column"),
    [
        ({"video": "../../x"}, "unsafe_video_id", "video"),
        ({"video": "/etc/passwd"}, "unsafe_video_id", "video"),
        ({"stop_s": 0.5}, "bad_times", "start_s, stop_s"),
        ({"start_s": -1}, "bad_times", "start_s, stop_s"),
        ({"start_s": "soon"}, "bad_times", "start_s, stop_s"),
        ({"stop_s": "inf"}, "bad_times", "start_s, stop_s"),
        ({"stop_s": "nan"}, "bad_times", "start_s, stop_s"),
        ({"instruction": ""}, "no_instruction", "instruction"),
    ],
)
def test_a_bad_row_fails_alone(changed: dict[str, object], reason: str, column: str, tmp_path: Path) -> None:
    annotations = read_table(write(tmp_path / "a.csv", [GOOD, GOOD | changed]))
    assert len(annotations.segments) == 1
    [rejected] = annotations.rejected
    assert (rejected["row"], rejected["status"], rejected["reason"]) == (2, "failed", reason)
    assert f"a.csv: row 2, column {column}" in rejected["message"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"video,start_s,instruction\n", "'stop_s'"),
        ("a.csv", b"", "'video'"),
        ("a.csv", b"\xff\xfebinary", "UTF-8"),
        ("a.csv", b"video,start_s,stop_s,instruction\na.mp4,0,1,put cup, plate\n", "row 1"),
        ("a.jsonl", b'{"video": 1}\n', "line 1"),
        ("a.jsonl", b"not json\n", "line 1"),
        ("a.parquet", b"not parquet", "readable"),
        ("a.xlsx", b"", ".parquet"),
    ],
)
def test_a_broken_table_is_refused_by_name(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=name) as caught:
        read_table(tmp_path / name)
    assert said in str(caught.value)


def test_the_table_of_real_clips_is_whole() -> None:
    annotations = read_table(Path(__file__).parents[1] / "support" / "data" / "real_clips.csv")
    assert not annotations.rejected
    assert 20 <= len(annotations.segments) <= 40
    assert len({segment.video_id for segment in annotations.segments}) == 19
