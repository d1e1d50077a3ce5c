"""A stage that only shows the work of others ends nothing when it fails."""

from pathlib import Path

import pytest
from prefect.exceptions import CancelledRun

from flows.wiring.job import make_job
from flows.wiring.main_job import Place
from flows.wiring.making import plainly, run_job
from flows.wiring.request import Request
from tasks.artifacts.artifact import artifacts_of
from tasks.config import RunOptions
from tests.support.clips import CLIPS, encode
from tests.support.commands import run


@pytest.fixture
def actions(tmp_path: Path) -> Path:
    """Return ten actions of one nominal length; their durations differ in the last bit of a float."""
    encode(tmp_path / "clip.mp4", CLIPS["short_gop.mp4"], num_frames=50)
    rows = [f"clip.mp4,{number / 10:.1f},{(number + 7) / 10:.1f},open door {number}" for number in range(1, 11)]
    (tmp_path / "actions.csv").write_text("video,start_s,stop_s,instruction\n" + "\n".join(rows) + "\n")
    return tmp_path / "actions.csv"


def request_of(actions: Path) -> Request:
    settings = {"frames.size_px": 64, "frames.image_format": "png"}
    return Request(
        preset="table",
        annotations=str(actions),
        videos=str(actions.parent),
        workspace=str(actions.parent / "W"),
        until="shards",
        settings=settings,
    )


def test_segments_of_equal_length_come_through_to_shards_and_page(actions: Path) -> None:
    job = make_job(request_of(actions))
    run_job(job, plainly(job.workspace, RunOptions(workers=1)))
    assert artifacts_of(job.workspace, "shards")[0].manifest["counts"]["kept"] == 10
    assert (artifacts_of(job.workspace, "dataset")[0].path / "dataset.html").is_file()


def test_a_page_that_fails_is_told_and_everything_after_it_is_made(actions: Path) -> None:
    job = make_job(request_of(actions))
    plain = plainly(job.workspace, RunOptions(workers=1))

    def make(stage: str, label: str, config: object, **inputs: Place) -> Path | None:
        if stage == "dataset":
            raise ZeroDivisionError("float division by zero")
        return plain(stage, label, config, **inputs)

    with pytest.raises(ZeroDivisionError):
        run_job(job, make)
    lost: list[str] = []
    path = run_job(job, make, on_lost_page=lost.append)
    assert lost == ["dataset: ZeroDivisionError: float division by zero"]
    assert path == artifacts_of(job.workspace, "shards")[0].path


@pytest.mark.parametrize(
    ("stage", "error"),
    [("shards", ZeroDivisionError("float division by zero")), ("dataset", CancelledRun("cancelled"))],
)
def test_a_stage_that_makes_something_and_a_cancelled_run_end_the_job(
    stage: str, error: Exception, actions: Path
) -> None:
    def make(making: str, label: str, config: object, **inputs: Place) -> Path | None:
        if making == stage:
            raise error
        return None  # as where nothing is there yet

    lost: list[str] = []
    with pytest.raises(type(error)):
        run_job(make_job(request_of(actions)), make, on_lost_page=lost.append)
    assert lost == []


@pytest.mark.slow
def test_the_command_goes_on_past_a_page_that_fails_and_ends_with_status_3(actions: Path) -> None:
    (actions.parent / "W").mkdir()
    (actions.parent / "W" / "dataset").write_text("a file lies where the stage wants its folder")
    arguments = ["run", "--preset", "table", "--annotations", "actions.csv", "--videos", ".", "--until", "shards"]
    sizes = ["--set", "frames.size_px=64", "--set", "frames.image_format=png", "--workspace", "W"]
    done = run(*arguments, *sizes, cwd=actions.parent, expect=3)
    assert "A page could not be made, all else is there: dataset: " in done.stdout + done.stderr
    assert len(artifacts_of(actions.parent / "W", "shards")) == 1
    (actions.parent / "W" / "dataset").unlink()
    run(*arguments, *sizes, cwd=actions.parent)
