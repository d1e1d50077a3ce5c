"""Items on a local Dask cluster of two workers have the same results, failures and limits as in processes here."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flows.wiring.items_on import check_items_on, items_on
from flows.wiring.job import make_job
from flows.wiring.making import plainly, run_job
from flows.wiring.request import Request
from modeling.config import SamplingConfig
from modeling.small_editor.shipped import STARTING_EDITOR
from tasks.artifacts.artifact import Artifact, artifacts_of
from tasks.artifacts.map_items import Failure, elsewhere, map_items
from tasks.config import EditsConfig, RunOptions, ScoresConfig, ShardsConfig, SplitsConfig
from tasks.edits import edits
from tasks.scores import scores
from tasks.shards import shards
from tasks.splits import splits
from tests.support.clips import X264, encode
from tests.support.commands import is_running, wait_until
from tests.support.drawn_frames import draw_frames
from tests.support.drawn_run import draw_run
from tests.support.tiny_pipeline import SIZE_PX, tiny_start
from tests.tasks.test_map_items import work

Mapped = Callable[..., Iterator[Any]]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Mapped]:
    """Give the mapping of items to two workers of Dask."""
    pytest.importorskip("prefect_dask", reason="the extra `dask` is not installed")
    with items_on(RunOptions(items_on="dask", workers=2)):
        mapped = elsewhere.get()
        assert mapped is not None
        elsewhere.set(None)
        yield mapped


@contextmanager
def on(mapped: Mapped) -> Iterator[None]:
    token = elsewhere.set(mapped)
    try:
        yield
    finally:
        elsewhere.reset(token)


def sleep_for_ever(folder: str) -> None:
    if folder:
        Path(folder, str(os.getpid())).touch()
        time.sleep(600)


def process_and_its_parent(item: str) -> tuple[int, int]:
    time.sleep(0.2)
    return os.getpid(), os.getppid()


@pytest.mark.slow
def test_failures_and_results_are_those_of_processes_here(cluster: Mapped) -> None:
    items = ["memory", "a", "crash", "b", "kill", "c", "server", "d"]
    with on(cluster):
        results = dict(map_items(work, items))
        slow = dict(map_items(work, ["sleep", "a"], limit_s=1.0))
        with pytest.raises(OSError, match="No space left"):
            dict(map_items(work, ["full", "a"]))
        workers = dict(map_items(process_and_its_parent, [str(number) for number in range(8)])).values()
    assert {name: results[name] for name in "abcd"} == {"a": "A", "b": "B", "c": "C", "d": "D"}
    failures = [(results[name].reason, results[name].transient) for name in ("memory", "crash", "kill", "server")]
    assert failures == [("MemoryError", True), ("crashed", False), ("killed", True), ("unreachable", True)]
    assert slow["sleep"] == Failure("timed_out", "took more than 1 s; the process was ended")
    assert slow["a"] == "A"
    assert len({process for process, _ in workers}) == 2, "one process a worker, kept from item to item"
    assert os.getpid() not in {parent for _, parent in workers}


@pytest.mark.slow
def test_an_item_that_nobody_waits_for_any_more_is_ended(cluster: Mapped, tmp_path: Path) -> None:
    with on(cluster):
        outcomes = map_items(sleep_for_ever, ["", str(tmp_path)])
        assert next(outcomes) == ("", None)
        assert wait_until(lambda: list(tmp_path.iterdir()), within_s=60)
        [process] = [int(path.name) for path in tmp_path.iterdir()]
        assert is_running(process)
        outcomes.close()  # type: ignore[attr-defined]
        assert wait_until(lambda: not is_running(process), within_s=30)


def make_frames(tmp_path: Path, name: str) -> Artifact:
    job = make_job(
        Request(
            preset="table",
            workspace=str(tmp_path / name),
            annotations=str(tmp_path / "actions.csv"),
            videos=str(tmp_path / "videos"),
            start=str(STARTING_EDITOR),
            until="frames",
            settings={"frames.size_px": 32},
            workers=2,
        )
    )
    run_job(job, plainly(job.workspace, job.request.options))
    [made] = artifacts_of(job.workspace, "frames")
    return made


@pytest.mark.slow
def test_the_artifact_is_the_same_to_the_byte(cluster: Mapped, tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    for name in ("a", "b", "c"):
        encode(tmp_path / "videos" / f"{name}.mp4", [*X264, "keyint=15"], num_frames=50)
    (tmp_path / "videos" / "broken.mp4").write_bytes(b"no video")
    rows = [f"{video},{start},{start + 0.3},open door" for video in ("a", "b", "c", "broken") for start in (0.1, 0.9)]
    (tmp_path / "actions.csv").write_text("\n".join(["video,start_s,stop_s,instruction", *rows]) + "\n")
    here = make_frames(tmp_path, "here")
    with on(cluster):
        there = make_frames(tmp_path, "there")
    assert (there.digest, there.manifest["counts"]) == (here.digest, here.manifest["counts"])
    assert here.num_failed == 2


def never_here(*_: object) -> None:
    raise AssertionError("this process only plans and records")


@pytest.mark.slow
def test_edits_are_the_same_to_the_byte(cluster: Mapped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = draw_frames(tmp_path, num_pairs=12)
    split = splits.run(tmp_path, "t", SplitsConfig(num_test=3, num_validation=2), frames=frames.path)
    sharded = shards.run(tmp_path, "t", ShardsConfig(), frames=frames.path, splits=split.path)
    start = tiny_start(tmp_path / "start")
    sampling = SamplingConfig(size_px=SIZE_PX, num_steps=2, precision="fp32")
    config = EditsConfig(sampling=sampling, seeds=(0, 1))
    here = edits.run(tmp_path / "here", "t", config, editor=start, shards=sharded.path)
    monkeypatch.setattr("tasks.editing.items.load_system", never_here)
    with on(cluster):
        there = edits.run(tmp_path / "there", "t", config, editor=start, shards=sharded.path)
    assert (there.digest, there.manifest["counts"]) == (here.digest, here.manifest["counts"])
    assert here.manifest["items"] == {"total": 3, "run": 3}, "one for each seed, one for the ground truths"
    assert len(list((there.path).rglob("*.png"))) == 9


@pytest.mark.slow
def test_scores_are_the_same_to_the_byte(cluster: Mapped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = draw_run(tmp_path / "run")
    monkeypatch.setattr("evaluation.scoring.split_scorer.PAIRS_AT_ONCE", 6)
    here = scores.run(tmp_path / "here", "t", ScoresConfig(), **drawn.scored_inputs())
    monkeypatch.setattr("tasks.scoring.items.write_arrays", never_here)
    with on(cluster):
        there = scores.run(tmp_path / "there", "t", ScoresConfig(), **drawn.scored_inputs())
    assert (there.digest, there.manifest["counts"]) == (here.digest, here.manifest["counts"])
    assert there.manifest["items"] == {"total": 14, "run": 14}, "two parts: what all share, two references, four edits"


@pytest.mark.parametrize("where", ["dusk", "http://a:1", "tcp://", ""])
def test_a_place_that_is_none_is_refused(where: str) -> None:
    with pytest.raises(ValueError, match="--items-on"):
        check_items_on(where)
