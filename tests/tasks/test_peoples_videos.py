"""Videos as people have them: each situation is made here, with the frame that is right by construction."""

import re
import subprocess
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.annotations.segment import Segment
from tasks.artifacts.artifact import Record
from tasks.artifacts.map_items import map_items
from tasks.artifacts.processes import with_memory
from tasks.config import FramesConfig
from tasks.cutting.outside import facts_of
from tasks.cutting.pairs import VideoJob, VideoPairs, cut_video
from tasks.fetching.video_files import fingerprint
from tasks.video.decoding import opened
from tasks.video.exact_frames import How, Moment, Shown, VideoError, read_moments
from tasks.video.ffmpeg import ffmpeg_program
from tasks.video.packets import read_packets
from tests.support.clips import (
    CLIPS,
    DERIVED,
    HEIGHT,
    QUIET,
    WIDTH,
    X264,
    X265,
    draw_frame,
    encode,
    make_clip,
    read_number,
    remux,
    set_aperture,
)
from tests.support.field_pictures import write_field_film

SHORT = [*X264, "keyint=15:bframes=2:b-adapt=0"]


def ffmpeg(*arguments: str | Path) -> None:
    subprocess.run([ffmpeg_program(), "-v", "error", "-y", *map(str, arguments)], check=True)


def numbers_at(path: Path, times: list[float], how: How | None = None) -> list[int]:
    reading = read_moments(path, [Moment(time_s=time) for time in times], read_number, how=how or How())
    assert all(isinstance(outcome, Shown) for outcome in reading.outcomes)
    return [outcome.kept for outcome in reading.outcomes if isinstance(outcome, Shown)]


def cut(path: Path, spans: list[tuple[float, float]], *, frames: bool = False, **config: object) -> VideoPairs:
    """Cut spans of seconds, or of frame numbers, out of a video."""
    segments = [
        Segment(
            segment_id=f"v-{number}",
            video_id="v",
            start_s=float(start),
            stop_s=float(stop),
            start_frame=int(start) if frames else None,
            stop_frame=int(stop) if frames else None,
            instruction="open door",
        )
        for number, (start, stop) in enumerate(spans)
    ]
    job = VideoJob(
        video_id="v",
        path=path,
        fingerprint=fingerprint(path),
        segments=tuple(segments),
        config=FramesConfig(**({"size_px": 64, "image_format": "png"} | config)),  # type: ignore[arg-type]
        folder=path.parent / "cut",
    )
    return cut_video(job)


def indices(row: Record) -> tuple[int, int]:
    return row["source_frame_index"], row["edited_frame_index"]


@pytest.mark.parametrize("name", ["short_gop.mp4", "h264.avi", "transport.ts", "raw.h264", "offset.mkv"])
def test_a_segment_behind_the_end_is_filtered_and_an_end_behind_it_is_clamped_and_counted(
    name: str, tmp_path: Path
) -> None:
    path = encode(tmp_path / name, CLIPS[name], num_frames=50)  # 2 s long
    pairs = cut(path, [(0.4, 1.6), (1.0, 2.1), (2.0, 2.5), (10, 12), (500, 1500), (1e6, 1.5e6), (1.6, 2.0)])
    assert [indices(row) for row in pairs.kept] == [(10, 40), (25, 49), (40, 49)]
    assert [row["clamped_to_end"] for row in pairs.kept] == [False, True, False]
    reasons = [(row["segment_id"], row["status"], row["reason"]) for row in pairs.rejected]
    assert reasons == [(f"v-{number}", "filtered", "starts_behind_video") for number in (2, 3, 4, 5)]
    assert "starts at 500 s" in pairs.rejected[2]["message"]
    assert "lasts 2 s" in pairs.rejected[2]["message"]
    facts = facts_of(pairs.kept)
    assert facts["clamped_to_end"] == 1
    assert any(warning.startswith("1 pairs end after") for warning in facts["warnings"])


@pytest.mark.parametrize("name", ["short_gop.mp4", "h264.avi", "xvid_b.avi"])
def test_counted_frames_behind_the_end_are_filtered_or_clamped_too(name: str, tmp_path: Path) -> None:
    path = encode(tmp_path / name, CLIPS[name], num_frames=50)
    pairs = cut(path, [(10, 49), (10, 50), (50, 60), (1200, 1300)], frames=True)
    assert [(indices(row), row["clamped_to_end"]) for row in pairs.kept] == [((10, 49), False), ((10, 49), True)]
    assert [row["reason"] for row in pairs.rejected] == ["starts_behind_video"] * 2
    assert "frame 1200" in pairs.rejected[1]["message"]


