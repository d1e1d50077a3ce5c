"""Machine-readable clips: every frame carries its number in blocks of black and white, in any container and codec.

The ffmpeg program encodes them when they are asked for; nothing is stored. Tests and benchmarks share them.
"""

import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from tasks.video.ffmpeg import ffmpeg_program

WIDTH, HEIGHT, BLOCK, NUM_BITS = 160, 96, 20, 12
RATE = 25

X264 = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-x264-params"]
X265 = ["-c:v", "libx265", "-pix_fmt", "yuv420p", "-x265-params"]
QUIET = "log-level=none:pools=1:frame-threads=1"
VP8 = ["-c:v", "libvpx", "-b:v", "1M", "-g", "40", "-auto-alt-ref", "1", "-lag-in-frames", "16", "-cpu-used", "5"]
VFR = ["-vf", "setpts=(N+2*floor(N/7))/25/TB", "-fps_mode", "vfr"]

CLIPS = {
    "default_gop.mp4": [*X264, "bframes=3:b-adapt=0"],
    "default_gop.mkv": [*X264, "bframes=3:b-adapt=0"],
    "short_gop.mp4": [*X264, "keyint=15:bframes=2:b-adapt=0"],
    "open_gop.mp4": [*X264, "open-gop=1:keyint=20:bframes=3:b-adapt=0"],
    "open_gop.ts": [*X264, "open-gop=1:keyint=20:bframes=3:b-adapt=0"],
    "pyramid.mp4": [*X264, "keyint=30:bframes=5:b-adapt=0:b-pyramid=normal"],
    "hevc.mp4": [*X265, f"{QUIET}:open-gop=0:keyint=20:bframes=3:b-adapt=0"],
    "hevc_open_gop.mp4": [*X265, f"{QUIET}:open-gop=1:keyint=20:bframes=3:b-adapt=0"],
    "hevc_open_gop.ts": [*X265, f"{QUIET}:open-gop=1:keyint=20:bframes=3:b-adapt=0"],
    "hevc_ten_bit.mp4": ["-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params", f"{QUIET}:keyint=20:bframes=3"],
    "transport.ts": [*X264, "keyint=25:bframes=2:b-adapt=0"],
    "fragmented.mp4": [*X264, "keyint=25:bframes=2:b-adapt=0", "-movflags", "frag_keyframe+empty_moov"],
    "vfr.mp4": [*X264, "keyint=30:bframes=2:b-adapt=0", *VFR],
    "vfr.mkv": [*X264, "keyint=30:bframes=2:b-adapt=0", *VFR],
    "offset.mp4": [*X264, "keyint=30:bframes=2:b-adapt=0", "-output_ts_offset", "10"],
    "offset.mkv": [*X264, "keyint=30:bframes=2:b-adapt=0", "-output_ts_offset", "10"],
    "ten_bit.mp4": ["-c:v", "libx264", "-pix_fmt", "yuv420p10le", "-x264-params", "keyint=30:bframes=2:b-adapt=0"],
    "mpeg4.mp4": ["-c:v", "mpeg4", "-q:v", "3", "-bf", "2", "-g", "20"],
    "vp8.webm": VP8,
    "mpeg4.avi": ["-c:v", "mpeg4", "-q:v", "3", "-g", "20"],
    "xvid_b.avi": ["-c:v", "mpeg4", "-q:v", "3", "-vtag", "XVID", "-bf", "2", "-g", "20"],
    "h264.avi": [*X264, "bframes=3:b-adapt=0"],
    "raw.h264": [*X264, "keyint=30:bframes=2:b-adapt=0"],
}
"""The output arguments of the ffmpeg program, for each clip that one call makes."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A clip and the truth about it."""

    path: Path
    """The file of the clip."""
    numbers: list[int]
    """The number burnt into each shown frame, in the order of the frames."""
    times_s: list[Fraction]
    """The time at which each frame is shown, in seconds from the first."""
    quarter_turns: int = 0
    """Number of clockwise turns by 90 degrees with which players show its pictures."""

    def on_screen(self, time_s: float) -> int:
        """Return the index of the frame on screen at `time_s` (a decimal number); after the end it is the last
        frame.
        """
        return max(index for index, time in enumerate(self.times_s) if time <= Fraction(repr(time_s)))

    def read_number(self, image: np.ndarray) -> int:
        """Read the number of an upright frame of this clip."""
        return read_number(np.rot90(image, self.quarter_turns))


