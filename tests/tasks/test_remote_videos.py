"""Frames read from a server are those of the local file, and few other bytes are fetched."""

import pickle
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.config import Patience
from tasks.fetching import range_file
from tasks.fetching.opening import readable
from tasks.fetching.range_file import RangeFile
from tasks.fetching.remote_video import FetchError, RemoteVideo
from tasks.video.exact_frames import Moment, Reading, Shown, VideoError, read_moments
from tests.support.clips import CLIPS, X264, encode, read_number, remux
from tests.support.http_server import Behaviour, Fault, serving
from tests.tasks.test_video_frames import NOT_PLANNED

PATIENCE = Patience(retries=3, first_wait_s=0.002, stall_s=0.3)
MORE_CLIPS = {
    "hevc_open.mp4": ["-c:v", "libx265", "-x265-params", "log-level=none:pools=1:keyint=20:bframes=3:open-gop=1"],
    "index_first.mp4": [*X264, "keyint=15:bframes=2:b-adapt=0", "-movflags", "+faststart"],
    "with_sound.mp4": ["-f", "lavfi", "-i", "sine=r=44100", "-shortest", *X264, "keyint=15:bframes=2", "-c:a", "aac"],
}
QUICK = (
    "open_gop.mp4",
    "hevc.mp4",
    "offset.mp4",
    "fragmented.mp4",
    "with_sound.mp4",
    "vfr.mkv",
    "open_gop.ts",
    "h264.avi",
)
READ_WHOLE = {name for name in CLIPS if not name.endswith(".mp4")} | {"mpeg4.mp4"}
"""Clips without an index of all packets, and one whose codec packs frames in its own way."""


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a clip of two minutes and some MB with its index at the end: ten seconds in 12 copies."""
    folder = tmp_path_factory.mktemp("long")
    part = encode(folder / "part.mp4", [*X264, "keyint=15:bframes=2:b-adapt=0:qp=3"], num_frames=250)
    return remux(part, folder / "long.mp4", before=["-stream_loop", "11"])


@pytest.fixture
def server() -> Iterator[tuple[Behaviour, str]]:
    behaviour = Behaviour()
    with serving(behaviour) as url:
        yield behaviour, url


def put(server: tuple[Behaviour, str], path: Path) -> RemoteVideo:
    """Put a file on the server."""
    server[0].files[f"/{path.name}"] = path
    return RemoteVideo(url=f"{server[1]}/{path.name}", patience=PATIENCE)


def read(place: Path | RemoteVideo, times: list[float]) -> Reading[int]:
    with readable(place) as file:
        return read_moments(file, [Moment(time_s=time) for time in times], read_number)


def outcomes(reading: Reading[int]) -> list[object]:
    return [outcome if isinstance(outcome, Shown) else outcome.reason for outcome in reading.outcomes]


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make blocks small against these clips, so that bytes outside the plan are really not there."""
    monkeypatch.setattr(range_file, "BLOCK", 256)
    monkeypatch.setattr(range_file, "MAX_GAP", 0)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in (*CLIPS, *MORE_CLIPS)]
)
def test_a_remote_file_gives_the_frames_of_the_local_one(
    name: str, server: tuple[Behaviour, str], tmp_path: Path
) -> None:
    path = encode(tmp_path / name, (CLIPS | MORE_CLIPS)[name], num_frames=80)
    times = [0.0, 0.3, 0.9, 1.7, 1.71, 2.4, 3.16, 100.0]
    local = read(path, times)
    with RangeFile(put(server, path)) as file:
        remote = read_moments(file, [Moment(time_s=time) for time in times], read_number)
        is_whole = file.is_whole
    assert outcomes(remote) == outcomes(local)
    assert all(isinstance(outcome, Shown) for outcome in remote.outcomes)
    assert remote.method == local.method == NOT_PLANNED.get(name, "plan")
    assert server[0].num_sent <= path.stat().st_size, "no byte comes twice"
    assert is_whole == (name in READ_WHOLE)


@pytest.mark.usefixtures("small_blocks")
def test_each_moment_alone_comes_right(server: tuple[Behaviour, str], tmp_path: Path) -> None:
    """Each moment is read alone, when nothing else of the file is there."""
    path = encode(tmp_path / "open_gop.mp4", CLIPS["open_gop.mp4"], num_frames=80)
    for number in random.Random(0).sample(range(80), 6):
        [shown] = read(put(server, path), [number / 25]).outcomes
        assert isinstance(shown, Shown)
        assert (shown.index, shown.kept) == (number, number)


@pytest.mark.usefixtures("small_blocks")
def test_an_edit_list_counts_as_in_the_local_file(server: tuple[Behaviour, str], tmp_path: Path) -> None:
    source = encode(tmp_path / "whole.mp4", [*X264, "keyint=30:bframes=2:b-adapt=0"], num_frames=200)
    path = remux(source, tmp_path / "edited.mp4", before=["-ss", "1.5"])
    times = [0.0, 0.5, 2.0, 4.4, 9.0]
    local, remote = read(path, times), read(put(server, path), times)
    assert outcomes(remote) == outcomes(local)
    assert remote.method == "plan"


def test_a_few_frames_of_a_long_file_cost_a_small_part_of_it(server: tuple[Behaviour, str], long_clip: Path) -> None:
    reading = read(put(server, long_clip), [20.0, 20.6, 91.3, 100.0])
    assert [outcome.index for outcome in reading.outcomes if isinstance(outcome, Shown)] == [500, 515, 2282, 2500]
    assert long_clip.stat().st_size > 5_000_000
    assert server[0].num_sent < 0.2 * long_clip.stat().st_size
    assert len(server[0].asked) <= 6, "requests are coalesced"


