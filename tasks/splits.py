"""frames -> which pair is trained on and which is tested on: records of (segment_id, split).

The test set is drawn by a keyed hash of the segment's id, so it depends neither on the order of the rows nor on how
many there are before it. The paper chose its long-distance pairs (test100 of HC) by hand, among actions that bring
something somewhere else; here they are the pairs with an end point whose view moved the most.
"""

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np

from modeling.data.images import Picture, read_image, squash
from tasks.artifacts import Artifact, Outside, Record, Work
from tasks.config import SplitsConfig
from tasks.pair_list import keep_recorded_splits
from tasks.stage import stage

CORRELATION_PX = 128
"""Side of the grey pictures whose shift is estimated."""
MIN_CAMERA_SHIFT = 0.05
"""The view counts as moved from this shift on, as a share of the picture's side."""
_PROGRESS_EVERY = 50


def hash_rank(seed: int, segment_id: str) -> int:
    """Return the place of a segment in the draw: a 64-bit hash keyed by `seed`; the smallest are drawn first."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{segment_id}".encode()).digest()[:8], "big")


def camera_shift(before: Picture, after: Picture) -> float:
    """Return how far the view moved between two pictures, as a share of the picture's side in [0, 0.71].

    The peak of the phase correlation (Kuglin and Hines 1975) of the squashed, grey, Hann-windowed pictures: a thing
    that moves in front of a still background leaves the peak at 0. Shifts beyond half the picture wrap around.
    """
    spectra = [np.fft.rfft2(_windowed(picture)) for picture in (before, after)]
    cross = spectra[0] * spectra[1].conj()
    correlation = np.fft.irfft2(cross / np.maximum(np.abs(cross), 1e-9), s=(CORRELATION_PX, CORRELATION_PX))
    peak = np.array(np.unravel_index(np.argmax(correlation), correlation.shape))
    shift_px = np.minimum(peak, CORRELATION_PX - peak)
    return float(np.hypot(*shift_px) / CORRELATION_PX)


def _windowed(picture: Picture) -> np.ndarray:
    grey = squash(picture, CORRELATION_PX).mean(axis=2)
    hann = np.hanning(CORRELATION_PX)
    return (grey - grey.mean()) * hann[:, None] * hann


def assign_splits(rows: list[Record], shifts: dict[str, float], config: SplitsConfig) -> dict[str, str]:
    """Return the split of every row: segment_id -> train, validation, test<N> or long<N>, N being its size.

    `shifts`: camera shift of each candidate for the long-distance set. ValueError when there are too few pairs.
    """
    num_test, num_long = (share_of(len(rows), each, config) for each in (config.num_test, config.num_long_distance))
    drawn = sorted((row["segment_id"] for row in rows), key=lambda each: (hash_rank(config.seed, each), each))
    testable = {row["segment_id"] for row in rows if not (config.test_without_overlap and row["overlaps"])}
    test = [each for each in drawn if each in testable][:num_test]
    candidates = [each for each in drawn if each in testable and each not in set(test) and each in shifts]
    moved = [each for each in candidates if shifts[each] >= MIN_CAMERA_SHIFT]
    long = sorted(moved, key=lambda each: -shifts[each])[:num_long]
    held_out = {*test, *long}
    validation = [each for each in drawn if each not in held_out][: config.num_validation]
    splits = dict.fromkeys(drawn, "train")
    splits |= dict.fromkeys(test, f"test{num_test}") | dict.fromkeys(long, f"long{num_long}")
    splits |= dict.fromkeys(validation, "validation")
    asked = {f"test{num_test}": num_test, f"long{num_long}": num_long, "validation": config.num_validation, "train": 1}
    _check_sizes(splits, asked, len(testable), len(moved))
    return splits


def share_of(num_pairs: int, num_asked: int, config: SplitsConfig) -> int:
    """Return the size of a test set of which `num_asked` pairs are asked: no more than its share, no less than 1."""
    if config.max_test_share >= 1:
        return num_asked
    return min(num_asked, max(1, int(num_pairs * config.max_test_share)))


def _check_sizes(splits: dict[str, str], asked: dict[str, int], num_testable: int, num_moved: int) -> None:
    sizes = Counter(splits.values())
    for name, size in asked.items():
        if sizes[name] < size:
            raise ValueError(
                f"splits: {name} cannot be filled: {size} pairs are asked for and {sizes[name]} are left. There are "
                f"{len(splits)} pairs, {num_testable} of them allowed in test sets and {num_moved} of those left over "
                "by the random test set with an end point and a moved view. Give more videos, or lower num_test, "
                "num_long_distance, num_validation or max_test_share of SplitsConfig."
            )


def measure_shifts(work: Work, frames_path: Path, rows: list[Record]) -> dict[str, float]:
    """Return the camera shift of every row that names an end point, rounded to 4 digits."""
    candidates = [row for row in rows if row["end_point"]]
    shifts = {}
    for done, row in enumerate(candidates):
        if done % _PROGRESS_EVERY == 0:
            work.progress(done, len(candidates))
        before, after = (read_image(frames_path / row[name]) for name in ("source_image", "edited_image"))
        shifts[row["segment_id"]] = round(camera_shift(before, after), 4)
    return shifts


@stage
def splits(work: Work, config: SplitsConfig, *, frames: Artifact, recorded: Outside | None = None) -> None:
    """Divide the frame pairs into training and test sets, or keep those that a list of pairs has `recorded`."""
    if recorded is not None:
        return keep_recorded_splits(work, frames, recorded.path)
    rows = list(frames.records())
    shifts = measure_shifts(work, frames.path, rows) if config.num_long_distance else {}
    assigned = assign_splits(rows, shifts, config)
    work.funnel = {"rows": len(rows)}
    work.facts["split_sizes"] = dict(sorted(Counter(assigned.values()).items()))
    if config.num_long_distance:
        work.facts["long_distance"] = {
            "chosen": "automatically",
            "rule": f"an end point, and the largest camera shifts of at least {MIN_CAMERA_SHIFT} of the side",
            "candidates_with_end_point": len(shifts),
        }
    work.write_rows(
        {
            "segment_id": row["segment_id"],
            "split": assigned[row["segment_id"]],
            "camera_shift": shifts.get(row["segment_id"]),
        }
        for row in rows
    )
    work.progress(len(rows), len(rows))
