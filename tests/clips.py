"""Machine-readable clips: every frame carries its number in blocks of black and white, in any container and codec.

Drawn and encoded when a test asks, through the ffmpeg program; nothing is stored.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tasks.video import ffmpeg_program

WIDTH, HEIGHT, BLOCK, NUM_BITS = 160, 96, 20, 12
RATE = 25


def draw_frame(number: int) -> np.ndarray:
    """Draw frame `number`: 12 blocks, most significant bit first, over a pattern that moves; uint8 [H, W, 3]."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    wave = 110 + 60 * np.sin((columns + 2 * number) / 9.0) * np.cos((rows - number) / 7.0)
    image = np.stack([wave, wave[:, ::-1], 220 - wave], axis=2).astype(np.uint8)
    for bit in range(NUM_BITS):
        top, left = divmod(bit, 6)
        level = 235 if number >> (NUM_BITS - 1 - bit) & 1 else 20
        image[8 + top * BLOCK : 8 + (top + 1) * BLOCK, 8 + left * BLOCK : 8 + (left + 1) * BLOCK] = level
    return image


def read_number(image: np.ndarray) -> int:
    """Read the number of a frame back."""
    number = 0
    for bit in range(NUM_BITS):
        top, left = divmod(bit, 6)
        row, column = 8 + top * BLOCK + BLOCK // 2, 8 + left * BLOCK + BLOCK // 2
        level = image[row - 4 : row + 4, column - 4 : column + 4].mean()
        number = number * 2 + (level > 128)
    return number


def encode(path: Path, arguments: Sequence[str], *, num_frames: int = 100, rate: int = RATE) -> Path:
    """Encode frames 0..num_frames-1 to `path` with ffmpeg's output `arguments`."""
    command = [ffmpeg_program(), "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", f"{WIDTH}x{HEIGHT}", "-r", str(rate), "-i", "-", "-threads", "1", *arguments, str(path)]
    frames = b"".join(draw_frame(number).tobytes() for number in range(num_frames))
    subprocess.run(command, input=frames, check=True)
    return path


def remux(source: Path, path: Path, before: Sequence[str] = (), after: Sequence[str] = ()) -> Path:
    """Copy a clip's packets into another container."""
    command = [ffmpeg_program(), "-v", "error", "-y", *before, "-i", str(source), "-c", "copy", *after, str(path)]
    subprocess.run(command, check=True)
    return path


def shown_numbers(path: Path) -> list[int]:
    """Return the numbers of all frames that the ffmpeg program shows: the independent reference."""
    command = [ffmpeg_program(), "-v", "error", "-i", str(path), "-map", "0:v:0", "-vsync", "passthrough"]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    frames = np.frombuffer(raw, np.uint8).reshape(-1, HEIGHT, WIDTH, 3)
    return [read_number(frame) for frame in frames]


def set_matrix(path: Path, a: int, b: int, c: int, d: int) -> None:
    """Write a display matrix into an MP4's track header: pixels go from (x, y) to (a x + c y, b x + d y)."""
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40
    values = (a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    content[matrix : matrix + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in values)
    path.write_bytes(bytes(content))
