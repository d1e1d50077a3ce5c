"""Files and arrays of pictures, both ways, and the one resize of the project.

Outside `modeling/` a picture is uint8 RGB [H, W, 3]; inside, float32 [N, 3, H, W] in [-1, 1]. The geometry is the same
everywhere: pictures are squashed to a square with LANCZOS, as InstructPix2Pix's training set is. No part of the scene
is lost (the object of an action is often at the edge), and all metrics compare pictures of the same geometry. Frames of
videos are squashed in the same way while they are decoded (tasks/video/decoding.py).
"""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

if TYPE_CHECKING:  # torch takes seconds to import, and the processes that cut frames need none of it
    from torch import Tensor

Picture = NDArray[np.uint8]
"""uint8 RGB [H, W, 3]; a stack of them is [N, H, W, 3]."""

MAX_PIXELS = 64_000_000
"""A picture with more pixels is refused before it is decoded: a small file can unpack to gigabytes."""
MAX_FILE_BYTES = 1 << 29
"""A larger file is refused too: a sparse file of 40 GB costs its sender nothing."""
SHARD_FORMATS = ("PNG", "JPEG")
"""Formats of pictures in a shard."""
FILE_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
"""Formats of pictures that a user may give."""
_NOTE = "editaction"
_JPEG_MARK = f"{_NOTE}: "
_DECODER_ERRORS = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


def squash(image: Picture, size_px: int) -> Picture:
    """Resize uint8 [H, W, 3] to [size_px, size_px, 3] with PIL's LANCZOS, ignoring the aspect ratio."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"A picture is uint8 [H, W, 3]; this is {image.dtype} {list(image.shape)}.")
    if image.shape[:2] == (size_px, size_px):
        return image.copy()
    return np.asarray(Image.fromarray(image).resize((size_px, size_px), Image.Resampling.LANCZOS)).copy()


def restore_aspect(square: Picture, like: Picture) -> Picture:
    """Stretch a squashed picture back to the aspect ratio of `like`; the shorter side keeps its length."""
    side, (height, width) = len(square), like.shape[:2]
    shape = (round(side * max(1, width / height)), round(side * max(1, height / width)))
    return np.asarray(Image.fromarray(square).resize(shape, Image.Resampling.LANCZOS)).copy()


def to_tensor(images: Picture) -> "Tensor":
    """Map uint8 [N, H, W, 3] to float32 [N, 3, H, W] in [-1, 1]."""
    import torch

    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
        raise ValueError(f"A stack of pictures is uint8 [N, H, W, 3]; this is {images.dtype} {list(images.shape)}.")
    bytes_NCHW = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    return bytes_NCHW.to(torch.float32) / 127.5 - 1.0


def to_uint8(images: "Tensor") -> Picture:
    """Map float [N, 3, H, W] to uint8 [N, H, W, 3]: the inverse of `to_tensor`; beyond [-1, 1] is clipped."""
    levels_NCHW = ((images.detach().float().cpu() + 1.0) * 127.5).round().clamp(0, 255)
    return np.ascontiguousarray(levels_NCHW.permute(0, 2, 3, 1).numpy().astype(np.uint8))


def encode_png(image: Picture, note: str = "") -> bytes:
    """Return `image` as PNG: lossless, the same bytes for the same pixels and `note`, a text kept inside."""
    texts = PngInfo()
    if note:
        texts.add_itxt(_NOTE, note)
    return _encode(image, "PNG", compress_level=6, pnginfo=texts)


def read_note(path: Path) -> str:
    """Return the note that this module wrote into a PNG or JPEG file; "" when there is none."""
    try:
        with Image.open(path, formats=SHARD_FORMATS) as picture:
            if picture.format == "PNG":
                return str(picture.info.get(_NOTE, ""))
            comment = picture.info.get("comment", b"").decode("utf-8", errors="replace")
            return comment.removeprefix(_JPEG_MARK) if comment.startswith(_JPEG_MARK) else ""
    except _DECODER_ERRORS:
        return ""


def encode_jpeg(image: Picture, note: str = "") -> bytes:
    """Return `image` as JPEG of quality 95 without chroma subsampling (4:4:4); `note`: a text kept inside.

    A note that is longer than a JPEG's comment can be (64 KiB) is left out.
    """
    comment = (_JPEG_MARK + note).encode()
    return _encode(
        image, "JPEG", quality=95, subsampling=0, **({"comment": comment} if note and len(comment) < 65_000 else {})
    )


def _encode(image: Picture, name: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, name, **options)
    return buffer.getvalue()


def decode_image(
    content: bytes,
    *,
    name: str = "picture",
    formats: tuple[str, ...] = SHARD_FORMATS,
    max_pixels: int = MAX_PIXELS,
) -> Picture:
    """Decode the bytes of a picture to uint8 RGB [H, W, 3], upright and, where transparent, on white.

    ValueError, which names `name`, when the bytes are no picture of `formats`, are cut off, or have more than
    `max_pixels` pixels.
    """
    try:
        with Image.open(io.BytesIO(content), formats=formats) as picture:
            num_pixels = picture.width * picture.height
            if num_pixels <= max_pixels:
                return np.asarray(_as_rgb(ImageOps.exif_transpose(picture))).copy()
    except _DECODER_ERRORS as error:
        foreign = isinstance(error, UnidentifiedImageError)
        why = "of no format that is read" if foreign else error or type(error).__name__
        raise ValueError(
            f"{name}: not a readable picture ({why}). Use an intact {' or '.join(formats)} file."
        ) from error
    raise ValueError(f"{name}: {num_pixels} pixels are more than the {max_pixels} allowed. Make the picture smaller.")


def _as_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # 16 bits a pixel; convert("RGB") would clip at 255 instead of scaling
        levels = np.asarray(picture).astype(np.int64) // 257
        return Image.fromarray(levels.clip(0, 255).astype(np.uint8)).convert("RGB")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    upon_white = Image.new("RGBA", picture.size, "white")
    upon_white.alpha_composite(picture.convert("RGBA"))
    return upon_white.convert("RGB")


def may_be_picture(path: Path) -> bool:
    """Tell whether there is such a file, no larger than a picture: one of terabytes would be read for hours."""
    try:
        return path.is_file() and path.stat().st_size <= MAX_FILE_BYTES
    except OSError:  # a name that no file can have
        return False


def read_image(path: Path) -> Picture:
    """Read a picture file as uint8 RGB [H, W, 3]; FileNotFoundError or ValueError says what is wrong with it."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such picture.")
    if (size := path.stat().st_size) > MAX_FILE_BYTES:
        raise ValueError(f"{path}: {size} bytes are no picture; one has at most {MAX_FILE_BYTES}. Make it smaller.")
    return decode_image(path.read_bytes(), name=str(path), formats=FILE_FORMATS)
