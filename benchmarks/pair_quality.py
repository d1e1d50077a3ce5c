"""The cost of the quality columns per pair, compared with its two JPEG files, and of the leakage report at HC's size.

Run: `python -m benchmarks.pair_quality`. CPU seconds of this process; the least of several rounds, interleaved.
"""

import random
import time
from collections.abc import Callable

import numpy as np
from PIL import Image

from benchmarks.recording import record
from modeling.data.images import Picture, encode_jpeg
from tasks.artifacts.artifact import Record
from tasks.config import SplitsConfig
from tasks.cutting.quality import look_at, quality_of
from tasks.splitting.assignment import assign_splits
from tasks.splitting.leakage import leakage_of

SIDE_PX = 512
NUM_ROUNDS = 7
NUM_PAIRS, NUM_VIDEOS, NUM_PARTICIPANTS = 37_454, 201, 18
"""Number of pairs of HC."""


def picture(seed: int) -> Picture:
    """Draw a picture with detail at several scales."""
    rng = np.random.default_rng(seed)
    total = np.zeros((SIDE_PX, SIDE_PX, 3))
    for cells in (8, 32, 128, 512):
        coarse = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        total += np.asarray(coarse.resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC)) / cells
    return (255 * (total - total.min()) / (total.max() - total.min())).astype(np.uint8)


def cpu_ms(what: Callable[[], object], times: int) -> float:
    """Return the CPU milliseconds of one call."""
    began = time.process_time()
    for _ in range(times):
        what()
    return 1e3 * (time.process_time() - began) / times


def drawn_rows() -> list[Record]:
    """Return as many pairs as HC has, with random hashes."""
    rng = random.Random(0)
    return [
        {
            "segment_id": f"s{number}",
            "video_id": f"v{number % NUM_VIDEOS}",
            "group": f"p{number % NUM_VIDEOS % NUM_PARTICIPANTS}",
            "start_s": number / NUM_VIDEOS,
            "stop_s": number / NUM_VIDEOS + 1.3,
            "source_frame_index": number,
            "edited_frame_index": number + 65,
            "verb": "put",
            "end_point": "table" if rng.random() < 0.1 else "",
            "overlaps": False,
            "camera_shift": rng.random() * 0.7,
            "source_hash": f"{rng.getrandbits(64):016x}",
            "edited_hash": f"{rng.getrandbits(64):016x}",
        }
        for number in range(NUM_PAIRS)
    ]


def main() -> None:
    """Measure and record."""
    one, other = picture(0), picture(1)
    looks = look_at(one), look_at(other)
    rounds = [
        (
            cpu_ms(lambda: look_at(one), 200),
            cpu_ms(lambda: quality_of(*looks), 200),
            cpu_ms(lambda: encode_jpeg(one), 20),
        )
        for _ in range(NUM_ROUNDS)
    ]
    look_ms, pair_ms, jpeg_ms = (min(times) for times in zip(*rounds, strict=True))
    rows, config = drawn_rows(), SplitsConfig(num_test=500, num_long_distance=100)
    seconds = {}
    for method in ("paper", "video-disjoint", "participant-disjoint"):
        chosen = SplitsConfig(method=method, num_test=500, num_long_distance=100)
        seconds[f"assign_{method.replace('-', '_')}_s"] = (
            cpu_ms(lambda splitting=chosen: assign_splits(rows, splitting), 1) / 1e3
        )
    assigned = assign_splits(rows, config).splits
    seconds["leakage_s"] = cpu_ms(lambda: leakage_of(rows, assigned), 1) / 1e3
    measures = {
        "quality_ms_a_pair": 2 * look_ms + pair_ms,
        "jpeg_ms_a_pair": 2 * jpeg_ms,
        "quality_over_jpeg": (2 * look_ms + pair_ms) / (2 * jpeg_ms),
    } | seconds
    record(
        "pair_quality",
        "What do the quality columns cost a pair, and the leakage report a dataset of HC's size?",
        {name: round(value, 4) for name, value in measures.items()},
        side_px=SIDE_PX,
        num_pairs=NUM_PAIRS,
        num_tested=600,
        beside="two JPEG files of quality 95, 4:4:4, by Pillow; CPU time, least of 7 rounds",
    )


if __name__ == "__main__":
    main()