@pytest.mark.parametrize("codec", ["mpeg4", "mjpeg", "xvid_b", "h264"])
def test_an_empty_chunk_of_an_avi_keeps_the_picture_before_it_on_screen(codec: str, tmp_path: Path) -> None:
    """The ffmpeg program writes empty chunks into an AVI where frames are further apart, at 25 fps or 600."""
    vfr = make_clip("vfr.mkv", tmp_path)
    path = tmp_path / f"{codec}.avi"
    if codec == "h264":
        ffmpeg("-i", make_clip("vfr.mp4", tmp_path).path, "-c", "copy", path)
    else:
        how = {"mpeg4": ["-bf", "0"], "mjpeg": [], "xvid_b": ["-bf", "2"]}[codec]
        encoder = "mjpeg" if codec == "mjpeg" else "mpeg4"
        ffmpeg("-i", vfr.path, "-c:v", encoder, *how, "-q:v", "3", "-fps_mode", "passthrough", path)
    asked = [0.0, 0.2, 0.26, 0.35, 0.37, 0.9, 1.3, 2.06, 2.5]
    assert numbers_at(path, asked) == [vfr.on_screen(time) for time in asked]


def test_an_avi_whose_rate_is_a_common_multiple_is_read_by_its_times(tmp_path: Path) -> None:
    path = remux(make_clip("default_gop.mp4", tmp_path).path, tmp_path / "remuxed.avi")  # at 600 fps
    assert numbers_at(path, [0.0, 0.39, 0.4, 1.2, 2.48, 2.52]) == [0, 9, 10, 30, 62, 63]


def thumbnail_first(path: Path, film: Path, *arguments: str) -> Path:
    thumbnail = path.with_name("thumbnail.mkv")
    ffmpeg("-f", "lavfi", "-i", "color=red:s=320x192", "-c:v", "mjpeg", "-frames:v", "1", thumbnail)
    ffmpeg("-i", thumbnail, "-i", film, "-map", "0:v", "-map", "1:v", "-c", "copy", *arguments, path)
    return path


@pytest.mark.parametrize("name", ["thumb.mp4", "thumb.mkv"])
@pytest.mark.parametrize("default", ["0", "1"])
def test_the_film_is_read_and_not_the_thumbnail_before_it(name: str, default: str, tmp_path: Path) -> None:
    film = encode(tmp_path / "film.mp4", SHORT, num_frames=50)
    flags = ["-disposition:v:0", "default" if default == "0" else "0", "-disposition:v:1", "default"]
    path = thumbnail_first(tmp_path / name, film, *flags)
    assert numbers_at(path, [0.2, 0.9]) == [5, 22]
    [row] = cut(path, [(0.2, 0.9)]).kept
    assert (row["video_stream"], row["num_video_streams"]) == (1, 2)
    assert facts_of([row])["of_several_streams"] == 1


def test_of_two_films_the_default_is_read_and_then_the_larger(tmp_path: Path) -> None:
    large = encode(tmp_path / "large.mp4", SHORT, num_frames=50)
    small = tmp_path / "small.mp4"
    ffmpeg("-i", large, "-vf", "negate,scale=80:48", *SHORT, small)
    for flags, chosen in ((("0", "0"), 1), (("default", "0"), 0)):
        path = tmp_path / f"two{chosen}.mkv"
        both = ["-disposition:v:0", flags[0], "-disposition:v:1", flags[1], "-default_mode", "passthrough"]
        ffmpeg("-i", small, "-i", large, "-map", "0:v", "-map", "1:v", "-c", "copy", *both, path)
        assert cut(path, [(0.2, 0.9)]).kept[0]["video_stream"] == chosen


@pytest.mark.parametrize("rest", [0, 37])
def test_transport_streams_joined_by_cat_go_on_where_the_first_ended(rest: int, tmp_path: Path) -> None:
    first = encode(tmp_path / "first.ts", CLIPS["transport.ts"], num_frames=50)
    whole = encode(tmp_path / "whole.mp4", SHORT, num_frames=100)
    second = tmp_path / "second.ts"  # its clock starts again, or at another time
    ffmpeg("-ss", "2", "-i", whole, "-vf", "null", *SHORT, "-output_ts_offset", str(rest), second)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    assert numbers_at(joined, [0.2, 0.9, 1.9, 2.1, 2.5, 3.5, 99]) == [5, 22, 47, 52, 62, 87, 99]


