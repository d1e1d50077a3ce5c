"""Every fault of a file becomes a reason that can be counted; frames that the file still holds are read."""

import random
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tasks.video.exact_frames import Moment, Reading, Shown, VideoError, read_moments
from tasks.video.ffmpeg import ffmpeg_program
from tests.support.clips import CLIPS, X264, encode, read_number, shown_numbers

FASTSTART = ["-movflags", "+faststart"]


def read(path: Path, *times: float) -> Reading[int]:
    return read_moments(path, [Moment(time_s=time) for time in times], read_number)


def reason_of(path: Path) -> str:
    with pytest.raises(VideoError) as caught:
        read(path, 0.0)
    return caught.value.reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty_file"),
        (b"<!DOCTYPE html><html><body>" + b"404 not found " * 400, "not_a_video"),
        (b"just some text\n" * 200, "not_a_video"),
        (random.Random(0).randbytes(50_000), "not_a_video"),
        (b"#EXTM3U\n#EXTINF:9,\nclip.mp4\n#EXT-X-ENDLIST\n", "not_a_video"),
        (b"ffconcat version 1.0\nfile clip.mp4\n", "not_a_video"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "not_a_video"),
    ],
)
def test_a_file_that_is_no_video_says_so(content: bytes, reason: str, tmp_path: Path) -> None:
    encode(tmp_path / "clip.mp4", CLIPS["short_gop.mp4"], num_frames=3)
    (tmp_path / "file.mp4").write_bytes(content)
    assert reason_of(tmp_path / "file.mp4") == reason


def test_a_missing_file_and_a_folder_are_told_apart_from_broken_ones(tmp_path: Path) -> None:
    assert reason_of(tmp_path / "none.mp4") == "video_missing"
    (tmp_path / "folder.mp4").mkdir()
    assert reason_of(tmp_path / "folder.mp4") == "video_missing"


def test_an_mp4_without_its_index_says_so(tmp_path: Path) -> None:
    path = encode(tmp_path / "clip.mp4", CLIPS["default_gop.mp4"], num_frames=50)
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"moov") - 4])
    assert reason_of(path) == "no_index"


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    command = [ffmpeg_program(), "-v", "error", "-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac", str(path)]
    subprocess.run(command, check=True)
    assert reason_of(path) == "no_video_stream"


TRUNCATED = {
    "clip.mp4": [*X264, "keyint=30:bframes=3:b-adapt=0", *FASTSTART],
    "clip.mkv": [*X264, "keyint=30:bframes=3:b-adapt=0"],
    "h264.avi": [*X264, "keyint=30:bframes=3:b-adapt=0"],
    "mpeg4.avi": CLIPS["mpeg4.avi"],
    "mpeg4.mp4": [*CLIPS["mpeg4.mp4"], *FASTSTART],
}


@pytest.mark.parametrize("name", TRUNCATED)
def test_a_truncated_file_serves_what_it_holds_and_fails_the_rest(name: str, tmp_path: Path) -> None:
    path = encode(tmp_path / name, TRUNCATED[name], num_frames=100)
    content = path.read_bytes()
    for percent in (45, 50, 53, 57, 60, 64):
        path.write_bytes(content[: len(content) * percent // 100])
        served = []
        for number, outcome in enumerate(read(path, *(number / 25 for number in range(100))).outcomes):
            if isinstance(outcome, Shown):
                assert (outcome.index, outcome.kept) == (number, number), percent
                served.append(number)
            else:
                assert outcome.reason == "truncated"
        assert served == list(range(len(served))), percent
        assert percent - 30 < len(served) < percent + 20


@pytest.mark.parametrize("name", ["default_gop.mp4", "short_gop.mp4", "hevc.mp4", "transport.ts", "default_gop.mkv"])
def test_a_file_with_damaged_packets_is_decoded_whole_and_still_gives_its_frames(name: str, tmp_path: Path) -> None:
    path = encode(tmp_path / name, CLIPS[name], num_frames=64)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 1500] = random.Random(0).randbytes(1500)
    path.write_bytes(bytes(content))
    reading = read(path, 0.0, 0.2, 100.0)
    numbers = shown_numbers(path)
    # Matroska's demuxer leaves out the rest of a damaged cluster; the other frames are whole.
    assert reading.method == ("plan" if name.endswith(".mkv") else "whole")
    assert [outcome.kept for outcome in reading.outcomes[:2] if isinstance(outcome, Shown)] == [0, 5]
    assert isinstance(reading.outcomes[2], Shown)
    assert reading.outcomes[2].kept == numbers[-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["short_gop.mp4", "hevc.mp4", "transport.ts", "default_gop.mkv", "mpeg4.avi", "h264.avi"]
)
def test_no_damage_crashes_the_reader(name: str, tmp_path: Path) -> None:
    path = encode(tmp_path / name, CLIPS[name], num_frames=40)
    whole = path.read_bytes()
    rng = random.Random(name)
    for _ in range(60):
        content = bytearray(whole)
        for _ in range(rng.choice([1, 3, 10])):
            place = rng.randrange(len(content))
            content[place : place + rng.choice([1, 4, 300])] = rng.randbytes(rng.choice([0, 1, 4, 300]))
        path.write_bytes(bytes(content[: rng.choice([len(content), rng.randrange(len(content))])]))
        with suppress(VideoError):  # any other error fails the test
            assert len(read(path, 0.0, 0.7, 50.0).outcomes) == 3
