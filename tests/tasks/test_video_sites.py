"""Every official video has its address and its published MD5."""

import csv
import re
from pathlib import Path

import pytest

from tasks.fetching.sites import EPIC_55, EPIC_EXTENSION, Site, annotation_urls, check_mirror, epic_md5s, extract_md5s


def test_the_table_of_md5s_has_all_700_videos_and_nothing_else() -> None:
    md5s = epic_md5s()
    assert len(md5s) == 700
    assert sum(re.fullmatch(r"P\d\d_1\d\d", video_id) is not None for video_id in md5s) == 268
    assert all(re.fullmatch(r"P\d\d_1?\d\d", video_id) for video_id in md5s)
    assert all(re.fullmatch(r"[0-9a-f]{32}", md5) for md5 in md5s.values())


def test_the_table_is_what_the_official_list_gives(real_data: Path) -> None:
    with (real_data / "epic_download" / "md5.csv").open(newline="") as file:
        assert extract_md5s(csv.DictReader(file)) == list(epic_md5s().items())


def test_every_official_address_is_one_of_those_tried(real_data: Path) -> None:
    with (real_data / "epic_download" / "md5.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["file_remote_path"].endswith(".MP4")]
    for row in rows:
        root = EPIC_55 if row["version"] == "55" else EPIC_EXTENSION
        video_id = Path(row["file_remote_path"]).stem
        assert f"{root}/{row['file_remote_path']}" in Site(reader="epic").urls(video_id)


@pytest.mark.parametrize(
    ("site", "video_id", "path"),
    [
        (Site(reader="epic", mirror="https://m.org/e/"), "P01_02", "EPIC-KITCHENS/P01/videos/P01_02.MP4"),
        (Site(reader="epic", mirror="https://m.org/e"), "P01_102", "P01/videos/P01_102.MP4"),
        (Site(reader="epic", mirror="https://m.org/e"), "P01_102", "P01_102.MP4"),
        (Site(reader="mpii", mirror="https://m.org/e"), "s07-d72-cam-002", "videos/s07-d72-cam-002.avi"),
        (Site(reader="table", mirror="https://m.org/e"), "my clip.mkv", "my%20clip.mkv"),
        (Site(reader="table", mirror="https://m.org/e"), "clip", "clip.mp4"),
        (Site(reader="table", mirror="https://m.org/e/v?id={video}"), "a/b", "v?id=a%2Fb"),
    ],
)
def test_a_mirror_may_have_the_official_layouts_a_flat_one_or_its_own(site: Site, video_id: str, path: str) -> None:
    assert f"https://m.org/e/{path}" in site.urls(video_id)


def test_annotations_come_from_the_mirror_first_and_then_from_their_pinned_place() -> None:
    mirrored, official = annotation_urls("epic", "https://m.org/e/")
    assert mirrored == "https://m.org/e/EPIC_100_train.csv"
    assert "/ea8b40457a400c3fffa1c7f406ef3dc169cc2522/" in official
    assert annotation_urls("table", "https://m.org") == ()


@pytest.mark.parametrize("mirror", ["/data", "data/videos", "ftp://m.org/x", "file:///etc", "https://"])
def test_only_addresses_of_the_web_are_mirrors(mirror: str) -> None:
    with pytest.raises(ValueError, match="--mirror"):
        check_mirror(mirror)
