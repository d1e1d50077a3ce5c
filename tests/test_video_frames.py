"""A frame is the one on screen at its moment, in every container and codec, with the least decoding."""

import json
import random
import re
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tasks.decoding import decode, opened, to_rgb
from tasks.packets import read_packets
from tasks.video import Moment, Reading, Shown, ffmpeg_program, read_moments
from tests.clips import HEIGHT, RATE, WIDTH, draw_frame, encode, read_number, remux, set_matrix, shown_numbers

X264 = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-x264-params"]
VFR = ["-vf", "setpts=(N+2*floor(N/7))/25/TB", "-vsync", "vfr"]

CLIPS = {
    "default_gop.mp4": [*X264, "bframes=3:b-adapt=0"],
    "default_gop.mkv": [*X264, "bframes=3:b-adapt=0"],
    "short_gop.mp4": [*X264, "keyint=15:bframes=2:b-adapt=0"],
    "open_gop.mp4": [*X264, "open-gop=1:keyint=20:bframes=3:b-adapt=0"],
    "open_gop.ts": [*X264, "open-gop=1:keyint=20:bframes=3:b-adapt=0"],
    "pyramid.mp4": [*X264, "keyint=30:bframes=5:b-adapt=0:b-pyramid=normal"],
    "hevc.mp4": [
        "-c:v",
        "libx265",
        "-x265-params",
        "log-level=none:pools=1:frame-threads=1:keyint=20:bframes=3:b-adapt=0",
    ],
    "hevc.ts": [
        "-c:v",
        "libx265",
        "-x265-params",
        "log-level=none:pools=1:frame-threads=1:keyint=20:bframes=3:b-adapt=0",
    ],
    "transport.ts": [*X264, "keyint=25:bframes=2:b-adapt=0"],
    "fragmented.mp4": [*X264, "keyint=25:bframes=2:b-adapt=0", "-movflags", "frag_keyframe+empty_moov"],
    "vfr.mp4": [*X264, "keyint=30:bframes=2:b-adapt=0", *VFR],
    "vfr.mkv": [*X264, "keyint=30:bframes=2:b-adapt=0", *VFR],
    "offset.mp4": [*X264, "keyint=30:bframes=2:b-adapt=0", "-output_ts_offset", "10"],
    "offset.mkv": [*X264, "keyint=30:bframes=2:b-adapt=0", "-output_ts_offset", "10"],
    "ten_bit.mp4": ["-c:v", "libx264", "-pix_fmt", "yuv420p10le", "-x264-params", "keyint=30:bframes=2:b-adapt=0"],
    "mpeg4.mp4": ["-c:v", "mpeg4", "-q:v", "3", "-bf", "2", "-g", "20"],
    "vp8.webm": ["-c:v", "libvpx", "-b:v", "1M", "-auto-alt-ref", "1", "-lag-in-frames", "16", "-deadline", "realtime"],
    "mpeg4.avi": ["-c:v", "mpeg4", "-q:v", "3", "-g", "20"],
    "xvid_b.avi": ["-c:v", "mpeg4", "-q:v", "3", "-vtag", "XVID", "-bf", "2", "-g", "20"],
    "h264.avi": [*X264, "bframes=3:b-adapt=0"],
    "raw.h264": [*X264, "keyint=30:bframes=2:b-adapt=0"],
}
NOT_PLANNED = {name: "count" for name in CLIPS if name.endswith((".avi", ".h264"))}
NOT_PLANNED |= {"mpeg4.mp4": "whole", "vp8.webm": "whole"}
"""Clips whose packets do not tell the shown frames."""


def read(path: Path, moments: list[Moment]) -> Reading[int]:
    return read_moments(path, moments, read_number)


def shown(reading: Reading[int]) -> list[tuple[int, int]]:
    """Return (index, number burnt in) of every moment, all of which must be there."""
    assert all(isinstance(each, Shown) for each in reading.outcomes)
    return [(each.index, each.kept) for each in reading.outcomes if isinstance(each, Shown)]


