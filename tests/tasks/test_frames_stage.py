"""Segments and videos go in, pairs of pictures come out. Only missing work is done, whatever happened before."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from modeling.data.images import read_image, squash
from tasks.annotations.segment import Segment
from tasks.artifacts.artifact import Artifact, digest_of
from tasks.config import FramesConfig, RunOptions
from tasks.cutting.pairs import VideoJob
from tasks.cutting.quality import look_at, quality_of
from tasks.frames import cut_videos, frames
from tests.support.clips import CLIPS, HEIGHT, WIDTH, encode, read_number
from tests.tasks.test_segments_stage import find_in, read_into

CONFIG = FramesConfig(size_px=WIDTH, image_format="png")
TABLE = """video,start_s,stop_s,instruction
good.mp4,0.0,0.8,open door
good.mp4,0.8,1.61,take cup
counted.avi,0.2,9.0,close door
broken.mp4,0.0,0.8,wash cup
broken.mp4,0.8,1.6,dry cup
missing.mp4,0.0,0.5,dry cup
"""


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Make a folder with a good MP4, a good AVI, and a file that is no video."""
    folder = tmp_path / "clips"
    folder.mkdir()
    encode(folder / "good.mp4", CLIPS["default_gop.mp4"], num_frames=50)
    encode(folder / "counted.avi", CLIPS["h264.avi"], num_frames=50)
    (folder / "broken.mp4").write_bytes(b"<html>404</html>" * 100)
    (tmp_path / "actions.csv").write_text(TABLE)
    return folder


def cut(clips: Path, workspace: Path, config: FramesConfig = CONFIG, *, retry_failed: bool = False) -> Artifact:
    made = read_into(workspace, clips.parent / "actions.csv")
    videos_there = find_in(workspace, made, clips)
    options = RunOptions(workers=1, retry_failed=retry_failed)
    return frames.run(workspace, "test", config, options=options, segments=made.path, videos=videos_there.path)


def number_in(artifact: Artifact, name: str) -> int:
    """Read the number burnt into a picture that was squashed to a square."""
    picture = read_image(artifact.path / name)
    assert picture.shape == (WIDTH, WIDTH, 3)
    rows = [int((row + 0.5) * WIDTH / HEIGHT) for row in range(HEIGHT)]
    return read_number(picture[rows])


def test_pairs_are_the_frames_at_start_and_stop_and_the_rest_is_counted(clips: Path, tmp_path: Path) -> None:
    pairs = cut(clips, tmp_path / "workspace")
    records = list(pairs.records())
    indices = [(record["source_frame_index"], record["edited_frame_index"]) for record in records]
    assert indices == [(0, 20), (20, 40), (5, 49)]
    for record in records:
        assert number_in(pairs, record["source_image"]) == record["source_frame_index"]
        assert number_in(pairs, record["edited_image"]) == record["edited_frame_index"]
    assert [(record["source_pts_s"], record["edited_pts_s"]) for record in records] == [
        (0.0, 0.8),
        (0.8, 1.6),
        (0.2, 1.96),
    ]
    requested = [(record["source_requested_pts_s"], record["edited_requested_pts_s"]) for record in records]
    assert requested == [(0.0, 0.8), (0.8, 1.61), (0.2, 9.0)]
    assert [record["read_by"] for record in records] == ["plan", "plan", "count"]
    [(key, settings)] = pairs.manifest["facts"]["decoder_settings"].items()
    assert {record["decoder_key"] for record in records} == {key} == {digest_of(settings)[:8]}
    assert "LANCZOS" in settings["squash"]
    counts = {"input": 6, "kept": 3, "filtered": {}, "failed": {"not_a_video": 2, "video_missing": 1}}
    assert pairs.manifest["counts"] == counts
    assert sorted(path.name for path in (pairs.path / "images").iterdir()) == ["counted.avi", "good.mp4"]
    assert pairs.manifest["funnel"] == {"segments": 6, "with_video": 5, "with_frames": 3}
    assert records[0]["edited_image"] == records[1]["source_image"], "a frame that two segments share is one file"


def test_times_asked_for_and_taken_are_on_the_clock_of_the_file(clips: Path, tmp_path: Path) -> None:
    encode(clips / "late.mkv", CLIPS["offset.mkv"], num_frames=50)
    (tmp_path / "actions.csv").write_text("video,start_s,stop_s,instruction\nlate.mkv,0.1,1.01,open door\n")
    [record] = cut(clips, tmp_path / "workspace").records()
    assert (record["source_requested_pts_s"], record["edited_requested_pts_s"]) == (10.1, 11.01)
    assert (record["source_pts_s"], record["edited_pts_s"]) == (10.08, 11.0)


