"""The frozen test set of nights is found by its splits. It is whole, or the missing pairs are told one by one."""

from pathlib import Path

import pytest

from flows.wiring.evaluations import Evaluation, Setting
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


def evaluation(series: str, test_set: str) -> Evaluation:
    scores = Artifact(path=Path("scores/x"), manifest={"inputs": {"shards": {"artifact": "shards/x-0"}}})
    setting = Setting(test_set=test_set, classifier="c", edits="e", scores="s")
    return Evaluation(series=series, editor="e", label="editaction", setting=setting, scores=scores)


def test_no_other_set_takes_the_place_of_one_that_is_gone_or_of_another_preset(split: Artifact, tmp_path: Path) -> None:
    make, request = plainly(tmp_path, RunOptions()), NightlyRequest(workspace=str(tmp_path))
    ours = frozen_set(request, [], make)
    assert ours is not None
    others = [evaluation("demo-hc", "gone"), evaluation("demo-hc-finetuned", "gone"), evaluation("hc", "gone")]
    assert frozen_set(request, others, make) == ours, "the newest evaluation is another preset's"
    assert frozen_set(request, [evaluation("demo-finetuned", ours.shards.digest), *others], make) == ours
    with pytest.raises(ValueError, match="test set of the newest evaluation, shards/x-0, is gone"):
        frozen_set(request, [evaluation("demo", ours.shards.digest), evaluation("demo", "gone")], make)


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
