"""Films of field pictures (PAFF), which no installed encoder makes: frames -> raw H.264 of uncompressed macroblocks.

Each frame is two pictures, its even and its odd rows, in access units of their own. ITU-T H.264, 7.3.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tests.support.clips import HEIGHT, WIDTH, draw_frame

KEY_EVERY = 10
I_PCM = 25
"""Type of a macroblock whose samples follow uncompressed."""


class Bits:
    """Bits that are appended one after the other."""

    def __init__(self) -> None:
        self.text = ""

    def put(self, value: int, width: int) -> "Bits":
        self.text += f"{value:0{width}b}"
        return self

    def golomb(self, *values: int) -> "Bits":
        """Append unsigned Exp-Golomb codes."""
        for value in values:
            self.text += "0" * ((value + 1).bit_length() - 1) + f"{value + 1:b}"
        return self

    def aligned(self, first: str = "") -> bytes:
        """Return whole bytes: first `first`, then zeros up to the next byte."""
        text = self.text + first
        text += "0" * (-len(text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big")


def write_field_film(path: Path, numbers: Iterable[int]) -> Path:
    """Write a raw stream whose frames carry these numbers."""
    sps = Bits().put(0, 8).golomb(0, 0, 2, 1).put(0, 1).golomb(WIDTH // 16 - 1, HEIGHT // 32 - 1)
    sps.put(0, 1).put(0, 1).put(1, 1).put(0, 2)  # fields or frames, not chosen by macroblock; no cropping and no more
    sps.text = Bits().put(77, 8).put(0, 8).put(30, 8).text + sps.text[8:]
    pps = Bits().golomb(0, 0).put(0, 2).golomb(0, 0, 0).put(0, 3).golomb(0, 0, 0).put(0b100, 3)
    content = unit(7, sps.aligned("1")) + unit(8, pps.aligned("1"))
    for place, number in enumerate(numbers):
        grey = draw_frame(number).mean(axis=2).clip(16, 235).astype(np.uint8)
        for bottom in (0, 1):
            content += field(grey[bottom::2], place, bottom)
    path.write_bytes(content)
    return path


def field(rows: np.ndarray, place: int, bottom: int) -> bytes:
    """Return one field picture, uint8 [HEIGHT / 2, WIDTH]; every KEY_EVERY-th frame begins with a keyframe."""
    in_group = place % KEY_EVERY
    is_key = in_group == 0 and not bottom
    is_intra = in_group == 0
    bits = Bits().golomb(0, 7 if is_intra else 5, 0).put(in_group, 4).put(1, 1).put(bottom, 1)
    bits = bits.golomb(place // KEY_EVERY % 2).put(0, 2) if is_key else bits.put(0, 1 if is_intra else 3)
    bits = bits.golomb(0, 1)
    slices = b""
    for top in range(0, HEIGHT // 2, 16):
        for left in range(0, WIDTH, 16):
            block = bits.golomb(I_PCM) if is_intra else bits.golomb(0, I_PCM + 5)
            slices += block.aligned() + rows[top : top + 16, left : left + 16].tobytes() + b"\x80" * 128
            bits = Bits()
    # No run of skipped macroblocks follows the last macroblock of a predicted picture.
    return unit(5 if is_key else 1, slices + b"\x80")


def unit(kind: int, content: bytes) -> bytes:
    """Return a NAL unit with its start code. Bytes are inserted where the content would look like a start code."""
    escaped = bytearray()
    for byte in content:
        if byte < 4 and escaped[-2:] == b"\0\0":
            escaped.append(3)
        escaped.append(byte)
    return b"\0\0\0\1" + bytes([3 << 5 | kind]) + bytes(escaped)
