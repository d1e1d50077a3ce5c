"""The frozen test set of nights is found by its splits. It is whole, or the missing pairs are told one by one."""

from pathlib import Path

import pytest

from flows.wiring.frozen_set import frozen_set
from flows.wiring.making import plainly
from flows.wiring.nightly_job import NightlyRequest
from tasks.artifacts.artifact import Artifact
from tasks.config import RunOptions, SplitsConfig
from tasks.splits import splits
from tests.support.drawn_frames import draw_frames


@pytest.fixture
def split(tmp_path: Path) -> Artifact:
    frames = draw_frames(tmp_path, num_pairs=10)
    return splits.run(tmp_path, "demo", SplitsConfig(num_test=3), frames=frames.path)


def test_the_shards_of_named_splits_are_written_once_and_whole(split: Artifact, tmp_path: Path) -> None:
    make = plainly(tmp_path, RunOptions())
    request = NightlyRequest(workspace=str(tmp_path), test_set=split.path.name)
    frozen = frozen_set(request, [], make)
    assert frozen is not None
    assert frozen.problem == ""
    assert sum(row["split"] != "train" for row in frozen.shards.records()) == 3
    assert frozen_set(request, [], make) == frozen
    assert frozen_set(NightlyRequest(workspace=str(tmp_path)), [], make) == frozen, "the oldest splits"
    assert frozen_set(NightlyRequest(workspace=str(tmp_path / "empty")), [], make) is None
    with pytest.raises(ValueError, match="no finished splits 'demo-00000000'"):
        frozen_set(NightlyRequest(workspace=str(tmp_path), test_set="demo-00000000"), [], make)


def test_a_pair_that_the_shards_lost_is_named(split: Artifact, tmp_path: Path) -> None:
    make = plainly(tmp_path, RunOptions())
    request = NightlyRequest(workspace=str(tmp_path), test_set=split.path.name)
    whole = frozen_set(request, [], make)
    assert whole is not None
    records = whole.shards.path / "records.jsonl"
    lines = records.read_text().splitlines(keepends=True)
    tested = next(row["segment_id"] for row in whole.shards.records() if row["split"] != "train")
    records.write_text("".join(line for line in lines if f'"{tested}"' not in line))
    lost = frozen_set(request, [], make)
    assert lost is not None
    assert lost.problem == f"TEST SET INCOMPLETE: 1 of its 3 pairs are missing: 1 not there ({tested})."
