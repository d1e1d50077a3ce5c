"""Downloaded, remote and local videos are the same to every later stage. A video that cannot be had fails by name."""

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.wiring.job import Job, make_job
from flows.wiring.making import plainly, plan, run_job
from flows.wiring.request import Request
from tasks.annotations.epic import git_blob
from tasks.artifacts.artifact import Artifact, artifacts_of
from tasks.config import Patience, RunOptions
from tasks.fetching import annotations as annotation_files
from tasks.fetching.archives import extract_videos
from tasks.fetching.fill_folder import fill_folder
from tasks.fetching.sites import MPII_ARCHIVE, Site
from tests.support.clips import CLIPS, X264, encode
from tests.support.http_server import Behaviour, Fault, serving
from tests.tasks.test_downloads import md5_of

TABLE = """video,start_s,stop_s,instruction
P01_101,0.2,1.0,open door
P01_101,1.0,1.5,take cup
P01_02,0.2,0.9,close door
"""
HEADER = "participant_id,video_id,start_timestamp,stop_timestamp,start_frame,stop_frame,narration,verb"
EPIC = f"""{HEADER}
P01,P01_101,00:00:00.20,00:00:01.00,10,50,open door,open
P01,P01_101,00:00:01.00,00:00:01.50,50,75,take cup,take
P01,P01_02,00:00:00.20,00:00:00.90,12,54,close door,close
"""
PATIENCE = Patience(retries=1, first_wait_s=0.002, stall_s=0.5)
PLACES = {"P01_101": "P01/videos/P01_101.MP4", "P01_02": "videos/test/P01/P01_02.MP4"}
"""Paths of the videos on the official sites."""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a flat folder with both videos."""
    folder = tmp_path_factory.mktemp("clips")
    encode(folder / "P01_101.MP4", [*X264, "keyint=15:bframes=2:b-adapt=0"], num_frames=60)
    encode(folder / "P01_02.MP4", CLIPS["open_gop.mp4"], num_frames=50)
    return folder


@pytest.fixture
def site(clips: Path) -> Iterator[tuple[Behaviour, str]]:
    """Run a server with the videos at their official places."""
    behaviour = Behaviour(files={f"/{place}": clips / f"{video_id}.MP4" for video_id, place in PLACES.items()})
    with serving(behaviour) as url:
        yield behaviour, url


@pytest.fixture(autouse=True)
def published_md5s(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the published MD5s by those of the drawn videos."""
    md5s = {path.stem: md5_of(path.read_bytes()) for path in clips.iterdir()}
    monkeypatch.setattr("tasks.fetching.sites.epic_md5s", lambda: md5s)


def request(folder: Path, **changes: object) -> Request:
    annotations = folder / "epic.csv"
    annotations.write_text(EPIC)
    asked = {
        "preset": "hc",
        "workspace": str(folder / "workspace"),
        "annotations": str(annotations),
        "until": "frames",
        "settings": {"segments.epic_subset": "all", "frames.size_px": 64, "frames.image_format": "png"},
    }
    return Request(**(asked | changes))  # type: ignore[arg-type]


def run(asked: Request) -> tuple[Job, Artifact, Artifact]:
    """Run the stages up to the frames, without Prefect; return the newest videos and frames."""
    job = make_job(asked)
    options = RunOptions(workers=1, fetch=asked.fetch, mirror=asked.mirror, connections=2, patience=PATIENCE)
    run_job(job, plainly(job.workspace, options))
    return job, artifacts_of(job.workspace, "videos")[-1], artifacts_of(job.workspace, "frames")[-1]


def states(job: Job) -> dict[str, str]:
    return {step.stage: step.state for step in plan(job)}


ALL_CACHED = {"segments": "Cached", "videos": "Cached", "frames": "Cached"}


def test_local_downloaded_and_remote_videos_give_the_same_frames_once(
    clips: Path, site: tuple[Behaviour, str], tmp_path: Path
) -> None:
    _, local_videos, local_frames = run(request(tmp_path, videos=str(clips)))
    for fetch in ("download", "ranges"):
        job, videos, _ = run(request(tmp_path, fetch=fetch, mirror=site[1]))
        assert videos.digest == local_videos.digest
        assert videos.manifest["key"] != local_videos.manifest["key"]
        assert states(job) == ALL_CACHED
    assert len(artifacts_of(tmp_path / "workspace", "frames")) == 1, "cut once, whichever way the videos come"
    _, _, remote_frames = run(request(tmp_path, workspace=str(tmp_path / "other"), fetch="ranges", mirror=site[1]))
    assert remote_frames.digest == local_frames.digest
    fetched = remote_frames.manifest["facts"]["fetched"]
    assert (fetched["videos"], fetched["read_whole"]) == (2, 0)
    assert 0 < fetched["bytes"] <= fetched["bytes_of_videos"]