def test_a_clock_that_jumps_back_where_it_may_not_is_an_error(tmp_path: Path) -> None:
    path = encode(tmp_path / "clip.flv", [*X264, "keyint=15:bframes=0"], num_frames=50)
    content = path.read_bytes()
    joined = tmp_path / "joined.flv"
    joined.write_bytes(content + content[13:])
    with pytest.raises(VideoError) as caught:
        numbers_at(joined, [0.2, 2.5])
    assert caught.value.reason == "times_jump_back"


def test_a_film_marked_as_interlaced_gives_the_pictures_of_the_same_film_unmarked(tmp_path: Path) -> None:
    noise = ["-f", "lavfi", "-i", "testsrc2=s=256x192:r=25:d=1", "-c:v", "libx264", "-qp", "4", "-x264-params"]
    ffmpeg(*noise, "keyint=5:bframes=0", tmp_path / "plain.mp4")
    ffmpeg(*noise, "keyint=5:bframes=0:tff=1", tmp_path / "flagged.mp4")
    for size_px in (96, 256):
        pictures = []
        for name in ("plain.mp4", "flagged.mp4"):
            [shown] = read_moments(tmp_path / name, [Moment(time_s=0.4)], lambda image: image, size_px=size_px).outcomes
            assert isinstance(shown, Shown)
            assert shown.is_interlaced == (name == "flagged.mp4")
            pictures.append(shown.kept.astype(int))
        assert np.abs(pictures[0] - pictures[1]).mean() < 0.7
    [row] = cut(tmp_path / "flagged.mp4", [(0.2, 0.8)]).kept
    assert facts_of([row])["interlaced"] == 1


def test_two_fields_become_one_moment_by_bwdif(tmp_path: Path) -> None:
    film = "testsrc2=s=256x192:r=50:d=1,interlace"
    ffmpeg("-f", "lavfi", "-i", film, "-c:v", "libx264", "-qp", "4", "-x264-params", "tff=1", tmp_path / "fields.mp4")

    def combs(how: How) -> float:
        [shown] = read_moments(tmp_path / "fields.mp4", [Moment(time_s=0.4)], lambda image: image, how=how).outcomes
        assert isinstance(shown, Shown)
        rows = shown.kept.astype(int)
        return float((np.abs(2 * rows[1:-1] - rows[:-2] - rows[2:]) > 160).mean())

    assert combs(How(deinterlaces=True)) < 0.6 * combs(How())


QUARTER_TURN = bytes.fromhex("4e012f03 080018 80")
"""A NAL unit of HEVC: an SEI message (47) that turns pictures by 90 degrees until another message."""


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_an_orientation_told_once_in_the_stream_holds_for_the_frames_after_it(codec: str, tmp_path: Path) -> None:
    path = tmp_path / "turned.mp4"
    if codec == "h264":
        plain = encode(tmp_path / "plain.mp4", CLIPS["default_gop.mp4"], num_frames=50)
        remux(plain, path, after=["-bsf:v", "h264_metadata=display_orientation=insert:rotate=90"])
    else:  # the ffmpeg program cannot write such a message into HEVC
        raw = encode(tmp_path / "plain.hevc", [*X265, f"{QUIET}:keyint=20:bframes=0"], num_frames=50)
        content = raw.read_bytes()
        slice_at = re.search(rb"\x00\x00\x01[\x26\x28]\x01", content)  # IDR_W_RADL, IDR_N_LP
        assert slice_at is not None
        cut_at = slice_at.start()
        raw.write_bytes(content[:cut_at] + b"\0\0\1" + QUARTER_TURN + content[cut_at:])
        # not into an MP4, which states the turn in its header
        path = remux(raw, tmp_path / "turned.ts", after=["-bsf:v", "setts=ts=N*0.04/TB"])
    moments = [Moment(time_s=time) for time in (0.0, 0.4, 0.9, 1.2)]
    for asked in (moments, moments[2:]):
        shapes = [outcome.kept for outcome in read_moments(path, asked, lambda image: image.shape[:2]).outcomes]  # type: ignore[union-attr]
        assert shapes == [(160, 96)] * len(asked)


