"""Times that a file lacks, or that are rounded: the frame that is right by construction, or an error, and no guess."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from av import Packet

from tasks.video.decoding import opened
from tasks.video.exact_frames import Moment, Reading, Shown, VideoError, read_moments
from tasks.video.ffmpeg import ffmpeg_program
from tasks.video.timeline import Timeline
from tests.support.clips import HEIGHT, RATE, WIDTH, X264, draw_frame, encode, read_number

PLAIN = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", "0", "-g", "15"]
SHORT = [*X264, "keyint=15:bframes=2:b-adapt=0"]


def read(path: Path, times: list[float]) -> Reading[int]:
    return read_moments(path, [Moment(time_s=time) for time in times], read_number)


def numbers_at(path: Path, times: list[float]) -> list[int]:
    return [outcome.kept for outcome in read(path, times).outcomes if isinstance(outcome, Shown)]


def without_times(path: Path, keeps: Callable[[int], bool]) -> Path:
    """Remove the times of a transport stream's pictures but of those whose number is kept (PES, ISO/IEC 13818-1)."""
    content = bytearray(path.read_bytes())
    at, number = content.find(b"\0\0\1\xe0"), 0
    while at >= 0:
        if not keeps(number):
            content[at + 7] &= 0x3F
            content[at + 9 : at + 9 + content[at + 8]] = b"\xff" * content[at + 8]
        at, number = content.find(b"\0\0\1\xe0", at + 4), number + 1
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("arguments", [PLAIN, SHORT], ids=["plain", "reordered"])
@pytest.mark.parametrize(
    "keeps",
    [lambda number: number % 12 == 0, lambda number: number > 4, lambda number: not 20 <= number < 30],
    ids=["few", "not the first", "a hole"],
)
def test_a_frame_without_a_time_lies_a_frame_after_the_one_before(
    keeps: Callable[[int], bool], arguments: list[str], tmp_path: Path
) -> None:
    path = without_times(encode(tmp_path / "clip.ts", arguments, num_frames=50), keeps)
    times = [0.0, 0.2, 0.9, 1.01, 1.75]
    reading = read(path, times)
    assert [outcome.kept for outcome in reading.outcomes if isinstance(outcome, Shown)] == [0, 5, 22, 25, 43]
    first_s = float(reading.first_pts_s)
    shown_s = [outcome.pts_s - first_s for outcome in reading.outcomes if isinstance(outcome, Shown)]
    assert shown_s == pytest.approx([0, 0.2, 0.88, 1, 1.72])


def test_times_that_do_not_fit_the_frames_without_one_are_an_error(tmp_path: Path) -> None:
    dropped = ["-vf", "select='not(between(n,22,26))'", "-fps_mode", "vfr"]
    path = encode(tmp_path / "clip.ts", [*PLAIN, *dropped], num_frames=50)
    with pytest.raises(VideoError, match="have no time") as caught:
        read(without_times(path, lambda number: not 20 <= number < 30), [0.2, 1.5])
    assert caught.value.reason == "times_missing"


@pytest.mark.parametrize("name", ["clip.avi", "clip.mp4", "clip.mkv", "clip.h264"])
def test_thirds_of_a_second_mean_the_frame_with_six_digits_and_as_a_float(name: str, tmp_path: Path) -> None:
    arguments = ["-c:v", "mpeg4", "-q:v", "3"] if name.endswith("avi") else PLAIN
    path = encode(tmp_path / name, [*arguments, "-r", "30"], num_frames=40, rate=30)
    for digits in (6, 17):
        assert numbers_at(path, [round(n / 30, digits) for n in range(40)]) == list(range(40))
    assert numbers_at(path, [0.3324]) == [9]


def test_a_decimal_clock_that_rounds_frames_to_few_ticks_has_its_half_tick(tmp_path: Path) -> None:
    path = encode(tmp_path / "clip.mp4", [*PLAIN, "-video_track_timescale", "100"], num_frames=40, rate=30)
    assert numbers_at(path, [round(n / 30, 6) for n in range(40)]) == list(range(40))
    assert numbers_at(path, [0.065, 0.0649]) == [2, 1]  # frame 2 lies at 0.07 s


def test_recordings_in_ogg_joined_by_cat_go_on(tmp_path: Path) -> None:
    content = b""
    for first in (0, 50):
        part = tmp_path / "part.ogv"
        command = [ffmpeg_program(), "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-r", str(RATE)]
        command += ["-s", f"{WIDTH}x{HEIGHT}", "-i", "-", "-c:v", "libtheora", "-q:v", "9", str(part)]
        frames = b"".join(draw_frame(number).tobytes() for number in range(first, first + 50))
        subprocess.run(command, input=frames, check=True)
        content += part.read_bytes()
    joined = tmp_path / "joined.ogv"
    joined.write_bytes(content)
    # As in the ffmpeg program, Theora's three headers in the middle take the time of a frame each.
    assert numbers_at(joined, [0.2, 1.9, 2.5, 3.5]) == [5, 47, 59, 84]


def test_only_keyframes_tell_a_clock_that_jumps_back(tmp_path: Path) -> None:
    """Of some codecs (VVC in Matroska) libav knows presentation times alone, which go back between keyframes."""
    path = encode(tmp_path / "clip.mkv", PLAIN, num_frames=2)
    with opened(path) as (container, stream):
        timeline = Timeline(container, stream)
        for dts, is_key in ((0, True), (900, False), (500, False), (40, False), (960, True), (40, False), (200, True)):
            assert not timeline.jumps_back
            packet = Packet(b"x")
            packet.dts, packet.is_keyframe = dts, is_key
            timeline.put(packet)
        assert timeline.jumps_back
