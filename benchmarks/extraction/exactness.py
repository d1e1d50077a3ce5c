"""The frames that each way returns for machine-readable clips and for real clips, and how much the reader decodes.

A frame is exact when it is on screen at the requested time (tests/support/clips.py knows that by construction).
"""

import random
import tempfile
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from benchmarks.extraction.ways import Way
from modeling.data.images import decode_image
from tasks.video.decoding import decode, opened, to_rgb
from tasks.video.exact_frames import Moment, Shown, read_moments
from tests.support.bitstream import read_bitstream
from tests.support.clips import CLIPS, DERIVED, RATE, Clip, make_clip

NUM_PROBES = 10
NUM_FRAMES = 100
THUMB_PX = 64
DAMAGED = "damaged.mp4"


def probe_times(clip: Clip, name: str) -> list[float]:
    """Draw ascending times: half of them at the moment when a frame appears, half at any moment."""
    rng = random.Random(name)
    on_frames = [round(float(rng.choice(clip.times_s)), 3) for _ in range(NUM_PROBES // 2)]
    between = [round(rng.uniform(0, float(clip.times_s[-1])), 2) for _ in range(NUM_PROBES // 2)]
    return sorted(on_frames + between)


def pictures_by(way: Way, path: Path, times: Sequence[float], rate: float) -> list[bytes | None]:
    """Return the pictures of a way; empty when it fails as a whole."""
    with tempfile.TemporaryDirectory() as scratch:
        try:
            return way(path, times, rate, Path(scratch))
        except (RuntimeError, ValueError, IndexError):  # the errors of libraries for files that they cannot read
            return [None] * len(times)


def exact_percent(clip: Clip, times: Sequence[float], pictures: Sequence[bytes | None]) -> float:
    """Return the percentage of times whose picture is the frame on screen at that time."""
    numbers = [clip.read_number(decode_image(picture)) if picture else None for picture in pictures]
    expected = [clip.numbers[clip.on_screen(time)] for time in times]
    return 100 * sum(a == b for a, b in zip(numbers, expected, strict=True)) / len(times)


def all_clips(folder: Path, ways: Mapping[str, Way]) -> dict[str, dict[str, Any]]:
    """Return for each clip the share that each way gets right, and the decoded frames beside the least possible."""
    rows = {}
    for name in [*CLIPS, *DERIVED]:
        clip = make_clip(name, folder, NUM_FRAMES)
        times = probe_times(clip, name)
        exact = {way: exact_percent(clip, times, pictures_by(ways[way], clip.path, times, RATE)) for way in ways}
        rows[name] = {"exact_percent": exact} | decoding(clip, times)
    return rows


def decoding(clip: Clip, times: Sequence[float]) -> dict[str, Any]:
    """Return how a clip is read, the frames decoded, and the least possible number; None where frames are counted."""
    reading = read_moments(clip.path, [Moment(time_s=time) for time in times], lambda image: None, size_px=16)
    row: dict[str, Any] = {"read_by": reading.method, "decoded": reading.num_decoded}
    if reading.method == "count":
        return row
    needed = read_bitstream(clip.path).needed({clip.on_screen(time) for time in times})
    return row | {"minimal": len(needed), "decoded_over_minimal": round(reading.num_decoded / len(needed), 3)}


def damaged_clip(folder: Path) -> dict[str, Any]:
    """Return what is decoded for one early frame of a clip with damage in its middle."""
    clip = make_clip("short_gop.mp4", folder, NUM_FRAMES)
    content = bytearray(clip.path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 1500] = random.Random(0).randbytes(1500)
    path = folder / DAMAGED
    path.write_bytes(bytes(content))
    reading = read_moments(path, [Moment(time_s=1.0), Moment(time_s=1e6)], clip.read_number)
    first = reading.outcomes[0]
    return {
        "read_by": reading.method,
        "decoded": reading.num_decoded,
        "frame_before_the_damage_is_exact": isinstance(first, Shown) and first.kept == int(1.0 * RATE),
    }


def real_clips(folder: Path) -> tuple[int, int]:
    """Return (exact, asked) over real clips. The reference decodes each clip from front to back with libav."""
    exact = asked = 0
    for path in sorted(path for path in folder.iterdir() if path.suffix in (".mp4", ".mkv", ".mov", ".webm", ".3gp")):
        with opened(path) as (container, stream):
            pts_s = [frame.pts * Fraction(stream.time_base) for frame in decode(container, stream)]
        rng = random.Random(path.name)
        length = float(pts_s[-1] - pts_s[0])
        times = [0.0, 1e6, *(round(rng.uniform(0, length), 2) for _ in range(NUM_PROBES))]
        shown = [
            max(k for k, frame_s in enumerate(pts_s) if frame_s - pts_s[0] <= Fraction(repr(time))) for time in times
        ]
        with opened(path) as (container, stream):
            truth = {
                number: to_rgb(frame, THUMB_PX).tobytes()
                for number, frame in enumerate(decode(container, stream))
                if number in shown
            }
        moments = [Moment(time_s=time) for time in times]
        outcomes = read_moments(path, moments, lambda image: image.tobytes(), size_px=THUMB_PX).outcomes
        expected = [(number, truth[number]) for number in shown]
        got = [(outcome.index, outcome.kept) if isinstance(outcome, Shown) else None for outcome in outcomes]
        exact += sum(a == b for a, b in zip(got, expected, strict=True))
        asked += len(times)
    return exact, asked