def test_a_time_within_half_a_tick_of_a_frame_means_that_frame(tmp_path: Path) -> None:
    """Matroska rounds the times of 12 fps to milliseconds; a user who computes k / 12 means frame k."""
    for name in ("clip.mkv", "clip.mp4"):
        path = encode(tmp_path / name, SHORT, num_frames=36, rate=12)
        wanted = list(range(30))
        assert numbers_at(path, [round(number / 12, 6) for number in wanted]) == wanted
        assert numbers_at(path, [number / 12 - 0.01 for number in wanted[1:]]) == wanted[:-1]
    assert numbers_at(tmp_path / "clip.mkv", [0.1665, 0.16649]) == [2, 1]  # frame 2 is shown at 0.167


def test_where_a_tick_is_a_frame_times_are_not_rounded(tmp_path: Path) -> None:
    path = encode(tmp_path / "clip.mp4", [*SHORT, "-video_track_timescale", "25"], num_frames=30)
    assert numbers_at(path, [0.39, 0.4, 0.439]) == [9, 10, 10]


PATCHES = {(200, 30, 40): (147, 66, 52), (30, 180, 60): (106, 154, 80), (40, 50, 210): (66, 58, 168)}
"""Return the HLG signal with the light of an sRGB colour, white at 203 cd/m2, 8 bits."""


def pq_signal(srgb: tuple[int, int, int]) -> tuple[int, ...]:
    """Return the PQ signal of an sRGB colour, white at 203 cd/m2, primaries as they are, 8 bits (SMPTE ST 2084)."""
    levels = np.array(srgb) / 255
    light = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4) * 203 / 10_000
    power = light**0.1593017578125
    return tuple(
        int(level) for level in np.round(255 * ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375)
    )


@pytest.mark.parametrize("kind", ["hlg", "pq"])
def test_hdr_pictures_are_tone_mapped_and_counted(kind: str, tmp_path: Path) -> None:
    tags = {"hlg": ["bt2020", "arib-std-b67"], "pq": ["bt709", "smpte2084"]}[kind]
    errors = []
    for number, (srgb, hlg) in enumerate(PATCHES.items()):
        colour = "0x" + "".join(f"{level:02x}" for level in (hlg if kind == "hlg" else pq_signal(srgb)))
        path = tmp_path / f"{number}.mp4"
        convert = "scale=out_color_matrix=bt2020:out_range=tv,format=yuv420p10le"
        tagged = f"setparams=color_primaries={tags[0]}:color_trc={tags[1]}:colorspace=bt2020nc:range=tv"
        source = f"color={colour}:s=64x64:r=25:d=0.4,format=rgb24"
        ffmpeg("-f", "lavfi", "-i", source, "-vf", f"{convert},{tagged}", "-c:v", "libx264", "-qp", "1", path)
        [shown] = read_moments(path, [Moment(time_s=0.2)], lambda image: image, size_px=64).outcomes
        assert isinstance(shown, Shown)
        assert shown.hdr == kind
        errors.append(np.abs(shown.kept[32, 32].astype(int) - srgb))
        [row] = cut(path, [(0.1, 0.3)]).kept
        assert facts_of([row])["hdr_tone_mapped"] == 1
    assert np.mean(errors) < 12
    assert np.max(errors) < 25


@pytest.mark.parametrize(("primaries", "told"), [("bt2020", "bt2020"), ("smpte432", "p3"), ("bt709", "")])
def test_wide_primaries_of_an_sdr_film_are_counted(primaries: str, told: str, tmp_path: Path) -> None:
    tagged = f"setparams=color_primaries={primaries}:color_trc=bt709:colorspace=bt709:range=tv"
    path = tmp_path / "clip.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=64x64:r=25:d=0.4", "-vf", tagged, "-c:v", "libx264", path)
    [row] = cut(path, [(0.1, 0.3)]).kept
    assert (row["wide_gamut"], row["hdr"]) == (told, "")
    facts = facts_of([row])
    assert facts["wide_gamut"] == bool(told)
    assert any("primaries" in warning for warning in facts["warnings"]) == bool(told)


def with_late_video(path: Path, film: Path) -> Path:
    ffmpeg(
        *("-f", "lavfi", "-i", "sine=d=3", "-itsoffset", "0.5", "-i", film, "-map", "0:a", "-map", "1:v"),
        *("-c:v", "copy", "-c:a", "aac" if path.suffix != ".avi" else "mp3", path),
    )
    return path