@pytest.mark.parametrize(
    "faults",
    [
        [Fault("drop", 10_000)] * 3,
        [Fault("status", 503), Fault("drop", 100), Fault("status", 500), Fault("stall", 3_000)],
        [Fault("shifted"), Fault("drop", 65_000), Fault("status", 429)],
    ],
    ids=["drops", "statuses and a stall", "another range"],
)
def test_a_bad_line_changes_nothing(faults: list[Fault], server: tuple[Behaviour, str], long_clip: Path) -> None:
    # A fault at every second request, so that the index and the frames both meet some.
    server[0].faults["/long.mp4"] = [planned for fault in faults for planned in (Fault(""), fault)]
    assert outcomes(read(put(server, long_clip), [20.0, 91.3])) == outcomes(read(long_clip, [20.0, 91.3]))
    assert server[0].faults["/long.mp4"] == []
    assert server[0].num_sent < 0.3 * long_clip.stat().st_size, "what is on its way is waited for"


def test_a_server_that_ignores_range_is_read_whole_once(server: tuple[Behaviour, str], tmp_path: Path) -> None:
    path = encode(tmp_path / "short_gop.mp4", CLIPS["short_gop.mp4"], num_frames=100)
    server[0].has_ranges = False
    assert outcomes(read(put(server, path), [0.5, 3.0])) == outcomes(read(path, [0.5, 3.0]))
    assert server[0].num_sent == path.stat().st_size


def test_a_server_that_packs_its_files_has_no_parts_of_them(server: tuple[Behaviour, str], tmp_path: Path) -> None:
    place = put(server, encode(tmp_path / "short_gop.mp4", CLIPS["short_gop.mp4"], num_frames=10))
    server[0].packs = True
    with pytest.raises(FetchError, match="--fetch download") as caught:
        read(place, [0.2])
    assert caught.value.reason == "no_ranges"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault("status", 404), "not_found"),
        (Fault("status", 403), "refused"),
        (Fault("status", 500), "unreachable"),
        (Fault("drop", 0), "unreachable"),
    ],
)
@pytest.mark.parametrize("after", [0, 2])
def test_a_file_that_cannot_be_had_is_no_damaged_file(
    fault: Fault, reason: str, after: int, server: tuple[Behaviour, str], long_clip: Path
) -> None:
    """The file fails at the start, or stops coming halfway; libav would take that for the end of the file."""
    server[0].faults["/long.mp4"] = [Fault("")] * after
    server[0].always["/long.mp4"] = fault
    with pytest.raises(FetchError) as raised:
        read(put(server, long_clip), [20.0, 91.3])
    assert raised.value.reason == reason
    assert pickle.loads(pickle.dumps(raised.value)).reason == reason, "it comes whole out of a worker process"


@pytest.mark.parametrize("content", [b"", b"<html>404</html>" * 50], ids=["empty", "html"])
def test_what_is_no_video_has_the_reason_of_the_local_file(
    content: bytes, server: tuple[Behaviour, str], tmp_path: Path
) -> None:
    path = tmp_path / "bad.mp4"
    path.write_bytes(content)
    for place in (path, put(server, path)):
        with pytest.raises((VideoError, FetchError)) as raised:
            read(place, [0.0])
        assert raised.value.reason == ("not_a_video" if content else "empty_file")


def test_a_truncated_file_has_the_outcomes_of_the_local_one(server: tuple[Behaviour, str], tmp_path: Path) -> None:
    whole = encode(tmp_path / "whole.mp4", MORE_CLIPS["index_first.mp4"], num_frames=100)
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    assert outcomes(read(put(server, path), [0.0, 1.0, 3.9])) == outcomes(read(path, [0.0, 1.0, 3.9]))


def test_a_file_that_changes_meanwhile_is_noticed(server: tuple[Behaviour, str], tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(1_000_000))
    with RangeFile(put(server, path)) as file:
        file.read(100)
        path.write_bytes(bytes(1_000_001))
        with pytest.raises(FetchError, match="changed"):
            file.read(900_000)


def test_a_range_file_reads_as_a_file_does(server: tuple[Behaviour, str], tmp_path: Path) -> None:
    draw = random.Random(3)
    path = tmp_path / "a.bin"
    path.write_bytes(draw.randbytes(3_000_001))
    with RangeFile(put(server, path)) as remote, path.open("rb") as local:
        remote.prefetch([(1_000_000, 1_300_000), (2_000_000, 2_000_001)])
        for _ in range(60):
            offset, length = draw.randrange(3_100_000), draw.choice([0, 1, 70_000, 400_000])
            whence = draw.choice([0, 2])
            assert remote.seek(offset if whence == 0 else -min(offset, 3_000_000), whence) == local.seek(
                offset if whence == 0 else -min(offset, 3_000_000), whence
            )
            assert remote.read(length) == local.read(length)
            assert remote.tell() == local.tell()
        assert remote.num_fetched <= path.stat().st_size, "no byte comes twice"


def test_reading_on_asks_for_more_at_a_time(server: tuple[Behaviour, str], tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(random.Random(1).randbytes(20_000_000))
    with RangeFile(put(server, path)) as remote:
        content = b"".join(iter(lambda: remote.read(32_768), b""))
    assert content == path.read_bytes()
    assert len(server[0].asked) < 15