def test_only_what_is_needed_and_missing_is_downloaded_into_the_official_layout(
    clips: Path, site: tuple[Behaviour, str], tmp_path: Path
) -> None:
    folder = tmp_path / "epic"
    (folder / "P01" / "videos").mkdir(parents=True)
    (folder / "P01" / "videos" / "P01_02.MP4").write_bytes((clips / "P01_02.MP4").read_bytes())
    site[0].files["/P01/videos/P01_103.MP4"] = clips / "P01_02.MP4"
    asked = request(tmp_path, videos=str(folder), fetch="download", mirror=site[1])
    assert {step.stage: step.state for step in plan(make_job(asked))}["segments"] == "build"
    job, videos, _ = run(asked)
    assert videos.manifest["counts"]["kept"] == 2
    there = folder / "EPIC-KITCHENS" / "P01" / "videos" / "P01_101.MP4"
    assert there.read_bytes() == (clips / "P01_101.MP4").read_bytes()
    assert {asked.path for asked in site[0].asked} == {"/P01/videos/P01_101.MP4"}
    assert states(job) == ALL_CACHED
    there.unlink()
    assert states(job)["videos"] == "build"
    run(asked)
    assert there.is_file()
    assert states(job) == ALL_CACHED


def test_failures_are_counted_by_reason_and_only_they_are_tried_again(
    site: tuple[Behaviour, str], tmp_path: Path
) -> None:
    site[0].always["/P01/videos/P01_101.MP4"] = Fault("wrong_body")
    del site[0].files["/videos/test/P01/P01_02.MP4"]
    asked = request(tmp_path, fetch="download", mirror=site[1])
    _, videos, frames = run(asked)
    assert videos.manifest["counts"]["failed"] == {"not_found": 1, "wrong_checksum": 1}
    assert frames.manifest["counts"]["failed"] == {"not_found": 1, "wrong_checksum": 2}
    site[0].always.clear()
    job, videos, frames = run(asked)
    assert videos.manifest["counts"] == {"input": 2, "kept": 1, "filtered": {}, "failed": {"not_found": 1}}
    assert frames.manifest["counts"]["kept"] == 2
    assert states(job)["videos"] == "retry"
    num_asked = len(site[0].asked)
    run(asked)
    assert {Path(asked.path).stem for asked in site[0].asked[num_asked:]} == {"P01_02"}


def test_a_file_that_is_there_with_another_checksum_is_left_alone_and_fails(
    site: tuple[Behaviour, str], tmp_path: Path
) -> None:
    folder = tmp_path / "epic"
    folder.mkdir()
    (folder / "P01_101.MP4").write_bytes(b"half a download")
    _, videos, _ = run(request(tmp_path, videos=str(folder), fetch="download", mirror=site[1]))
    [failed] = videos.rejected()
    assert (failed["video_id"], failed["reason"]) == ("P01_101", "wrong_checksum")
    assert (folder / "P01_101.MP4").read_bytes() == b"half a download"


def test_remote_failures_are_those_of_their_videos(site: tuple[Behaviour, str], tmp_path: Path) -> None:
    site[0].always["/P01/videos/P01_101.MP4"] = Fault("status", 403)
    asked = request(tmp_path, fetch="ranges", mirror=site[1])
    _, videos, frames = run(asked)
    assert videos.manifest["counts"]["failed"] == {"refused": 1}
    assert frames.manifest["counts"] == {"input": 3, "kept": 1, "filtered": {}, "failed": {"refused": 2}}
    num_asked = len(site[0].asked)
    site[0].always.clear()
    _, videos, frames = run(asked)
    assert frames.manifest["counts"]["kept"] == 3
    assert {asked.path for asked in site[0].asked[num_asked:]} == {"/P01/videos/P01_101.MP4"}


def test_a_remote_video_that_stops_coming_while_it_is_cut_fails_and_leaves_nothing(
    site: tuple[Behaviour, str], tmp_path: Path
) -> None:
    site[0].faults["/P01/videos/P01_101.MP4"] = [Fault("")]  # the video is small, so the first answer describes it
    site[0].always["/P01/videos/P01_101.MP4"] = Fault("status", 500)
    _, videos, frames = run(request(tmp_path, fetch="ranges", mirror=site[1]))
    assert videos.manifest["counts"]["kept"] == 2
    assert frames.manifest["counts"]["failed"] == {"unreachable": 2}
    assert not list(frames.path.glob("images/P01_101/*"))


