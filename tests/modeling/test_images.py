"""Pictures: the resize, the conversions, and the files that are refused."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from modeling.data.images import (
    MAX_FILE_BYTES,
    decode_image,
    encode_jpeg,
    encode_png,
    read_image,
    squash,
    to_tensor,
    to_uint8,
)


def random_picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_squash_is_pil_lanczos_to_a_square_whatever_the_aspect():
    picture = random_picture(30, 50)
    expected = np.asarray(Image.fromarray(picture).resize((16, 16), Image.Resampling.LANCZOS))
    assert np.array_equal(expected, squash(picture, 16))


def test_squash_leaves_a_picture_of_the_right_size_alone_and_copies_it():
    picture = random_picture(16, 16)
    squashed = squash(picture, 16)
    assert np.array_equal(picture, squashed)
    squashed[:] = 0
    assert picture.any()


@pytest.mark.parametrize("picture", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3))])
def test_squash_refuses_what_is_no_rgb_picture(picture):
    with pytest.raises(ValueError, match="uint8"):
        squash(picture, 2)


def test_tensors_lie_in_minus_one_to_one_and_every_level_comes_back():
    levels = np.arange(256, dtype=np.uint8)
    pictures = np.stack([levels, levels[::-1], np.roll(levels, 7)], axis=-1).reshape(1, 16, 16, 3)
    tensor = to_tensor(pictures)
    assert (tensor.shape, tensor.dtype) == ((1, 3, 16, 16), torch.float32)
    assert (tensor.min(), tensor.max()) == (-1.0, 1.0)
    assert tensor[0, 0, 0, 5] == pytest.approx(5 / 127.5 - 1)
    assert np.array_equal(pictures, to_uint8(tensor))


def test_to_uint8_clips_and_takes_half_precision():
    tensor = torch.tensor([-3.0, 0.0, 3.0], dtype=torch.bfloat16).reshape(1, 3, 1, 1)
    assert to_uint8(tensor).tolist() == [[[[0, 128, 255]]]]


def test_png_is_lossless_and_jpeg_keeps_full_colour_resolution():
    picture = random_picture(24, 32)
    assert np.array_equal(picture, decode_image(encode_png(picture)))
    stripes = np.zeros((16, 16, 3), np.uint8)
    stripes[:, ::2] = (255, 0, 0)
    # With halved chroma the red stripes of one pixel would run into the black ones.
    assert np.abs(decode_image(encode_jpeg(stripes)).astype(int) - stripes).max() < 30


@pytest.mark.parametrize("encode", [encode_png, encode_jpeg])
def test_equal_pictures_give_equal_bytes(encode):
    assert encode(random_picture(20, 20)) == encode(random_picture(20, 20))


def test_a_cut_off_picture_is_named_in_the_error():
    for content in (encode_png(random_picture(40, 40)), encode_jpeg(random_picture(40, 40))):
        with pytest.raises(ValueError, match="kitchen-1"):
            decode_image(content[: len(content) // 2], name="kitchen-1")


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n", b"\x80\x04cposix\nsystem\n"])
def test_what_is_no_picture_is_refused(content):
    with pytest.raises(ValueError, match="not a readable picture"):
        decode_image(content)


def test_formats_beyond_png_and_jpeg_are_refused_in_shards():
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "GIF")
    with pytest.raises(ValueError, match="not a readable picture"):
        decode_image(buffer.getvalue())


def png_that_claims(width, height):
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [8_001, 60_000])
@pytest.mark.filterwarnings("error")
def test_a_decompression_bomb_is_refused_before_it_is_unpacked(side):
    with pytest.raises(ValueError, match="pixels"):
        decode_image(png_that_claims(side, side), name="bomb")


def test_a_file_is_read_upright_on_white_and_scaled_from_16_bits(tmp_path):
    red_then_blue = np.zeros((1, 2, 3), np.uint8)
    red_then_blue[0, 0, 0] = red_then_blue[0, 1, 2] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # show it turned clockwise by a quarter
    Image.fromarray(red_then_blue).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(red_then_blue.transpose(1, 0, 2), read_image(tmp_path / "turned.png"))

    Image.new("RGBA", (1, 1), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert read_image(tmp_path / "clear.png").tolist() == [[[255, 255, 255]]]

    Image.fromarray(np.array([[0, 128 * 257, 65280, 65535]], dtype=np.uint16)).save(tmp_path / "deep.png")
    assert read_image(tmp_path / "deep.png")[0, :, 0].tolist() == [0, 128, 254, 255]


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "none.png", tmp_path):
        with pytest.raises(FileNotFoundError, match=str(path)):
            read_image(path)


def test_a_sparse_picture_is_refused_by_its_size_before_it_is_read(tmp_path):
    for size in (MAX_FILE_BYTES + 1, 40 << 30):
        with (tmp_path / "sparse.png").open("wb") as file:
            file.write(encode_png(random_picture(8, 8)))
            file.truncate(size)
        with pytest.raises(ValueError, match=rf"sparse\.png: {size} bytes are no picture"):
            read_image(tmp_path / "sparse.png")