@pytest.mark.parametrize("name", ["late.mkv", "late.mp4", "late.ts"])
def test_a_video_that_starts_late_is_recorded_and_its_times_can_count_from_the_container(
    name: str, tmp_path: Path
) -> None:
    path = with_late_video(tmp_path / name, encode(tmp_path / "film.mp4", SHORT, num_frames=50))
    [row] = cut(path, [(0.4, 1.6)]).kept
    assert indices(row) == (10, 40)
    assert row["video_offset_s"] == pytest.approx(0.5, abs=0.06)  # the sound's own lead is not always the same
    assert facts_of([row])["video_starts_late"] == 1
    late_s = row["video_offset_s"]
    pairs = cut(path, [(0.4 + late_s, 1.6 + late_s), (0.0, 1.0), (2.4 + late_s, 4)], time_zero="container")
    assert [indices(row) for row in pairs.kept] == [(10, 40), (0, round(25 * (1.0 - late_s) - 0.5))]
    assert [row["reason"] for row in pairs.rejected] == ["starts_behind_video"]


@pytest.mark.parametrize("name", [*CLIPS, *DERIVED])
def test_a_file_of_one_stream_does_not_start_late(name: str, tmp_path: Path) -> None:
    [row] = cut(make_clip(name, tmp_path).path, [(0.2, 0.9)]).kept
    assert not row["video_starts_late"]
    assert not facts_of([row])["warnings"]


@pytest.mark.parametrize("name", ["fields.mp4", "fields.mkv", "fields.ts", "fields.h264"])
def test_packets_of_single_fields_are_no_frames(name: str, tmp_path: Path) -> None:
    path = write_field_film(tmp_path / "fields.h264", range(30))
    if path.name != name:
        path = remux(path, tmp_path / name, after=["-bsf:v", "setts=ts=N*0.02/TB"])
    # each moment alone, so that each has a plan of its own
    for time, number in ((0.0, 0), (0.18, 4), (0.22, 5), (0.9, 22), (99, 29)):
        [shown] = read_moments(path, [Moment(time_s=time)], read_number).outcomes
        assert isinstance(shown, Shown)
        assert (shown.kept, shown.index) == (number, number)
    assert [indices(row) for row in cut(path, [(7, 21)], frames=True).kept] == [(7, 21)]


def test_fields_within_the_macroblocks_of_a_frame_are_planned_as_frames_are(tmp_path: Path) -> None:
    path = encode(tmp_path / "fields.mp4", [*X264, "interlaced=1:keyint=10:bframes=2:b-adapt=0"], num_frames=30)
    reading = read_moments(path, [Moment(time_s=time) for time in (0.2, 0.9)], read_number)
    assert ([outcome.index for outcome in reading.outcomes if isinstance(outcome, Shown)], reading.method) == (
        [5, 22],
        "plan",
    )


@pytest.mark.parametrize("name", ["copied.mp4", "copied.mkv", "copied.mxf"])
def test_decoding_times_that_stand_for_presentation_times_are_seen_and_frames_counted_in_their_order(
    name: str, tmp_path: Path
) -> None:
    """An AVI has no other times. In a copy into another container they look like presentation times."""
    film = encode(tmp_path / "film.avi", [*X264, "bframes=3:b-adapt=0:keyint=20"], num_frames=50)
    path = remux(film, tmp_path / name, before=["-fflags", "+genpts"])
    assert numbers_at(path, [number / 25 for number in range(50)]) == list(range(50))
    [row] = cut(path, [(0.4, 1.6)]).kept
    assert (indices(row), row["read_by"]) == ((10, 40), "count")


def test_ascending_times_are_trusted_where_no_picture_is_reordered(tmp_path: Path) -> None:
    path = encode(tmp_path / "film.mp4", [*X264, "bframes=3:b-bias=-100:keyint=20"], num_frames=50)
    with opened(path) as (container, stream):
        packets = read_packets(container, stream, is_truncated=False)
        assert stream.codec_context.reorder_depth > 0
        assert packets.pts == sorted(packets.pts, key=lambda pts: pts or 0)
    assert cut(path, [(0.4, 1.6)]).kept[0]["read_by"] == "plan"


