"""A web page that a server sends with status 200 is no video: it is refused, thrown away, and asked for again."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.wiring.job import make_job
from flows.wiring.making import plainly, run_job
from flows.wiring.request import Request
from tasks.artifacts.artifact import Artifact, artifacts_of
from tasks.config import Fetch, Patience, RunOptions
from tasks.fetching.content import HEAD_BYTES, why_no_video
from tests.support.clips import CLIPS, DERIVED, encode, make_clip
from tests.support.http_server import Behaviour, files_of, serving

PAGES = {
    "html": b"\xef\xbb\xbf\n<!DOCTYPE html><html><title>Log in</title>" + b"<p>x</p>\n" * 2_000,
    "json": b'{"error": "quota exceeded"}',
    "text": "Zugriff verweigert: zu viele Anfragen für heute".encode() * 30,
    "empty": b"",
}


@pytest.mark.parametrize("name", [*CLIPS, *DERIVED])
def test_every_kind_of_video_is_taken_for_one(name: str, tmp_path: Path) -> None:
    head = make_clip(name, tmp_path, 10).path.read_bytes()[:HEAD_BYTES]
    assert why_no_video(head) is None
    assert why_no_video(head, "text/html; charset=utf-8") is None


@given(st.text(st.characters(exclude_categories=["C"]), min_size=1))
def test_every_text_is_taken_for_a_page(text: str) -> None:
    assert why_no_video(("<html>" + text).encode()[:HEAD_BYTES]) is not None


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "shift_jis", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("start", ["<html><title>", '<?xml version="1.0"?><Error>', "<!-- x --> <p>"])
def test_a_page_in_any_encoding_is_none_whatever_the_server_calls_it(start: str, encoding: str) -> None:
    words = "ログイン" if encoding == "shift_jis" else "Accès refusé"
    assert why_no_video((start + words * 20).encode(encoding)[:HEAD_BYTES], "video/mp4") is not None


@pytest.mark.parametrize("text", ["Gateway Timeout", "Get free access", "FLV is gone", "RIFF", "OggS?", "DKIF files\n"])
def test_a_text_that_begins_as_a_video_does_is_a_page(text: str) -> None:
    assert why_no_video((text * 40).encode()[:HEAD_BYTES], "video/mp4") is not None


@pytest.mark.parametrize(
    "head", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0\0\x10JFIF", b"%PDF-1.7", b"RIFF\x24\0\0\0WAVEfmt "]
)
def test_pictures_and_documents_in_place_of_a_video_are_refused(head: bytes) -> None:
    assert why_no_video(head + bytes(500), "video/mp4") is not None


def test_an_archive_is_taken_only_where_one_is_wanted() -> None:
    head = gzip.compress(b"x" * 5000, mtime=0)
    assert why_no_video(head) == "packed by gzip"
    assert why_no_video(head, is_archive=True) is None


def test_unknown_bytes_are_left_to_the_decoder_unless_the_server_calls_them_words() -> None:
    unknown = bytes(range(128, 256)) * 4
    assert why_no_video(unknown, "application/octet-stream") is None
    assert why_no_video(unknown, "text/html") == "of the content type text/html"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Run a server with a clip, and with a page in place of another clip; make a table of both."""
    folder = tmp_path / "site"
    folder.mkdir()
    encode(folder / "good.mp4", CLIPS["short_gop.mp4"], num_frames=30)
    (folder / "bad.mp4").write_bytes(PAGES["html"])
    (tmp_path / "actions.csv").write_text(
        "video,start_s,stop_s,instruction\ngood.mp4,0.2,0.9,open door\nbad.mp4,0.2,0.9,close door\n"
    )
    with serving(Behaviour(files=files_of(folder))) as url:
        yield folder, url


def run(tmp_path: Path, url: str, fetch: Fetch) -> tuple[Artifact, Artifact]:
    request = Request(
        preset="table",
        annotations=str(tmp_path / "actions.csv"),
        videos=None if fetch == "ranges" else str(tmp_path / "videos"),
        workspace=str(tmp_path / "w"),
        until="frames",
        fetch=fetch,
        mirror=url,
        settings={"frames.size_px": 64},
        retry_failed=True,
    )
    options = RunOptions(
        workers=1, fetch=fetch, mirror=url, patience=Patience(retries=1, first_wait_s=0.01), retry_failed=True
    )
    job = make_job(request)
    run_job(job, plainly(job.workspace, options))
    return artifacts_of(job.workspace, "videos")[-1], artifacts_of(job.workspace, "frames")[-1]


@pytest.mark.parametrize("fetch", ["download", "ranges"])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_refused_by_its_name_and_asked_for_again(
    fetch: Fetch, page: str, site: tuple[Path, str], tmp_path: Path
) -> None:
    folder, url = site
    (folder / "bad.mp4").write_bytes(PAGES[page])
    if page == "empty" and fetch == "ranges":
        pytest.skip("a server of an empty file answers a range with 416")
    videos, frames = run(tmp_path, url, fetch)
    assert videos.manifest["counts"]["failed"] == {"not_a_video": 1}
    assert frames.manifest["counts"]["kept"] == 1
    assert not list(tmp_path.glob("videos/**/bad*"))
    (folder / "bad.mp4").write_bytes((folder / "good.mp4").read_bytes())
    videos, frames = run(tmp_path, url, fetch)
    assert videos.manifest["counts"]["failed"] == {}
    assert frames.manifest["counts"]["kept"] == 2


def test_a_page_of_ones_own_is_left_alone_and_named(site: tuple[Path, str], tmp_path: Path) -> None:
    (tmp_path / "videos" / "videos").mkdir(parents=True)
    (tmp_path / "videos" / "videos" / "bad.mp4").write_bytes(PAGES["html"])
    videos, _ = run(tmp_path, site[1], "download")
    [failed] = videos.rejected()
    assert (failed["video_id"], failed["reason"]) == ("bad.mp4", "not_a_video")
    assert "Remove it" in failed["message"]
    assert (tmp_path / "videos" / "videos" / "bad.mp4").read_bytes() == PAGES["html"]
