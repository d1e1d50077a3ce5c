"""Tars and their index."""

from itertools import pairwise

import pandas as pd
import pytest

from modeling.data.loader import Examples
from tasks.config import ShardsConfig, SplitsConfig
from tasks.shards import Pair, plan_shards, read_rows, read_split_pairs, shards
from tasks.splits import splits
from tests.support.drawn_frames import draw_frames
from tests.support.watchers import watched


def make_shards(workspace, examples_per_shard=4, **drawn):
    frames = draw_frames(workspace, **drawn)
    split = splits.run(workspace, "t", SplitsConfig(num_test=3), frames=frames.path)
    config = ShardsConfig(examples_per_shard=examples_per_shard)
    return frames, shards.run(workspace, "t", config, frames=frames.path, splits=split.path)


def tars_of(artifact):
    return {
        path.relative_to(artifact.path).as_posix(): path.read_bytes() for path in sorted(artifact.path.rglob("*.tar"))
    }


def test_every_pair_lies_once_in_a_tar_of_its_split_with_its_own_pictures(tmp_path):
    frames, artifact = make_shards(tmp_path, num_pairs=12)
    assert list(tars_of(artifact)) == [
        "test3/test3-000000.tar",
        "train/train-000000.tar",
        "train/train-000001.tar",
        "train/train-000002.tar",
    ]
    examples = {example.segment_id: example for example in Examples(artifact.path)}
    assert len(examples) == 12
    for row in frames.records():
        example = examples[row["segment_id"]]
        assert example.source_file == (frames.path / row["source_image"]).read_bytes()
        assert example.edited_file == (frames.path / row["edited_image"]).read_bytes()
        assert (example.instruction, example.start_s, example.end_point, example.overlaps) == (
            row["instruction"],
            row["start_s"],
            row["end_point"],
            row["overlaps"],
        )


def test_the_index_and_the_records_say_where_each_example_lies(tmp_path):
    _, artifact = make_shards(tmp_path, num_pairs=12)
    index = pd.read_parquet(artifact.path / "index.parquet")
    records = list(artifact.records())
    assert index.to_dict("records") == [{name: row[name] for name in index.columns} for row in records]
    assert all("start_frame" in row and "source_image" not in row for row in records)
    for shard, rows in index.groupby("shard"):
        inside = list(Examples(artifact.path / str(shard)))
        assert [example.segment_id for example in inside] == rows.segment_id.tolist()
        assert {example.split for example in inside} == set(rows.split) == {str(shard).split("/")[0]}


def test_examples_of_a_video_are_spread_over_the_tars_whatever_the_order_of_the_rows():
    """Otherwise readers that go from front to back would see one video after another."""
    pairs = [Pair(f"v{video}-{number:03d}", "train", 0) for video in range(10) for number in range(20)]
    planned = plan_shards(pairs, 20)
    assert planned == plan_shards(pairs[::-1], 20)
    order = [pair.segment_id.split("-")[0] for members in planned.values() for pair in members]
    assert sorted(order) == sorted(pair.segment_id.split("-")[0] for pair in pairs)
    same_as_next = sum(a == b for a, b in pairwise(order)) / (len(order) - 1)
    assert same_as_next < 0.2  # 0.1 by chance; 0.95 for one video after another
    assert all(len({pair.segment_id.split("-")[0] for pair in members}) >= 5 for members in planned.values())


def test_equal_pairs_give_equal_bytes_wherever_they_are_built(tmp_path):
    (_, first), (_, second) = make_shards(tmp_path / "a"), make_shards(tmp_path / "b")
    assert tars_of(first) == tars_of(second)
    assert (first.path / "index.parquet").read_bytes() == (second.path / "index.parquet").read_bytes()
    assert first.digest == second.digest


def test_rows_are_found_again_by_their_place_and_those_in_no_split_are_left_out(tmp_path):
    frames = draw_frames(tmp_path, num_pairs=5)
    rows = list(frames.records())
    split_of = {row["segment_id"]: "train" for row in rows if row != rows[2]}
    pairs = read_split_pairs(frames.path / "records.jsonl", split_of)
    with (frames.path / "records.jsonl").open("rb") as records:
        rows_again = read_rows(records, pairs[::-1])
    assert rows_again == [rows[number] | {"split": "train"} for number in (4, 3, 1, 0)]


def test_a_damaged_tar_alone_is_written_again(tmp_path):
    _, artifact = make_shards(tmp_path)
    whole = tars_of(artifact)
    untouched = (artifact.path / "train/train-000000.tar").stat().st_mtime_ns
    (artifact.path / "train/train-000001.tar").write_bytes(b"damaged")
    _, again = make_shards(tmp_path)
    assert whole == tars_of(again)
    assert again.manifest["items"] == {"total": 4, "run": 1}
    assert (again.path / "train/train-000000.tar").stat().st_mtime_ns == untouched
    assert again.digest == artifact.digest


def test_other_pictures_of_the_same_segments_are_written_anew(tmp_path):
    """Tars of an older artifact are used again only where their pixels are the same, too."""
    (_, first), (_, second) = make_shards(tmp_path, seed=0), make_shards(tmp_path, seed=1)
    assert first.path != second.path
    assert all(tars_of(first)[name] != content for name, content in tars_of(second).items())


def test_shards_are_taken_up_where_a_cut_off_run_left_them(tmp_path):
    _, undisturbed = make_shards(tmp_path / "a")

    with watched(cut_off=("shards", 2)), pytest.raises(KeyboardInterrupt):
        make_shards(tmp_path / "b")
    _, resumed = make_shards(tmp_path / "b")
    assert resumed.manifest["items"] == {"total": 4, "run": 2}
    assert tars_of(undisturbed) == tars_of(resumed)
    assert undisturbed.digest == resumed.digest