def frame_times(name: str, num_frames: int) -> list[Fraction]:
    """When the frames are shown, in seconds from the first, by how the clip was made."""
    ticks = [number + 2 * (number // 7) if name.startswith("vfr") else number for number in range(num_frames)]
    if name.endswith((".mkv", ".webm")):  # Matroska rounds to milliseconds
        return [Fraction(round(Fraction(tick * 1000, RATE)), 1000) for tick in ticks]
    return [Fraction(tick, RATE) for tick in ticks]


@pytest.mark.parametrize("name", CLIPS)
def test_the_frame_on_screen_is_found_in_every_container(name: str, tmp_path: Path) -> None:
    path = encode(tmp_path / name, CLIPS[name], num_frames=64)
    times = frame_times(name, 64)
    rng = random.Random(name)
    asked = [0.0, float(times[-1]), 1e6] + [round(rng.uniform(0, 3), rng.choice([1, 2, 3])) for _ in range(12)]
    expected = [max(k for k, time in enumerate(times) if time <= Fraction(repr(each))) for each in asked]
    reading = read(path, [Moment(time_s=each) for each in asked])
    assert shown(reading) == [(k, k) for k in expected]
    assert reading.method == NOT_PLANNED.get(name, "plan")


@pytest.mark.parametrize("name", ["default_gop.mp4", "h264.avi", "vfr.mkv", "mpeg4.mp4"])
def test_frames_are_found_by_number_too(name: str, tmp_path: Path) -> None:
    path = encode(tmp_path / name, CLIPS[name], num_frames=64)
    reading = read(path, [Moment(time_s=99.0, index=index) for index in (5, 0, 63, 31, 5, 700)])
    assert shown(reading) == [(k, k) for k in (5, 0, 63, 31, 5, 63)]


def test_an_edit_list_that_begins_inside_a_group_of_pictures_is_applied(tmp_path: Path) -> None:
    whole = encode(tmp_path / "whole.mp4", CLIPS["default_gop.mp4"], num_frames=64)
    path = remux(whole, tmp_path / "cut.mp4", before=["-ss", "0.9"])
    numbers = shown_numbers(path)
    assert numbers[0] > 15
    reading = read(path, [Moment(time_s=0.0), Moment(time_s=0.5), Moment(time_s=100.0)])
    assert reading.method == "plan"
    assert [number for _, number in shown(reading)] == [numbers[0], numbers[12], numbers[-1]]
    assert [index for index, _ in shown(reading)] == [0, 12, len(numbers) - 1]


def test_times_are_recorded_as_the_container_has_them(tmp_path: Path) -> None:
    path = encode(tmp_path / "offset.mkv", CLIPS["offset.mkv"], num_frames=30)
    first, later = read(path, [Moment(time_s=0.0), Moment(time_s=0.41)]).outcomes
    assert isinstance(first, Shown)
    assert isinstance(later, Shown)
    assert (first.pts_s, later.pts_s) == (10.0, 10.4)


@pytest.mark.parametrize("at", ["keyframe", "anywhere"])
def test_a_stream_cut_out_of_the_middle_is_decoded_whole(at: str, tmp_path: Path) -> None:
    """Leading frames refer to what was cut off; libav does not show them, so packets cannot be counted."""
    path = encode(tmp_path / "open_gop.ts", CLIPS["open_gop.ts"], num_frames=64)
    content = path.read_bytes()
    with opened(path) as (container, stream):
        keyframes = [packet.pos for packet in container.demux(stream) if packet.size and packet.is_keyframe]
    start = keyframes[1] if at == "keyframe" else len(content) // 2 // 188 * 188
    cut = tmp_path / "cut.ts"
    cut.write_bytes(content[: 3 * 188] + content[start:])  # the tables in front, then the rest
    with opened(cut) as (container, stream):
        frames = [(frame.pts * stream.time_base, read_number(to_rgb(frame))) for frame in decode(container, stream)]
    asked = ("0.0", "0.5", "1.1", "9.0")
    places = [max(k for k, (pts, _) in enumerate(frames) if pts - frames[0][0] <= Fraction(time)) for time in asked]
    for time, place in zip(asked, places, strict=True):  # one by one: what is decoded for one could betray another
        reading = read(cut, [Moment(time_s=float(time))])
        assert reading.method == "whole"
        assert shown(reading) == [(place, frames[place][1])]


ORIENTATIONS = {
    (1, 0, 0, 1): lambda image: image,
    (0, 1, -1, 0): lambda image: np.rot90(image, -1),
    (-1, 0, 0, -1): lambda image: np.rot90(image, 2),
    (0, -1, 1, 0): lambda image: np.rot90(image, 1),
    (-1, 0, 0, 1): lambda image: image[:, ::-1],
    (1, 0, 0, -1): lambda image: image[::-1],
}


@pytest.mark.parametrize("matrix", ORIENTATIONS)
def test_pictures_stand_upright(matrix: tuple[int, int, int, int], tmp_path: Path) -> None:
    path = encode(tmp_path / "clip.mp4", CLIPS["short_gop.mp4"], num_frames=3)
    set_matrix(path, *matrix)
    [picture] = read_moments(path, [Moment(time_s=0.0)], lambda image: image).outcomes
    assert isinstance(picture, Shown)
    expected = ORIENTATIONS[matrix](draw_frame(0)).astype(int)
    assert picture.kept.shape == expected.shape
    assert np.abs(picture.kept.astype(int) - expected).mean() < 12


@pytest.mark.parametrize("layout", ["yuv444p", "yuv420p"])
@pytest.mark.parametrize("levels", ["tv", "pc"])
@pytest.mark.parametrize(("matrix", "kr", "kb"), [("bt709", 0.2126, 0.0722), ("smpte170m", 0.299, 0.114)])
def test_colour_follows_the_matrix_and_range_without_a_shift_of_brightness(
    layout: str, levels: str, matrix: str, kr: float, kb: float, tmp_path: Path
) -> None:
    """Against the conversion in full precision, inside even blocks of colour: no chroma filter is in between."""
    rng = np.random.default_rng(0)
    luma, coarse = rng.integers(60, 190, (128, 128)), rng.integers(100, 156, (2, 8, 8))
    blue, red = np.kron(coarse, np.ones((1, 16, 16), int))
    step = 1 if layout == "yuv444p" else 2
    path = tmp_path / "colour.mkv"
    command = [ffmpeg_program(), "-v", "error", "-f", "rawvideo", "-pix_fmt", layout, "-s", "128x128", "-i", "-"]
    command += ["-c:v", "ffv1", "-colorspace", matrix, "-color_range", levels, str(path)]
    planes = (luma, blue[::step, ::step], red[::step, ::step])
    subprocess.run(command, input=b"".join(plane.astype(np.uint8).tobytes() for plane in planes), check=True)
    [picture] = read_moments(path, [Moment(time_s=0.0)], lambda image: image).outcomes
    assert isinstance(picture, Shown)
    y, chroma = ((luma - 16) / 219, 224) if levels == "tv" else (luma / 255, 255)
    r, b = y + 2 * (1 - kr) * (red - 128) / chroma, y + 2 * (1 - kb) * (blue - 128) / chroma
    g = (y - kr * r - kb * b) / (1 - kr - kb)
    error = picture.kept - np.stack([r, g, b], axis=2).clip(0, 1) * 255
    inside = error.reshape(8, 16, 8, 16, 3)[:, 4:12, :, 4:12]
    assert np.abs(inside.mean(axis=(0, 1, 2, 3))).max() < 0.25
    assert np.abs(inside).max() < 1.5


@pytest.mark.parametrize("name", ["default_gop.mp4", "short_gop.mp4", "pyramid.mp4", "hevc.mp4", "transport.ts"])
def test_no_more_is_decoded_than_the_wanted_frames_need(name: str, tmp_path: Path) -> None:
    path = encode(tmp_path / name, CLIPS[name], num_frames=100)
    rng = random.Random(1)
    wanted = sorted({rng.randrange(96) for _ in range(5)})
    reading = read(path, [Moment(index=number) for number in wanted])
    assert shown(reading) == [(k, k) for k in wanted]
    assert reading.num_decoded <= 1.05 * minimal_frames(path, wanted)
    assert reading.num_decoded < 95


def minimal_frames(path: Path, wanted: list[int]) -> int:
    """Count, in the bitstream itself, the wanted frames and those they may refer to, from the keyframe on."""
    is_hevc = path.name.startswith("hevc")
    kind = "hevc" if is_hevc else "h264"
    command = [ffmpeg_program(), "-v", "error", "-i", str(path), "-c", "copy", "-f", kind, "-"]
    stream = subprocess.run(command, check=True, capture_output=True).stdout
    heads = [stream[code.end()] for code in re.finditer(rb"\x00\x00\x01", stream)]
    if is_hevc:
        pictures = [head >> 1 & 63 for head in heads if head >> 1 & 63 < 32]
        is_key = [16 <= kind <= 23 for kind in pictures]
        is_reference = [kind > 15 or kind % 2 == 1 for kind in pictures]
    else:
        units = [head for head in heads if head & 31 in (1, 5)]
        is_key, is_reference = [head & 31 == 5 for head in units], [head >> 5 & 3 > 0 for head in units]
    with opened(path) as (container, video):
        packets = read_packets(container, video, False)
    assert len(packets.pts) == len(is_key)
    needed: set[int] = set()
    for number in wanted:
        place = packets.position[packets.shown[number]]
        start = max(k for k in range(place + 1) if is_key[k] and packets.pts[k] <= packets.pts[place])
        needed |= {place, *(k for k in range(start, place) if is_reference[k])}
    return len(needed)


def test_the_first_and_last_shown_frame_of_real_clips_are_exact(real_data: Path) -> None:
    truth = json.loads((real_data / "videos" / "groundtruth.json").read_text())
    assert truth
    for name, clip in truth.items():
        moments = [Moment(time_s=0.0), Moment(time_s=1e6)]
        first, last = read_moments(real_data / "videos" / name, moments, lambda image: image.shape).outcomes
        assert isinstance(first, Shown)
        assert isinstance(last, Shown)
        assert (first.index, last.index) == (0, clip["frames"] - 1), name
        assert (first.pts_s, last.pts_s) == pytest.approx((clip["first_pts_s"], clip["last_pts_s"]), abs=1e-6), name


@pytest.mark.slow
def test_moments_in_the_middle_of_real_clips_agree_with_decoding_everything(real_data: Path) -> None:
    videos = real_data / "videos"
    for path in sorted(each for each in videos.iterdir() if each.suffix in (".mp4", ".mkv", ".mov", ".webm", ".3gp")):
        with opened(path) as (container, stream):
            pts = [frame.pts * stream.time_base for frame in decode(container, stream)]
        rng = random.Random(path.name)
        asked = [round(rng.uniform(0, float(pts[-1] - pts[0])), rng.choice([1, 2, 4])) for _ in range(10)]
        indices = [max(k for k, each in enumerate(pts) if each - pts[0] <= Fraction(repr(time))) for time in asked]
        with opened(path) as (container, stream):
            everything = {
                number: to_rgb(frame).tobytes()
                for number, frame in enumerate(decode(container, stream))
                if number in indices
            }
        reading = read_moments(path, [Moment(time_s=time) for time in asked], lambda image: image.tobytes())
        assert [each.index for each in reading.outcomes if isinstance(each, Shown)] == indices, path.name
        for index, each in zip(indices, reading.outcomes, strict=True):
            assert isinstance(each, Shown)
            assert each.kept == everything[index], (path.name, index)


def test_numbers_drawn_are_numbers_read() -> None:
    assert [read_number(draw_frame(number)) for number in (0, 1, 2047, 4095)] == [0, 1, 2047, 4095]
    assert draw_frame(0).shape == (HEIGHT, WIDTH, 3)
