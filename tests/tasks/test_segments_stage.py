"""Annotations go in, segments and counted reasons come out: the stages `segments` and `videos`."""

from pathlib import Path

import pytest

from tasks.annotations.segment import Segment, mark_overlaps, read_segments
from tasks.artifacts.artifact import Artifact, Outside, sha256_of
from tasks.config import SegmentsConfig, VideosConfig
from tasks.fetching.video_files import VideoFolder, folder_digest, video_paths
from tasks.segments import segments
from tasks.videos import videos

TABLE = """video,start_s,stop_s,instruction
a.mp4,0.0,2.0,open door
a.mp4,1.5,3.0,take cup
a.mp4,3.0,4.0,close door
b.mp4,0.0,1.0,wash cup
../../x,0.0,1.0,wash cup
b.mp4,2.0,1.0,dry cup
"""


def outside_file(path: Path) -> Outside:
    return Outside(location=str(path), digest=sha256_of(path))


def read_into(workspace: Path, table: Path) -> Artifact:
    return segments.run(workspace, "test", SegmentsConfig(reader="table"), annotations=outside_file(table))


def find_in(workspace: Path, made: Artifact, folder: Path) -> Artifact:
    needed = [record["video_id"] for record in made.records()]
    outside = Outside(location=str(folder), digest=folder_digest(folder, needed))
    return videos.run(workspace, "test", VideosConfig(), segments=made.path, folder=outside)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "actions.csv"
    path.write_text(TABLE)
    return path


def test_every_row_is_kept_or_has_its_reason(table: Path, tmp_path: Path) -> None:
    made = read_into(tmp_path / "workspace", table)
    counts = {"input": 6, "kept": 4, "filtered": {}, "failed": {"bad_times": 1, "unsafe_video_id": 1}}
    assert made.manifest["counts"] == counts
    assert made.manifest["funnel"] == {"rows": 6, "with_text": 5, "with_times": 4}
    records = list(made.records())
    assert [Segment(**record) for record in records] == read_segments(made.path / "segments.parquet")
    assert [record["overlaps"] for record in records] == [True, True, False, False]


def test_equal_annotations_give_equal_bytes(table: Path, tmp_path: Path) -> None:
    one, two = (read_into(tmp_path / name, table) for name in ("one", "two"))
    assert one.digest == two.digest


def test_a_missing_annotation_file_is_named(tmp_path: Path) -> None:
    missing = Outside(location=str(tmp_path / "none.csv"), digest="0")
    with pytest.raises(ValueError, match=r"none\.csv"):
        segments.run(tmp_path / "workspace", "test", SegmentsConfig(reader="table"), annotations=missing)


@pytest.mark.parametrize(
    ("times", "overlaps"),
    [
        ([(0.0, 10.0), (1.0, 2.0), (3.0, 4.0), (10.0, 11.0)], [True, True, True, False]),
        ([(2.0, 3.0), (0.5, 5.0), (0.0, 0.5)], [True, True, False]),
        ([(0.0, 1.0), (0.5, 5.0), (2.0, 3.0)], [True, True, True]),
    ],
)
def test_segments_that_share_time_overlap(times: list[tuple[float, float]], overlaps: list[bool]) -> None:
    given = [
        Segment(segment_id=str(place), video_id="v", start_s=start, stop_s=stop, instruction="x")
        for place, (start, stop) in enumerate(times)
    ]
    assert [segment.overlaps for segment in mark_overlaps(given)] == overlaps


def test_needed_videos_are_found_and_missing_ones_fail(table: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(b"a" * 3_000_000)
    (folder / "unneeded.mp4").write_bytes(b"c")
    videos_there = find_in(tmp_path / "workspace", read_into(tmp_path / "workspace", table), folder)
    assert [(record["video_id"], record["size"]) for record in videos_there.records()] == [("a.mp4", 3_000_000)]
    assert video_paths(videos_there) == {"a.mp4": folder / "a.mp4"}
    assert [(row["video_id"], row["reason"]) for row in videos_there.rejected()] == [("b.mp4", "video_missing")]


@pytest.mark.parametrize(
    ("video_id", "file"),
    [
        ("P01_102", "P01_102.MP4"),
        ("P01_102", "P01/videos/P01_102.MP4"),
        ("P01_102", "EPIC-KITCHENS/P01/videos/P01_102.MP4"),
        ("P01_02", "train/P01/P01_02.MP4"),
        ("P01_02", "videos/test/P01/P01_02.MP4"),
        ("s07-d72-cam-002", "s07-d72-cam-002.avi"),
        ("s07-d72-cam-002", "videos/s07-d72-cam-002.avi"),
        ("a.mp4", "a.mp4"),
    ],
)
def test_videos_are_found_in_the_official_layouts(video_id: str, file: str, tmp_path: Path) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_bytes(b"video")
    assert VideoFolder(tmp_path).find(video_id) == file


def test_no_video_is_found_outside_the_folder(tmp_path: Path) -> None:
    (tmp_path / "P01" / "videos").mkdir(parents=True)
    (tmp_path / "secret.mp4").write_bytes(b"video")
    (tmp_path / "clips").mkdir()
    for video_id in ("../secret.mp4", "../secret", "..", "../P01_1", str(tmp_path / "secret.mp4")):
        assert VideoFolder(tmp_path / "clips").find(video_id) is None


def test_a_change_of_a_needed_video_is_noticed_and_of_another_not(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"a" * 100)
    before = folder_digest(tmp_path, ["a.mp4"])
    (tmp_path / "other.mp4").write_bytes(b"b")
    assert folder_digest(tmp_path, ["a.mp4"]) == before
    (tmp_path / "a.mp4").write_bytes(b"a" * 99 + b"b")
    assert folder_digest(tmp_path, ["a.mp4"]) != before
