"""When too many segments failed, a run ends before training. It says how many, why, and what to do."""

from pathlib import Path

import pytest

from flows.wiring.failed_share import stopping_before_training
from flows.wiring.job import make_job
from flows.wiring.main_job import Place
from flows.wiring.making import plainly, run_job
from flows.wiring.presets import STARTING_EDITOR
from flows.wiring.request import Request
from tasks.artifacts.artifact import artifacts_of
from tasks.artifacts.building import StageFailed
from tests.support.clips import X264, encode

ROWS = [f"{video},{start},{start + 0.3},open door" for video in ("a", "missing") for start in (0.1, 0.5, 0.9)]


class TrainingBegins(Exception):
    """Training was asked for; nothing is trained in this test."""


def run(tmp_path: Path, max_failed_share: float) -> None:
    (tmp_path / "videos").mkdir(exist_ok=True)
    encode(tmp_path / "videos" / "a.mp4", [*X264, "keyint=15"], num_frames=50)
    (tmp_path / "actions.csv").write_text("\n".join(["video,start_s,stop_s,instruction", *ROWS[:5]]) + "\n")
    job = make_job(
        Request(
            preset="table",
            workspace=str(tmp_path / "workspace"),
            annotations=str(tmp_path / "actions.csv"),
            videos=str(tmp_path / "videos"),
            start=str(STARTING_EDITOR),
            until="editor",
            settings={"frames.size_px": 32, "splits.num_test": 1},
            workers=1,
        )
    )
    really = plainly(job.workspace, job.request.options)

    def make(stage: str, label: str, config: object, **inputs: Place) -> Path | None:
        if stage == "editor":
            raise TrainingBegins
        return None if stage == "dataset" else really(stage, label, config, **inputs)

    run_job(job, stopping_before_training(make, job.workspace, max_failed_share))


def test_training_does_not_begin_where_too_many_segments_failed(tmp_path: Path) -> None:
    with pytest.raises(StageFailed) as told:
        run(tmp_path, 0.39)
    assert "2 of 5 segments failed (2 video_missing), more than the share of 0.39" in str(told.value)
    assert "--max-failed-share 1" in str(told.value)
    assert len(str(told.value).splitlines()) == 1
    assert artifacts_of(tmp_path / "workspace", "shards")
    with pytest.raises(TrainingBegins):
        run(tmp_path, 0.4)


def test_by_default_half_of_the_segments_may_fail() -> None:
    assert Request().max_failed_share == 0.5
