"""A video that claims more than it can hold is refused before memory is taken, from the disk and from a server."""

import struct
import subprocess
import zlib
from functools import partial
from pathlib import Path

import pytest

from tasks.artifacts.failures import Failure
from tasks.artifacts.map_items import map_items
from tasks.artifacts.processes import with_memory
from tasks.fetching.range_file import RangeFile
from tasks.fetching.remote_video import RemoteVideo
from tasks.video.claims import claims_too_much
from tasks.video.decoding import VideoError, decode, opened
from tasks.video.ffmpeg import ffmpeg_program
from tests.support.clips import X264, encode
from tests.support.http_server import Behaviour, serving

MANY = 60_000_000


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def nested(content: bytes, *kinds: bytes) -> bytes:
    for kind in kinds:
        content = box(kind, content)
    return content


def sizes(number: int) -> bytes:
    return box(b"stsz", struct.pack(">III", 0, 1, number))


def packed(index: bytes) -> bytes:
    return nested(
        box(b"dcom", b"zlib") + box(b"cmvd", struct.pack(">I", len(index)) + zlib.compress(index)), b"cmov", b"moov"
    )


PATH = (b"stbl", b"minf", b"mdia", b"trak", b"moov")
INDICES = {
    "samples": nested(sizes(MANY), *PATH),
    "samples-elsewhere": nested(sizes(MANY), b"udta", b"moov"),
    "samples-in-a-description": nested(bytes(94) + sizes(MANY), b"avc1", b"stsd", *PATH),
    "samples-in-free-space": nested(sizes(MANY), b"moov", b"free"),
    "behind-an-unknown-box": box(b"abcd", bytes(9)) + nested(sizes(MANY), *PATH),
    "a-box-that-is-too-long": struct.pack(">I4s", 1 << 31, b"moov") + sizes(MANY),
    "fragment": nested(box(b"trun", struct.pack(">II", 0, MANY)), b"traf", b"moof"),
    "edits": nested(box(b"elst", struct.pack(">II", 0, 2_000) + bytes(24_000)) + sizes(90_000), *PATH),
    "packed": packed(nested(sizes(MANY), *PATH)),
    "packed-bomb": packed(nested(bytes(80 << 20), b"moov")),
}


def written(path: Path, index: bytes) -> Path:
    path.write_bytes(box(b"ftyp", b"isom" + bytes(4)) + index)
    return path


@pytest.mark.parametrize("name", INDICES)
def test_an_index_that_claims_more_frames_than_the_file_has_bytes_is_refused(name: str, tmp_path: Path) -> None:
    path = written(tmp_path / "a.mp4", INDICES[name])
    with pytest.raises(VideoError, match=r"a\.mp4: its index claims"), opened(path):
        raise AssertionError("it was opened")


def test_the_same_index_at_a_server_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.mp4", INDICES["edits"])
    with (
        serving(Behaviour(files={"/a.mp4": path})) as url,
        RangeFile(RemoteVideo(url=f"{url}/a.mp4")) as file,
        pytest.raises(VideoError, match=r"a\.mp4: its index claims"),
        opened(file),
    ):
        raise AssertionError("it was opened")


def test_what_real_indices_claim_is_believed(tmp_path: Path) -> None:
    encode(tmp_path / "a.mp4", [*X264, "keyint=10"], num_frames=12)
    assert not claims_too_much(tmp_path / "a.mp4")
    assert not claims_too_much(written(tmp_path / "b.mp4", nested(sizes(900_000), *PATH)))
    (tmp_path / "c.mkv").write_bytes(b"\x1a\x45\xdf\xa3" + sizes(MANY))
    assert not claims_too_much(tmp_path / "c.mkv")


def elementary(size: str, path: Path) -> bytes:
    """Return H.264 without a container, so that two of them can be joined."""
    arguments = ["-v", "error", "-f", "lavfi", "-i", f"testsrc=s={size}:d=0.4", "-c:v", "libx264", "-f", "h264"]
    subprocess.run([ffmpeg_program(), *arguments, str(path)], check=True)
    return path.read_bytes()


def test_pictures_beyond_the_limit_are_not_decoded_also_where_they_grow_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = elementary("160x96", tmp_path / "s.h264"), elementary("320x192", tmp_path / "l.h264")
    (tmp_path / "a.h264").write_bytes(small + large)
    monkeypatch.setattr("tasks.video.decoding.MAX_PIXELS", 20_000)
    with pytest.raises(VideoError, match="320 x 192 pixels") as told, opened(tmp_path / "l.h264"):
        raise AssertionError("it was opened")
    assert told.value.reason == "too_large"
    with opened(tmp_path / "a.h264") as (container, stream):
        shapes = {(frame.width, frame.height) for frame in decode(container, stream)}
    assert shapes == {(160, 96)}


def taken(gigabytes: int) -> int:
    return len(bytes(gigabytes << 30))


def test_a_process_takes_no_more_memory_than_its_bound_and_the_next_item_is_done() -> None:
    results = dict(map_items(partial(with_memory, taken, 1 << 30), [2, 0], workers=1))
    assert results[0] == 0
    why = "OverMemoryLimit: it needs more than 1 GiB of memory"
    assert results[2] == Failure("over_memory_limit", why), "no run tries it again unasked"