def make_clip(name: str, folder: Path, num_frames: int = 64) -> Clip:
    """Make one of CLIPS or DERIVED in `folder`."""
    if name in DERIVED:
        return DERIVED[name](folder / name, num_frames)
    path = folder / name
    if "-auto-alt-ref" in CLIPS[name]:  # the encoder makes hidden frames only in a second pass
        with tempfile.TemporaryDirectory() as scratch:
            for number in ("1", "2"):
                passes = ["-pass", number, "-passlogfile", f"{scratch}/statistics"]
                encode(path, [*CLIPS[name], *passes], num_frames=num_frames)
    else:
        encode(path, CLIPS[name], num_frames=num_frames)
    return Clip(path=path, numbers=list(range(num_frames)), times_s=frame_times(name, num_frames))


def frame_times(name: str, num_frames: int) -> list[Fraction]:
    """Return when the frames of one of CLIPS are shown, in seconds from the first. They follow from how it is made."""
    ticks = [number + 2 * (number // 7) if name.startswith("vfr") else number for number in range(num_frames)]
    if name.endswith((".mkv", ".webm")):  # Matroska rounds to milliseconds
        return [Fraction(round(Fraction(tick * 1000, RATE)), 1000) for tick in ticks]
    return [Fraction(tick, RATE) for tick in ticks]


def _edit_list(path: Path, num_frames: int) -> Clip:
    """Cut inside a group of pictures without encoding again: the first frames of the group are decoded and not
    shown.
    """
    whole = encode(path.with_name(f"whole_{path.name}"), CLIPS["default_gop.mp4"], num_frames=num_frames)
    first = 23  # the frame at 0.92 s
    remux(whole, path, before=["-ss", "0.9"])
    numbers = list(range(first, num_frames))
    return Clip(path=path, numbers=numbers, times_s=[Fraction(number - first, RATE) for number in numbers])


def _rotated(path: Path, num_frames: int) -> Clip:
    """Mark a clip as filmed with the camera on its side."""
    encode(path, CLIPS["short_gop.mp4"], num_frames=num_frames)
    set_matrix(path, 0, 1, -1, 0)
    times_s = frame_times(path.name, num_frames)
    return Clip(path=path, numbers=list(range(num_frames)), times_s=times_s, quarter_turns=1)


DERIVED: dict[str, Callable[[Path, int], Clip]] = {"edit_list.mp4": _edit_list, "rotated.mp4": _rotated}
"""Clips that are made from another clip."""


def draw_frame(number: int) -> np.ndarray:
    """Draw frame `number`: 12 blocks, most significant bit first, over a pattern that moves; uint8 [H, W, 3]."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    wave = 110 + 60 * np.sin((columns + 2 * number) / 9.0) * np.cos((rows - number) / 7.0)
    image = np.stack([wave, wave[:, ::-1], 220 - wave], axis=2).astype(np.uint8)
    for bit, (left, top) in enumerate(block_corners()):
        level = 235 if number >> (NUM_BITS - 1 - bit) & 1 else 20
        image[top : top + BLOCK, left : left + BLOCK] = level
    return image


def block_corners() -> list[tuple[int, int]]:
    """Return (left, top) of each block, the most significant bit's first."""
    return [(8 + bit % 6 * BLOCK, 8 + bit // 6 * BLOCK) for bit in range(NUM_BITS)]


def read_number(image: np.ndarray) -> int:
    """Read the number of a frame back, at any size."""
    down, right = image.shape[0] / HEIGHT, image.shape[1] / WIDTH
    number = 0
    for left, top in block_corners():
        rows = slice(int((top + BLOCK * 0.3) * down), int((top + BLOCK * 0.7) * down))
        columns = slice(int((left + BLOCK * 0.3) * right), int((left + BLOCK * 0.7) * right))
        number = number * 2 + int(image[rows, columns].mean() > 128)
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
    """Return the numbers of all frames that the ffmpeg program shows. This is the independent reference."""
    command = [ffmpeg_program(), "-v", "error", "-i", str(path), "-map", "0:v:0", "-fps_mode", "passthrough"]
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


def set_aperture(path: Path, wide: int, high: int, right: Fraction, down: Fraction) -> None:
    """Write a clean aperture into an MP4 whose index comes last: its size, and the distance of its centre from the
    middle.
    """
    content = path.read_bytes()
    entry = content.index(b"avc1", content.index(b"stsd")) - 4
    end = entry + int.from_bytes(content[entry : entry + 4], "big")
    numbers = (wide, 1, high, 1, right.numerator, right.denominator, down.numerator, down.denominator)
    box = (40).to_bytes(4, "big") + b"clap" + b"".join(number.to_bytes(4, "big", signed=True) for number in numbers)
    grown = bytearray(content)
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"):
        size = content.rindex(kind, 0, entry + 8) - 4
        grown[size : size + 4] = (int.from_bytes(content[size : size + 4], "big") + len(box)).to_bytes(4, "big")
    path.write_bytes(bytes(grown[:end]) + box + bytes(grown[end:]))
