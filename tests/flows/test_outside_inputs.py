"""A process reads each outside input once, however often a run looks at it. It notices a changed file."""

from collections import Counter
from pathlib import Path

import pytest

from flows.wiring.job import make_job
from flows.wiring.making import plainly, plan, run_job
from flows.wiring.outside_inputs import outside_file, outside_start
from flows.wiring.presets import STARTING_EDITOR
from flows.wiring.request import Request
from tasks.artifacts import once
from tasks.artifacts.once import read_once
from tasks.config import RunOptions
from tasks.fetching import video_files
from tests.support.clips import X264, encode

TABLE = """video,start_s,stop_s,instruction
a,0.2,1.0,open door
a,1.0,1.5,take cup
b,0.2,0.9,close door
"""


@pytest.fixture
def asked(tmp_path: Path) -> Request:
    """Return the request of a run over two videos of a user's own."""
    (tmp_path / "videos").mkdir()
    for name in ("a", "b"):
        encode(tmp_path / "videos" / f"{name}.mp4", [*X264, "keyint=15"], num_frames=50 if name == "a" else 40)
    (tmp_path / "actions.csv").write_text(TABLE)
    return Request(
        preset="table",
        workspace=str(tmp_path / "workspace"),
        annotations=str(tmp_path / "actions.csv"),
        videos=str(tmp_path / "videos"),
        start=str(STARTING_EDITOR),
        until="frames",
    )


def test_each_video_and_file_is_read_once_in_a_whole_run_with_all_its_plans(
    asked: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: Counter[str] = Counter()
    fingerprint, sha256_of = video_files.fingerprint, once.sha256_of

    def counted_fingerprint(file: Path) -> str:
        reads[str(file)] += 1
        return fingerprint(file)

    def counted_sha256(path: Path) -> str:
        reads[str(path)] += 1
        return sha256_of(path)

    monkeypatch.setattr(video_files, "fingerprint", counted_fingerprint)
    monkeypatch.setattr(once, "sha256_of", counted_sha256)
    for _ in range(3):
        job = make_job(asked)
        plan(job)
        run_job(job, plainly(job.workspace, RunOptions(workers=1)))
        steps = plan(job)
    assert [step.state for step in steps] == ["Cached"] * 3
    assert {Path(name).name: number for name, number in reads.items()} == {"a.mp4": 1, "b.mp4": 1, "actions.csv": 1}
    for _ in range(2):
        outside_start(str(STARTING_EDITOR))
    assert set(reads.values()) == {1}


def test_a_video_or_a_table_that_is_changed_while_the_process_lives_is_seen(asked: Request, tmp_path: Path) -> None:
    run_job(make_job(asked), plainly(tmp_path / "workspace", RunOptions(workers=1)))
    encode(tmp_path / "videos" / "b.mp4", [*X264, "keyint=15"], num_frames=45)
    assert [(step.stage, step.state) for step in plan(make_job(asked))][:2] == [
        ("segments", "Cached"),
        ("videos", "build"),
    ]
    table = tmp_path / "actions.csv"
    before = outside_file(table)
    table.write_text(TABLE.replace("open door", "shut door"))
    assert outside_file(table) != before


def test_questions_about_the_same_file_are_kept_apart(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("text")
    assert read_once("length", path, lambda path: len(path.read_text())) == 4
    assert read_once("content", path, lambda path: path.read_text()) == "text"
    assert read_once("length", path, lambda path: -1) == 4