def test_no_unnamed_picture_is_left_of_a_video_that_gives_only_some(clips: Path, tmp_path: Path) -> None:
    whole = encode(clips / "long.mp4", [*CLIPS["short_gop.mp4"], "-movflags", "+faststart"], num_frames=100)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    rows = [f"long.mp4,{start},{stop},open door" for start, stop in ((0.0, 0.4), (0.8, 3.9), (3.8, 3.9))]
    (tmp_path / "actions.csv").write_text("\n".join(["video,start_s,stop_s,instruction", *rows, ""]))
    pairs = cut(clips, tmp_path / "workspace")
    assert pairs.manifest["counts"]["failed"] == {"truncated": 2}
    assert sorted(path.name for path in pairs.path.rglob("images/*/*")) == ["0000000.png", "0000010.png"]


def test_every_pair_carries_its_quality_measured_from_its_own_pictures(clips: Path, tmp_path: Path) -> None:
    pairs = cut(clips, tmp_path / "workspace")
    for record in pairs.records():
        looks = [look_at(read_image(pairs.path / record[name])) for name in ("source_image", "edited_image")]
        assert quality_of(*looks).items() <= record.items()
        assert 0 < record["change"] < 1


def test_pictures_are_squashed_by_the_projects_one_resize(clips: Path, tmp_path: Path) -> None:
    large, small = (
        cut(clips, tmp_path / str(size_px), FramesConfig(size_px=size_px, image_format="png"))
        for size_px in (WIDTH, 48)
    )
    names = [next(artifact.records())["source_image"] for artifact in (large, small)]
    picture = read_image(small.path / names[1])
    assert picture.shape == (48, 48, 3)
    again = squash(read_image(large.path / names[0]), 48)
    assert abs(picture.astype(int) - again).mean() < 2


def test_only_a_failed_video_is_done_again(clips: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    first = cut(clips, workspace)
    assert first.manifest["items"] == {"total": 4, "run": 4}
    assert cut(clips, workspace).manifest == first.manifest, "nothing changed and nobody asked"
    again = cut(clips, workspace, retry_failed=True)
    assert again.manifest == first.manifest, "they failed again"
    shutil.copy(clips / "good.mp4", clips / "broken.mp4")
    shutil.copy(clips / "good.mp4", clips / "missing.mp4")
    mended = cut(clips, workspace)
    assert mended.manifest["items"] == {"total": 4, "run": 2}
    assert mended.manifest["counts"]["kept"] == 6
    assert cut(clips, workspace).manifest == mended.manifest


def test_leftovers_of_a_killed_run_are_overwritten(clips: Path, tmp_path: Path) -> None:
    whole = cut(clips, tmp_path / "one")
    begun = tmp_path / "two" / "frames" / f"{whole.path.name}.partial" / "images" / "good.mp4"
    begun.mkdir(parents=True)
    (begun / "0000000.png").write_bytes(b"half a pic")
    (begun / "0000033.png").write_bytes(b"of an earlier attempt")
    assert cut(clips, tmp_path / "two").digest == whole.digest


def test_a_decoder_that_crashes_fails_its_video_only(clips: Path, tmp_path: Path) -> None:
    class CrashingPath(type(Path())):  # type: ignore[misc]
        """A path that aborts the process to which it is sent, as a decoder may do."""

        def __reduce__(self) -> tuple[object, ...]:
            return os.abort, ()

    segment = Segment(segment_id="a-1", video_id="v", start_s=0.0, stop_s=1.0, instruction="open door")
    common = {"fingerprint": "", "segments": (segment,), "config": CONFIG, "folder": tmp_path}
    jobs = [
        VideoJob(video_id="bad", path=CrashingPath(clips / "broken.mp4"), **common),
        VideoJob(video_id="good", path=clips / "good.mp4", **common),
    ]
    reasons = {job.video_id: pairs.rejected[0]["reason"] for job, pairs in cut_videos(jobs, 1)}
    assert reasons == {"bad": "decoder_crashed", "good": "video_changed"}


KILLED_RUN = """
import sys
from pathlib import Path
from tests.tasks.test_frames_stage import cut
if __name__ == "__main__":
    cut(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_a_run_killed_in_the_middle_and_run_again_gives_the_same_bytes(clips: Path, tmp_path: Path) -> None:
    table = clips.parent / "actions.csv"
    for number in range(12):
        shutil.copy(clips / "good.mp4", clips / f"more{number}.mp4")
        with table.open("a") as file:
            file.write(f"more{number}.mp4,0.{number},1.5,open door\n")
    script = tmp_path / "killed.py"
    script.write_text(KILLED_RUN)
    workspace = tmp_path / "workspace"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen([sys.executable, str(script), str(clips), str(workspace)], env=environment)
    deadline = time.monotonic() + 120
    while len(list(workspace.glob("frames/*.partial/items/*.json"))) < 4:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    resumed = cut(clips, workspace)
    assert 2 <= resumed.manifest["items"]["run"] < 16
    assert resumed.digest == cut(clips, tmp_path / "undisturbed").digest