@pytest.mark.parametrize("name", ["cropped.mp4", "cropped.mov", "cropped.mkv"])
def test_a_crop_in_the_container_is_recorded_counted_and_applied_where_wanted(name: str, tmp_path: Path) -> None:
    """The ffmpeg program copies an MP4's clean aperture into Matroska's PixelCrop, and applies both."""
    path = encode(tmp_path / "cropped.mp4", SHORT, num_frames=30)
    set_aperture(path, 144, 72, Fraction(-4), Fraction(9, 2))
    if name != path.name:
        path = remux(path, tmp_path / name)
    [row] = cut(path, [(0.2, 0.9)]).kept
    assert (row["container_crop"], row["crop_applied"]) == ("left 4, top 16, right 12, bottom 8", False)
    facts = facts_of([row])
    assert facts["crop_not_applied"] == 1
    assert any(warning.startswith("1 pairs are of files whose container says") for warning in facts["warnings"])
    [row] = cut(path, [(0.2, 0.9)], crop="container").kept
    assert (row["crop_applied"], facts_of([row])["crop_not_applied"]) == (True, 0)
    pictures = []
    for how in (How(), How(crops=True)):
        [shown] = read_moments(path, [Moment(time_s=0.4)], lambda image: image, how=how).outcomes
        assert isinstance(shown, Shown)
        pictures.append(shown.kept.astype(int))
    assert pictures[1].shape == (72, 144, 3)
    assert np.abs(pictures[0][16:-8, 4:-12] - pictures[1]).mean() < 0.5


@pytest.mark.parametrize("name", ["sizes.mkv", "sizes.ts", "sizes.h264"])
def test_a_stream_whose_pictures_change_their_size_gives_pictures_of_one_size(name: str, tmp_path: Path) -> None:
    small = encode(tmp_path / "small.h264", SHORT, num_frames=25)
    frames = b"".join(draw_frame(number).tobytes() for number in range(25, 50))
    size = [
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-s",
        f"{WIDTH}x{HEIGHT}",
        "-r",
        "25",
        "-i",
        "-",
        "-vf",
        "scale=2*iw:-1",
    ]
    large = tmp_path / "large.h264"
    subprocess.run([ffmpeg_program(), "-v", "error", *size, *SHORT, str(large)], input=frames, check=True)
    path = tmp_path / name
    raw = path if path.suffix == ".h264" else tmp_path / "raw.h264"
    raw.write_bytes(small.read_bytes() + large.read_bytes())
    if raw != path:
        remux(raw, path, after=["-bsf:v", "setts=ts=N*0.04/TB"])
    assert numbers_at(path, [0.2, 0.96, 1.0, 1.9, 99]) == [5, 24, 25, 47, 49]
    [row] = cut(path, [(0.9, 1.9)]).kept
    sizes = [Image.open(tmp_path / "cut" / row[column]).size for column in ("source_image", "edited_image")]
    assert (indices(row), sizes) == ((22, 47), [(64, 64)] * 2)


@pytest.mark.parametrize("name", ["clip.gif", "clip.mpg", "clip.3gp", "clip.flv", "clip.webm", "clip.mxf", "clip.mov"])
def test_containers_that_people_have_are_read_exactly(name: str, tmp_path: Path) -> None:
    how = {
        "clip.gif": [],
        "clip.mpg": ["-c:v", "mpeg2video", "-bf", "2", "-q:v", "2"],
        "clip.3gp": ["-c:v", "h263", "-s", "176x144", "-q:v", "2"],
        "clip.flv": ["-c:v", "flv", "-q:v", "2"],
        "clip.webm": ["-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", "-deadline", "realtime", "-b:v", "1M"],
        "clip.mxf": ["-c:v", "mpeg2video", "-bf", "2", "-q:v", "2"],
        "clip.mov": ["-c:v", "prores_ks", "-pix_fmt", "yuva444p10le"],
    }[name]
    path = encode(tmp_path / name, how, num_frames=50)
    assert numbers_at(path, [0.0, 0.2, 0.9, 1.0, 1.47, 1.9, 99]) == [0, 5, 22, 25, 36, 47, 49]


def test_a_film_in_8k_is_cut_exactly_within_a_gibibyte(tmp_path: Path) -> None:
    """The bound of a worker is 6 GiB; HEVC of this size needs as little, and is slow to make."""
    film = encode(
        tmp_path / "8k.mp4", ["-vf", "scale=7680:4320:flags=neighbor", *X264, "keyint=2:bframes=0"], num_frames=2
    )
    [(_, pairs)] = map_items(partial(with_memory, cut_both_frames, 1 << 30), [film], workers=1)
    assert isinstance(pairs, VideoPairs), pairs
    [row] = pairs.kept
    assert indices(row) == (0, 1)
    pictures = [np.asarray(Image.open(tmp_path / "cut" / row[name])) for name in ("source_image", "edited_image")]
    assert [read_number(picture) for picture in pictures] == [0, 1]


def cut_both_frames(film: Path) -> VideoPairs:
    return cut(film, [(0, 0.04)])
