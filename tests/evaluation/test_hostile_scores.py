"""A table of pair scores that anybody may have written: every fault gives one line that names the file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evaluation.scoring.pair_table import METADATA, SCHEMA, read_pair_table, scores_content, told_as_damage

TEXTS = {"split": "test", "editor": "ours", "name": "Ours", "kind": "system", "verb": "open", "video_id": "v"}


def rows() -> list[dict[str, Any]]:
    numbers = dict.fromkeys(SCHEMA.names[len(TEXTS) + 1 :], 0.5)
    return [TEXTS | numbers | {"segment_id": segment_id, "seed": 0, "training_seed": None} for segment_id in "abc"]


def written(path: Path, content: object, table: pa.Table | None = None) -> Path:
    table = pa.Table.from_pylist(rows(), SCHEMA) if table is None else table
    note = content if isinstance(content, bytes) else json.dumps(content).encode()
    pq.write_table(table.replace_schema_metadata({METADATA: note}), path)
    return path


@pytest.mark.parametrize(
    "content",
    [{}, [], None, 3, b"[" * 100_000, b"\xff", {"halves": {}}, {"halves": {"test": {}}, "header": 3}, {"halves": [1]}],
)
def test_metadata_that_is_none_is_told_in_one_line(content: object, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"s\.parquet is damaged, or no table of pair scores") as told:
        read_pair_table(written(tmp_path / "s.parquet", content))
    assert len(str(told.value).splitlines()) == 1


def without_a_row(table: pa.Table) -> pa.Table:
    other = pa.Table.from_pylist([row | {"editor": "theirs"} for row in rows()[:2]], SCHEMA)
    return pa.concat_tables([table, other])


def of_lists(table: pa.Table) -> pa.Table:
    place = table.schema.get_field_index("split")
    return table.set_column(place, "split", pa.array([["test"]] * len(table)))


def without_values(table: pa.Table) -> pa.Table:
    return table.set_column(0, "split", pa.nulls(len(table), pa.string()))


def endless(table: pa.Table) -> pa.Table:
    return table.set_column(0, "split", pa.array([float("nan")] * len(table)))


def without_rows(table: pa.Table) -> pa.Table:
    return table.slice(0, 0)


def of_a_row_twice(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table, table.slice(0, 1)])


def of_a_share_beyond_1(table: pa.Table) -> pa.Table:
    return table.set_column(table.schema.get_field_index("label"), "label", pa.array([7.0] * len(table)))


def of_no_number(table: pa.Table) -> pa.Table:
    place = table.schema.get_field_index("distance_truth")
    return table.set_column(place, "distance_truth", pa.array([float("inf")] * len(table)))


def of_no_video(table: pa.Table) -> pa.Table:
    place = table.schema.get_field_index("video_id")
    return table.set_column(place, "video_id", pa.array([None, "v", "v"], pa.string()))


@pytest.mark.parametrize("change", [without_a_row, of_lists, without_values, endless])
def test_columns_that_do_not_fit_are_told_in_one_line(change: Callable[[pa.Table], pa.Table], tmp_path: Path) -> None:
    path = written(tmp_path / "s.parquet", {"halves": {"test": {}}, "header": {}}, change(written_table()))
    with pytest.raises(ValueError, match=r"s\.parquet") as told:
        content_of(path)
    assert len(str(told.value).splitlines()) == 1


def content_of(path: Path) -> dict[str, Any]:
    splits, header = read_pair_table(path)
    with told_as_damage(path):
        return scores_content(splits, header)


def written_table() -> pa.Table:
    return pa.Table.from_pylist(rows(), SCHEMA)


def test_the_table_itself_is_read(tmp_path: Path) -> None:
    [(pairs, [candidate])], header = read_pair_table(
        written(tmp_path / "s.parquet", {"halves": {"test": {}}, "header": {"a": 1}})
    )
    assert pairs.segment_ids == ("a", "b", "c")
    assert candidate.seeds == (0,)
    assert header == {"a": 1}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without_a_row, "'c' is missing for theirs, seed 0, or for ours"),
        (without_rows, "without a row"),
        (of_a_row_twice, "ours, seed 0, has two rows of the pair 'a'"),
        (of_a_share_beyond_1, "label is 7 in a row; it is from 0 to 1"),
        (of_no_number, "distance_truth is inf in a row"),
        (of_no_video, "a row has no video_id"),
    ],
)
def test_rows_that_cannot_be_are_told_by_what_is_wrong_with_them(
    change: Callable[[pa.Table], pa.Table], words: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "s.parquet", {"halves": {"test": {}}, "header": {}}, change(written_table()))
    with pytest.raises(ValueError, match=words):
        read_pair_table(path)


def test_the_order_of_the_rows_does_not_matter_each_value_stays_with_its_pair_and_its_seeds(tmp_path: Path) -> None:
    made = [
        row
        | {"editor": editor, "seed": seed, "training_seed": trained, "distance_truth": place + 10 * seed + trained / 4}
        for editor in ("ours", "theirs")
        for trained in (0, 1)
        for seed in (3, 5)
        for place, row in enumerate(rows())
    ]
    order = [7, 2, 21, 0, 13, 5, 18, 23, 9, 1, 15, 11, 3, 20, 6, 17, 8, 22, 4, 14, 10, 19, 12, 16]
    table = pa.Table.from_pylist([made[place] for place in order], SCHEMA)
    [(pairs, candidates)], _ = read_pair_table(
        written(tmp_path / "s.parquet", {"halves": {"test": {}}, "header": {}}, table)
    )
    for candidate in candidates:
        for column, (seed, trained) in enumerate(zip(candidate.seeds, candidate.training_seeds, strict=True)):
            of_pair = dict(zip(pairs.segment_ids, candidate.values["distance_truth"][:, column], strict=True))
            assert of_pair == {pair: place + 10 * seed + trained / 4 for place, pair in enumerate("abc")}
