"""Files come over bad connections whole, once and checked, or the download ends with a reason."""

import hashlib
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.config import Patience
from tasks.fetching.downloads import Download, download_all, part_of
from tests.support.http_server import Behaviour, Fault, files_of, serving

PATIENCE = Patience(retries=3, first_wait_s=0.002, stall_s=0.3)
SIZE = 700_000


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Behaviour, str]]:
    """Run a server with two files of random bytes."""
    folder = tmp_path / "site"
    folder.mkdir()
    for seed, name in enumerate(("a.mp4", "b.mp4")):
        (folder / name).write_bytes(random.Random(seed).randbytes(SIZE))
    behaviour = Behaviour(files=files_of(folder))
    with serving(behaviour) as url:
        yield behaviour, url


def md5_of(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def wanted(site: tuple[Behaviour, str], folder: Path, name: str = "a.mp4", *, checked: bool = True) -> Download:
    behaviour, url = site
    md5 = md5_of(behaviour.files[f"/{name}"].read_bytes()) if checked else None
    return Download(name=name, urls=(f"{url}/{name}",), target=folder / "got" / name, md5=md5)


def fetch(*downloads: Download, connections: int = 2) -> dict[str, str | None]:
    """Return the reason of each download's failure, or None."""
    outcomes = download_all(downloads, connections=connections, patience=PATIENCE)
    return {download.name: error and error.reason for download, error in outcomes}


def is_whole(site: tuple[Behaviour, str], download: Download) -> bool:
    """Tell whether a download is there byte for byte, with no other file beside it."""
    left = {path.name for path in download.target.parent.iterdir()}
    return left == {download.name} and download.target.read_bytes() == site[0].files[f"/{download.name}"].read_bytes()


FAULTS = {
    "nothing": [],
    "drops": [Fault("drop", 100_000), Fault("drop", 250_000), Fault("drop", 0), Fault("drop", 40_000)],
    "more drops than retries": [Fault("drop", 70_000)] * 9,
    "statuses": [Fault("status", 500), Fault("status", 503), Fault("status", 429)],
    "statuses between drops": [Fault("drop", 9), Fault("status", 502), Fault("drop", 9_000), Fault("status", 408)],
    "stall": [Fault("stall", 200_000)],
    "range ignored": [Fault("drop", 300_000), Fault("ignore_range")],
    "another range": [Fault("drop", 300_000), Fault("shifted")],
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("has_etags", [True, False], ids=["etags", "no etags"])
def test_a_file_comes_whole_through_faults(
    faults: list[Fault], has_etags: bool, site: tuple[Behaviour, str], tmp_path: Path
) -> None:
    site[0].has_etags = has_etags
    site[0].faults["/a.mp4"] = list(faults)
    download = wanted(site, tmp_path)
    assert fetch(download) == {"a.mp4": None}
    assert is_whole(site, download)
    assert site[0].faults["/a.mp4"] == []


def test_what_has_come_is_not_fetched_again(site: tuple[Behaviour, str], tmp_path: Path) -> None:
    site[0].faults["/a.mp4"] = [Fault("drop", 300_000), Fault("drop", 200_000)]
    assert fetch(wanted(site, tmp_path)) == {"a.mp4": None}
    assert site[0].ranges_of("/a.mp4") == ["", "bytes=300000-", "bytes=500000-"]
    assert site[0].num_sent == SIZE


def test_a_later_run_goes_on_where_an_earlier_one_gave_up(site: tuple[Behaviour, str], tmp_path: Path) -> None:
    download = wanted(site, tmp_path)
    site[0].faults["/a.mp4"] = [Fault("drop", 400_000), *[Fault("status", 500)] * 4]
    assert fetch(download) == {"a.mp4": "unreachable"}
    assert part_of(download.target).stat().st_size == 400_000
    assert not download.target.exists()
    assert fetch(download) == {"a.mp4": None}
    assert is_whole(site, download)
    assert site[0].num_sent == SIZE


@pytest.mark.parametrize("obeys_if_range", [True, False])
def test_a_part_of_a_file_that_changed_at_the_server_is_begun_anew(
    obeys_if_range: bool, site: tuple[Behaviour, str], tmp_path: Path
) -> None:
    site[0].obeys_if_range = obeys_if_range
    download = wanted(site, tmp_path, checked=False)
    site[0].faults["/a.mp4"] = [Fault("drop", 400_000), *[Fault("status", 500)] * 4]
    fetch(download)
    site[0].files["/a.mp4"].write_bytes(random.Random(9).randbytes(SIZE))
    assert fetch(download) == {"a.mp4": None}
    assert is_whole(site, download)


@pytest.mark.parametrize("faults", [[], [Fault("drop", 300_000)], [Fault("drop", 300_000), Fault("ignore_range")]])
def test_what_a_server_packs_unasked_is_unpacked(
    faults: list[Fault], site: tuple[Behaviour, str], tmp_path: Path
) -> None:
    site[0].packs = True
    site[0].faults["/a.mp4"] = faults
    download = wanted(site, tmp_path, checked=False)
    assert fetch(download) == {"a.mp4": None}
    assert is_whole(site, download)


def test_parts_of_two_versions_are_told_by_their_checksum_where_the_server_tells_nothing(
    site: tuple[Behaviour, str], tmp_path: Path
) -> None:
    site[0].has_etags = False
    old = wanted(site, tmp_path, checked=False)
    site[0].faults["/a.mp4"] = [Fault("drop", 400_000), *[Fault("status", 500)] * 4]
    fetch(old)
    site[0].files["/a.mp4"].write_bytes(random.Random(9).randbytes(SIZE))
    download = wanted(site, tmp_path)
    assert fetch(download) == {"a.mp4": None}
    assert is_whole(site, download)


@pytest.mark.parametrize("num_bytes", [SIZE, SIZE + 5])
def test_a_part_that_reaches_the_end_or_beyond_is_settled(
    num_bytes: int, site: tuple[Behaviour, str], tmp_path: Path
) -> None:
    """The server answers 416 to a range behind the end."""
    download = wanted(site, tmp_path)
    part = part_of(download.target)
    part.parent.mkdir()
    part.write_bytes((site[0].files["/a.mp4"].read_bytes() + b"extra")[:num_bytes])
    part.with_name(part.name + ".json").write_text(json.dumps({"url": download.urls[0]}))
    assert fetch(download) == {"a.mp4": None}
    assert is_whole(site, download)
    assert site[0].num_sent == (0 if num_bytes == SIZE else SIZE)


@pytest.mark.parametrize(
    ("fault", "reason", "num_gets"),
    [
        (Fault("status", 404), "not_found", 0),
        (Fault("status", 410), "not_found", 0),
        (Fault("status", 403), "refused", 1),
        (Fault("status", 500), "unreachable", 0),
        (Fault("drop", 0), "unreachable", 4),
        (Fault("wrong_body"), "wrong_checksum", 1),
    ],
)
def test_what_cannot_be_had_fails_by_name_and_the_rest_comes(
    fault: Fault, reason: str, num_gets: int, site: tuple[Behaviour, str], tmp_path: Path
) -> None:
    site[0].always["/a.mp4"] = fault
    bad, good = wanted(site, tmp_path), wanted(site, tmp_path, "b.mp4")
    assert fetch(bad, good) == {"a.mp4": reason, "b.mp4": None}
    assert len(site[0].ranges_of("/a.mp4")) == num_gets
    assert good.target.read_bytes() == site[0].files["/b.mp4"].read_bytes()
    assert not bad.target.exists()


def test_a_server_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    download = Download(name="a", urls=("http://127.0.0.1:9/a",), target=tmp_path / "a")
    assert fetch(download) == {"a": "unreachable"}


def test_the_first_address_that_has_the_file_is_taken(site: tuple[Behaviour, str], tmp_path: Path) -> None:
    download = wanted(site, tmp_path)
    elsewhere = Download(
        name="a.mp4", urls=(f"{site[1]}/train/a.mp4", *download.urls), target=download.target, md5=download.md5
    )
    assert fetch(elsewhere) == {"a.mp4": None}
    assert is_whole(site, download)


def test_a_server_that_knows_no_head_serves(site: tuple[Behaviour, str], tmp_path: Path) -> None:
    site[0].has_head = False
    assert fetch(wanted(site, tmp_path)) == {"a.mp4": None}


def test_too_little_disk_space_is_said_before_anything_is_fetched(
    site: tuple[Behaviour, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.fetching.downloads.SPARE_BYTES", 1 << 60)
    with pytest.raises(OSError, match=r"2 files to download need 0\.0 GB"):
        fetch(wanted(site, tmp_path), wanted(site, tmp_path, "b.mp4"))
    assert site[0].num_sent == 0


def test_growth_is_told_up_to_the_whole(site: tuple[Behaviour, str], tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    downloads = [wanted(site, tmp_path), wanted(site, tmp_path, "b.mp4")]
    site[0].faults["/a.mp4"] = [Fault("drop", 300_000)]
    for _ in download_all(
        downloads, connections=2, patience=PATIENCE, on_bytes=lambda done, total: told.append((done, total))
    ):
        pass
    assert told[-1] == (2 * SIZE, 2 * SIZE)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_at_most_so_many_files_are_fetched_at_once(site: tuple[Behaviour, str], tmp_path: Path) -> None:
    """With one connection the second file begins only when the first is there, even when that one stalls."""
    site[0].faults["/a.mp4"] = [Fault("stall", 100_000)]
    assert fetch(wanted(site, tmp_path), wanted(site, tmp_path, "b.mp4"), connections=1) == {
        "a.mp4": None,
        "b.mp4": None,
    }
    gets = [request.path for request in site[0].asked if request.method == "GET"]
    assert gets == ["/a.mp4", "/a.mp4", "/b.mp4"]


def test_a_part_that_was_not_asked_for_is_not_put_to_the_rest(site: tuple[Behaviour, str], tmp_path: Path) -> None:
    site[0].faults["/a.mp4"] = [Fault("drop", 300_000), Fault("shifted")]
    assert fetch(wanted(site, tmp_path)) == {"a.mp4": None}
    assert site[0].ranges_of("/a.mp4") == ["", "bytes=300000-", ""]
