"""Colours of frames follow their matrix and range, and no step on the way to a stored picture makes it darker."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from modeling.data.images import decode_image, encode_jpeg
from tasks.video.exact_frames import Moment, Shown, read_moments
from tasks.video.ffmpeg import ffmpeg_program

Planes = list[NDArray[np.integer]]
BT601, BT709, BT2020 = (0.299, 0.114), (0.2126, 0.0722), (0.2627, 0.0593)
"""Weight of red and of blue in the luma (ITU-R BT.601, BT.709, BT.2020)."""


def encode_planes(path: Path, planes: Planes, layout: str, tags: list[str], codec: list[str]) -> None:
    """Encode one frame of Y, U and V planes without loss."""
    height, width = planes[0].shape
    kind = np.uint16 if "10" in layout else np.uint8
    command = [ffmpeg_program(), "-v", "error", "-f", "rawvideo", "-pix_fmt", layout, "-s", f"{width}x{height}"]
    command += [*tags, "-i", "-", *codec, *tags, str(path)]
    subprocess.run(command, input=b"".join(plane.astype(kind).tobytes() for plane in planes), check=True)


def to_rgb_exactly(planes: list[NDArray[np.floating]], weights: tuple[float, float], *, is_full: bool, bits: int = 8):
    """Convert Y, U and V of one size to R, G, B in 0..255 in full precision, clipped: the reference."""
    kr, kb = weights
    y, u, v = (plane / 2 ** (bits - 8) for plane in planes)
    luma, chroma = (y / (256 - 2 ** (8 - bits)) if is_full else (y - 16) / 219), (255 if is_full else 224)
    r, b = luma + 2 * (1 - kr) * (v - 128) / chroma, luma + 2 * (1 - kb) * (u - 128) / chroma
    return np.stack([r, (luma - kr * r - kb * b) / (1 - kr - kb), b], axis=2).clip(0, 1) * 255


def first_picture(path: Path, size_px: int | None = None) -> NDArray[np.uint8]:
    [shown] = read_moments(path, [Moment(time_s=0.0)], lambda image: image, size_px=size_px).outcomes
    assert isinstance(shown, Shown)
    return shown.kept


@pytest.mark.parametrize("layout", ["yuv444p", "yuv420p"])
@pytest.mark.parametrize("levels", ["tv", "pc"])
@pytest.mark.parametrize(("matrix", "weights"), [("bt709", BT709), ("smpte170m", BT601), ("bt2020nc", BT2020)])
def test_colour_follows_the_matrix_and_range(layout, levels, matrix, weights, tmp_path):
    """Pixels are compared inside even blocks of colour, where no chroma filter acts."""
    rng = np.random.default_rng(0)
    luma, coarse = rng.integers(60, 190, (128, 128)), rng.integers(100, 156, (2, 8, 8))
    blue, red = np.kron(coarse, np.ones((1, 16, 16), int))
    step = 1 if layout == "yuv444p" else 2
    tags = ["-colorspace", matrix, "-color_range", levels]
    planes = [luma, blue[::step, ::step], red[::step, ::step]]
    encode_planes(tmp_path / "colour.mkv", planes, layout, tags, ["-c:v", "ffv1"])
    expected = to_rgb_exactly([luma, blue, red], weights, is_full=levels == "pc")
    error = first_picture(tmp_path / "colour.mkv") - expected
    inside = error.reshape(8, 16, 8, 16, 3)[:, 4:12, :, 4:12]
    assert np.abs(inside.mean(axis=(0, 1, 2, 3))).max() < 0.25
    assert np.abs(inside).max() < 1.5


LOSSLESS_H264 = ["-c:v", "libx264", "-qp", "0"]
TAGGED = {
    "bt601": (["-colorspace", "smpte170m", "-color_range", "tv"], BT601, "yuv420p", LOSSLESS_H264),
    "bt709": (["-colorspace", "bt709", "-color_range", "tv"], BT709, "yuv420p", LOSSLESS_H264),
    "untagged": ([], BT601, "yuv420p", LOSSLESS_H264),
    "full_range": (["-colorspace", "bt709", "-color_range", "pc"], BT709, "yuvj420p", LOSSLESS_H264),
    "full_range_untagged_matrix": (["-color_range", "pc"], BT601, "yuvj420p", LOSSLESS_H264),
    "ten_bit": (["-colorspace", "bt2020nc", "-color_range", "tv"], BT2020, "yuv420p10le", ["-c:v", "ffv1"]),
}


@pytest.mark.parametrize("size_px", [96, 256])
@pytest.mark.parametrize("name", TAGGED)
def test_stored_pictures_are_as_bright_as_the_frames(name, size_px, tmp_path):
    """The reference is planes that are resized by LANCZOS and converted in full precision."""
    tags, weights, layout, codec = TAGGED[name]
    bits = 10 if "10" in layout else 8
    planes = textured_planes(360, 640, bits)
    encode_planes(tmp_path / "clip.mkv", planes, layout, tags, codec)
    picture = first_picture(tmp_path / "clip.mkv", size_px)
    small = [np.asarray(Image.fromarray(plane.astype(np.float32)).resize((size_px, size_px), 1)) for plane in planes]
    expected = to_rgb_exactly(small, weights, is_full=name.startswith("full"), bits=bits)
    for stored, most in ((picture, 1), (decode_image(encode_jpeg(picture)), 3)):
        error = stored - expected
        assert np.abs(error.mean(axis=(0, 1))).max() < 0.25
        assert np.sqrt((error**2).mean()) < most


def textured_planes(height: int, width: int, bits: int) -> Planes:
    """Draw 4:2:0 planes with all levels: waves of every length, and noise."""
    rng = np.random.default_rng(1)
    rows, columns = np.mgrid[0:height, 0:width] / height
    wave = sum(np.sin(2 * np.pi * 2**k * (rows * np.cos(k) + columns * np.sin(k))) / 2**k for k in range(6))
    planes = [125 + 45 * wave + rng.normal(0, 10, (height, width))]
    planes += [128 + 25 * np.roll(wave, 40 * k, axis=1)[::2, ::2] for k in (1, 2)]
    return [(plane.clip(16, 235) * 2 ** (bits - 8)).round().astype(int) for plane in planes]
