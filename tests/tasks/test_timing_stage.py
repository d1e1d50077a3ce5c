"""Seconds per picture of the tiny pipeline: the stated protocol, the counts, and what an interrupted run keeps."""

import json
from dataclasses import replace

import pytest

from modeling.config import SamplingConfig
from tasks.config import ShardsConfig, SplitsConfig, TimingConfig
from tasks.shards import shards
from tasks.splits import splits
from tasks.timing import timing
from tests.support.drawn_frames import draw_frames
from tests.support.tiny_pipeline import SIZE_PX, tiny_start
from tests.support.watchers import watched

SAMPLING = SamplingConfig(size_px=SIZE_PX, num_steps=3, precision="fp32", text_guidance=2.0)
CONFIG = TimingConfig(method="instruct_pix2pix", settings=SAMPLING, batch_sizes=(1, 2, 4), num_calls=2)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return tiny_start(tmp_path_factory.mktemp("start"))


@pytest.fixture
def sharded(tmp_path):
    frames = draw_frames(tmp_path, num_pairs=20)
    split = splits.run(tmp_path, "t", SplitsConfig(num_test=3, num_validation=2), frames=frames.path)
    return shards.run(tmp_path, "t", ShardsConfig(), frames=frames.path, splits=split.path)


def test_every_number_stands_beside_what_it_was_measured_with(tmp_path, start, sharded):
    """Three test pictures fill a batch of four, too. At picture guidance 1 an edit takes two passes a step."""
    artifact = timing.run(tmp_path, "t", CONFIG, editor=start, shards=sharded.path)
    records = list(artifact.records())
    assert [record["batch_size"] for record in records] == [1, 2, 4]
    for record in records:
        assert 0 < record["fastest"] <= record["seconds_per_picture"] <= record["slowest"]
        assert record["passes_per_picture"] == 2 * SAMPLING.num_steps
        assert (record["precision"], record["num_steps"], record["size_px"]) == ("fp32", 3, SIZE_PX)
        assert (record["num_warm_up"], record["num_calls"]) == (1, 2)
        assert record["device"]
    content = json.loads((artifact.path / "timing.json").read_text())
    assert content["batch_1"] == records[0]
    assert content["best_batch"] == min(records, key=lambda record: record["seconds_per_picture"])


def test_a_third_pass_is_counted_where_the_picture_is_guided(tmp_path, start, sharded):
    config = replace(CONFIG, settings=replace(SAMPLING, image_guidance=1.5), batch_sizes=(2,))
    (record,) = timing.run(tmp_path, "t", config, editor=start, shards=sharded.path).records()
    assert record["passes_per_picture"] == 3 * SAMPLING.num_steps


def test_timing_is_taken_up_where_a_cut_off_run_left_it(tmp_path, start, sharded):
    with watched(cut_off=("timing", 2)), pytest.raises(KeyboardInterrupt):
        timing.run(tmp_path, "t", CONFIG, editor=start, shards=sharded.path)
    (partial,) = (tmp_path / "timing").glob("*.partial")
    done = {path.name: path.read_bytes() for path in (partial / "items").glob("*.json")}
    assert len(done) == 2
    artifact = timing.run(tmp_path, "t", CONFIG, editor=start, shards=sharded.path)
    assert len(list(artifact.records())) == 3
    assert done.items() <= {path.name: path.read_bytes() for path in (artifact.path / "items").glob("*.json")}.items()


def test_a_batch_that_cannot_be_edited_is_listed_as_failed(tmp_path, start, sharded):
    config = replace(CONFIG, settings=replace(SAMPLING, size_px=SIZE_PX + 1), batch_sizes=(1,))
    artifact = timing.run(tmp_path, "t", config, editor=start, shards=sharded.path)
    assert not list(artifact.records())
    assert [row["batch_size"] for row in artifact.rejected()] == [1]
    assert json.loads((artifact.path / "timing.json").read_text())["best_batch"] is None


def test_sizes_that_cannot_be_are_refused():
    for changes in ({"batch_sizes": ()}, {"batch_sizes": (0,)}, {"num_calls": 0}, {"num_warm_up": -1}):
        with pytest.raises(ValueError, match="timing"):
            replace(CONFIG, **changes)