def mpii_archive(path: Path, clips: Path) -> None:
    """Write an archive with a wanted video, another video, and members that would lie elsewhere or are no files."""
    with tarfile.open(path, "w:gz") as tar:
        tar.add(clips / "P01_02.MP4", "MPII/videos/unwanted.avi")
        for name in ("../../s01-d01-cam-002.mp4", "/tmp/absolute.avi"):
            content = (clips / "P01_101.MP4").read_bytes()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("s02-d02-cam-002.avi")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)


@pytest.mark.parametrize("is_there", [True, False], ids=["archive in the folder", "archive fetched"])
def test_needed_videos_are_taken_out_of_the_archive_and_nothing_else(
    is_there: bool, clips: Path, site: tuple[Behaviour, str], tmp_path: Path
) -> None:
    folder = tmp_path / "mpii"
    folder.mkdir()
    archive = (folder if is_there else tmp_path) / MPII_ARCHIVE
    mpii_archive(archive, clips)
    site[0].files[f"/{MPII_ARCHIVE}"] = archive
    site[0].faults[f"/{MPII_ARCHIVE}"] = [Fault("drop", 5_000)]
    wanted = ["s01-d01-cam-002", "s02-d02-cam-002", "s03-d03-cam-002"]
    failed = fill_folder(
        folder, Site(reader="mpii", mirror=site[1]), wanted, RunOptions(patience=PATIENCE, mirror=site[1])
    )
    assert {video_id: record["reason"] for video_id, record in failed.items()} == {
        "s02-d02-cam-002": "not_in_archive",
        "s03-d03-cam-002": "not_in_archive",
    }
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {MPII_ARCHIVE, ".fetched.json", "videos/s01-d01-cam-002.avi"}
    assert (folder / "videos" / "s01-d01-cam-002.avi").read_bytes() == (clips / "P01_101.MP4").read_bytes()
    assert not (tmp_path / "s01-d01-cam-002.mp4").exists()
    assert len(site[0].asked) == (0 if is_there else 3)


def test_a_broken_archive_says_so_and_keeps_what_came_out_of_it(clips: Path, tmp_path: Path) -> None:
    archive = tmp_path / "videos.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(clips / "P01_101.MP4", "a.avi")
        tar.add(clips / "P01_02.MP4", "b.avi")
    os.truncate(archive, archive.stat().st_size - 9_000)
    errors = extract_videos(archive, {"a": tmp_path / "out" / "a.avi", "b": tmp_path / "out" / "b.avi"})
    assert {video_id: error.reason for video_id, error in errors.items()} == {"b": "archive_broken"}
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.avi"]


def test_the_pinned_annotations_are_fetched_and_others_refused(
    site: tuple[Behaviour, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    official = tmp_path / "EPIC_100_train.csv"
    official.write_text(EPIC)
    site[0].files["/EPIC_100_train.csv"] = official
    target = tmp_path / "downloads" / "EPIC_100_train.csv"
    with pytest.raises(ValueError, match="not the pinned file"):
        annotation_files.fetch_annotations(target, "epic", mirror=site[1], patience=PATIENCE)
    assert not list(target.parent.iterdir())
    monkeypatch.setitem(annotation_files.PINNED, "epic", git_blob(official))
    annotation_files.fetch_annotations(target, "epic", mirror=site[1], patience=PATIENCE)
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    assert target.read_text() == EPIC


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"preset": "table", "fetch": "download"}, "--mirror URL"),
        ({"preset": "lc", "fetch": "ranges"}, "no part can be read"),
        ({"fetch": "download", "mirror": "/data/videos"}, "a folder is --videos"),
        ({"fetch": "ranges", "videos": "."}, "leave --videos out"),
        ({}, "--fetch download"),
        ({"preset": "demo", "annotations": None, "fetch": "download"}, "draws its own videos"),
    ],
)
def test_what_cannot_be_fetched_is_said_at_once(changes: dict[str, str], says: str, tmp_path: Path) -> None:
    settings = {} if "preset" in changes else {"segments.epic_subset": "all"}
    with pytest.raises(ValueError, match=says):
        make_job(request(tmp_path, **{"settings": settings, **changes}))


def test_without_annotations_the_official_ones_are_waited_for(tmp_path: Path) -> None:
    job = make_job(Request(preset="hc", workspace=str(tmp_path), fetch="download"))
    [segments, *_] = plan(job)
    assert (segments.state, segments.reason) == ("waits", "for annotations")
