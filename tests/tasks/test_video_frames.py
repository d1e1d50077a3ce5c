"""A frame is the one on screen at its moment, in every container and codec, with the least decoding."""

import json
import random
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tasks.video.decoding import decode, opened, to_rgb
from tasks.video.exact_frames import Moment, Reading, Shown, read_moments
from tests.support.bitstream import read_bitstream
from tests.support.clips import (
    CLIPS,
    DERIVED,
    HEIGHT,
    WIDTH,
    draw_frame,
    encode,
    make_clip,
    read_number,
    remux,
    set_matrix,
    shown_numbers,
)

NOT_PLANNED = {name: "count" for name in CLIPS if name.endswith((".avi", ".h264"))}
"""Clips whose packets do not tell which frames are shown."""


def read(path: Path, moments: list[Moment]) -> Reading[int]:
    return read_moments(path, moments, read_number)


def shown(reading: Reading[int]) -> list[tuple[int, int]]:
    """Return (index, number burnt in) of every moment; every moment must have a frame."""
    assert all(isinstance(outcome, Shown) for outcome in reading.outcomes)
    return [(outcome.index, outcome.kept) for outcome in reading.outcomes if isinstance(outcome, Shown)]


@pytest.mark.parametrize("name", [*CLIPS, *DERIVED])
def test_the_frame_on_screen_is_found_in_every_container(name: str, tmp_path: Path) -> None:
    clip = make_clip(name, tmp_path)
    rng = random.Random(name)
    asked = [0.0, float(clip.times_s[-1]), 1e6] + [round(rng.uniform(0, 3), rng.choice([1, 2, 3])) for _ in range(12)]
    expected = [clip.on_screen(time) for time in asked]
    reading = read_moments(clip.path, [Moment(time_s=time) for time in asked], clip.read_number)
    assert shown(reading) == [(index, clip.numbers[index]) for index in expected]
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


def test_a_packet_of_two_pictures_is_noticed_and_the_file_decoded_whole(tmp_path: Path) -> None:
    """Some MPEG-4 encoders pack frames in this way, and packets then do not tell which frames are shown."""
    plain = encode(tmp_path / "plain.mp4", ["-c:v", "mpeg4", "-q:v", "3", "-g", "10"], num_frames=40)
    packed = tmp_path / "packed.mp4"
    with av.open(str(plain)) as source, av.open(str(packed), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        pair = av.Packet(bytes(packets[4]) + bytes(packets[5]))
        pair.pts, pair.dts, pair.time_base = packets[4].pts, packets[4].dts, packets[4].time_base
        for packet in [*packets[:4], pair, *packets[6:]]:
            packet.stream = stream
            target.mux(packet)
    reading = read(packed, [Moment(time_s=1.0), Moment(time_s=1.4)])
    assert reading.method == "whole"
    with opened(packed) as (container, stream):
        numbers = {
            float(frame.pts * stream.time_base): read_number(to_rgb(frame)) for frame in decode(container, stream)
        }
    assert [number for _, number in shown(reading)] == [numbers[1.0], numbers[1.4]]


def test_times_are_recorded_as_the_container_has_them(tmp_path: Path) -> None:
    path = encode(tmp_path / "offset.mkv", CLIPS["offset.mkv"], num_frames=30)
    first, later = read(path, [Moment(time_s=0.0), Moment(time_s=0.41)]).outcomes
    assert isinstance(first, Shown)
    assert isinstance(later, Shown)
    assert (first.pts_s, later.pts_s) == (10.0, 10.4)


@pytest.mark.parametrize("at", ["keyframe", "anywhere"])
def test_a_stream_cut_out_of_the_middle_is_decoded_whole(at: str, tmp_path: Path) -> None:
    """Leading frames refer to a part that was cut off; libav does not show them, so packets cannot be counted."""
    path = encode(tmp_path / "open_gop.ts", CLIPS["open_gop.ts"], num_frames=64)
    content = path.read_bytes()
    with opened(path) as (container, stream):
        keyframes = [packet.pos for packet in container.demux(stream) if packet.size and packet.is_keyframe]
    start = keyframes[1] if at == "keyframe" else len(content) // 2 // 188 * 188
    cut = tmp_path / "cut.ts"
    cut.write_bytes(content[: 3 * 188] + content[start:])  # first the tables, then the rest
    with opened(cut) as (container, stream):
        frames = [(frame.pts * stream.time_base, read_number(to_rgb(frame))) for frame in decode(container, stream)]
    asked = ("0.0", "0.5", "1.1", "9.0")
    places = [max(k for k, (pts, _) in enumerate(frames) if pts - frames[0][0] <= Fraction(time)) for time in asked]
    for time, place in zip(asked, places, strict=True):  # one by one: the decoding of one moment could help another
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


@pytest.mark.parametrize("name", [name for name in [*CLIPS, *DERIVED] if name not in NOT_PLANNED])
def test_no_more_is_decoded_than_the_wanted_frames_need(name: str, tmp_path: Path) -> None:
    clip = make_clip(name, tmp_path, 100)
    rng = random.Random(1)
    wanted = sorted({rng.randrange(len(clip.numbers) - 4) for _ in range(5)})
    reading = read_moments(clip.path, [Moment(index=index) for index in wanted], clip.read_number)
    assert shown(reading) == [(index, clip.numbers[index]) for index in wanted]
    assert reading.num_decoded <= 1.05 * len(read_bitstream(clip.path).needed(wanted))


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
    for path in sorted(file for file in videos.iterdir() if file.suffix in (".mp4", ".mkv", ".mov", ".webm", ".3gp")):
        with opened(path) as (container, stream):
            pts = [frame.pts * stream.time_base for frame in decode(container, stream)]
        rng = random.Random(path.name)
        asked = [round(rng.uniform(0, float(pts[-1] - pts[0])), rng.choice([1, 2, 4])) for _ in range(10)]
        indices = [
            max(k for k, shown_s in enumerate(pts) if shown_s - pts[0] <= Fraction(repr(time))) for time in asked
        ]
        with opened(path) as (container, stream):
            everything = {
                number: to_rgb(frame).tobytes()
                for number, frame in enumerate(decode(container, stream))
                if number in indices
            }
        reading = read_moments(path, [Moment(time_s=time) for time in asked], lambda image: image.tobytes())
        assert [outcome.index for outcome in reading.outcomes if isinstance(outcome, Shown)] == indices, path.name
        for index, outcome in zip(indices, reading.outcomes, strict=True):
            assert isinstance(outcome, Shown)
            assert outcome.kept == everything[index], (path.name, index)


def test_numbers_drawn_are_numbers_read() -> None:
    assert [read_number(draw_frame(number)) for number in (0, 1, 2047, 4095)] == [0, 1, 2047, 4095]
    assert draw_frame(0).shape == (HEIGHT, WIDTH, 3)
