"""Pairs with their splits -> how much of each held-out set is also in the training set. Pure.

A test pair can leak in three ways: its video has training pairs, a training segment overlaps it in time (or shares a
frame with it), or a training picture looks like one of its own by the perceptual hashes of quality.py.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.artifact import Record

LEAKAGE = "leakage.json"
"""Split -> what it shares with training; see tasks/splitting/leakage.py."""

NEAR_BITS = 4
"""Pictures whose hashes differ in at most this many of 64 bits are near-duplicates.

On real clips neighbouring frames differ in 0 to 2 bits, frames a second apart in 8 and more, other scenes in 18 to 34.
"""
NUM_EXAMPLES = 12
"""Number of nearest pairs that are listed."""
_BLOCK = 32
"""Test pictures that are compared at once: with 75 000 training pictures this takes 20 MB."""
_FAR = 65

Json = dict[str, Any]


def leakage_of(rows: Sequence[Record], splits: Mapping[str, str]) -> dict[str, Json]:
    """Return for every held-out split what it shares with `train`; rows without a split count for nothing.

    num_videos and num_participants, and how many of them are `_shared` with training. Of the num_pairs pairs:
    pairs_of_shared_videos; pairs_overlapping, which a training segment of the video overlaps in time;
    pairs_same_frame, of which a picture is the very frame of a training picture; pairs_near_duplicate, with a training
    picture within NEAR_BITS; pairs_near_in_other_video, with one of another video. nearest: the closest pairs.
    """
    members: dict[str, list[Record]] = defaultdict(list)
    for row in rows:
        if row["segment_id"] in splits:
            members[splits[row["segment_id"]]].append(row)
    train = members.pop("train", [])
    return {split: _leakage(members[split], train) for split in sorted(members)}


def _leakage(tested: list[Record], train: list[Record]) -> Json:
    videos, participants = ({row[name] for row in train} for name in ("video_id", "group"))
    shared = [row for row in tested if row["video_id"] in videos]
    frames = {frame for row in train for frame in _frames(row)}
    near = _nearest(tested, train)
    own_videos, own_participants = ({row[name] for row in tested} for name in ("video_id", "group"))
    return {
        "num_pairs": len(tested),
        "num_videos": len(own_videos),
        "num_videos_shared": len(own_videos & videos),
        "num_participants": len(own_participants),
        "num_participants_shared": len(own_participants & participants),
        "pairs_of_shared_videos": len(shared),
        "pairs_overlapping": _num_overlapping(tested, train),
        "pairs_same_frame": sum(bool(frames & set(_frames(row))) for row in tested),
        "pairs_near_duplicate": sum(nearest["bits"] <= NEAR_BITS for nearest in near),
        "pairs_near_in_other_video": sum(nearest["bits_other_video"] <= NEAR_BITS for nearest in near),
        "near_bits": NEAR_BITS,
        "bits_histogram": _histogram(near),
        "nearest": [_told(nearest) for nearest in sorted(near, key=lambda nearest: nearest["bits"])[:NUM_EXAMPLES]],
    }


def _frames(row: Record) -> list[tuple[str, int]]:
    return [(row["video_id"], row[f"{name}_frame_index"]) for name in ("source", "edited")]


def _num_overlapping(tested: list[Record], train: list[Record]) -> int:
    """Count the tested pairs that a training segment overlaps; segments that only touch do not overlap."""
    spans: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in train:
        spans[row["video_id"]].append((row["start_s"], row["stop_s"]))
    arrays = {video_id: np.array(span) for video_id, span in spans.items()}
    count = 0
    for row in tested:
        if row["video_id"] in arrays:
            starts, stops = arrays[row["video_id"]].T
            count += bool(((starts < row["stop_s"]) & (stops > row["start_s"])).any())
    return count


def _hashes(rows: list[Record]) -> NDArray[np.uint64]:
    """Return the hashes of the pictures, uint64 [2 N]: first all sources, then all edited ones."""
    return np.array([int(row[name], 16) for name in ("source_hash", "edited_hash") for row in rows], dtype=np.uint64)


def _nearest(tested: list[Record], train: list[Record]) -> list[Record]:
    """Return for each tested pair the closest training picture to either of its own, and the closest elsewhere."""
    if not train:
        return []
    own, theirs = _hashes(tested), _hashes(train)
    codes = {video_id: code for code, video_id in enumerate(sorted({row["video_id"] for row in [*tested, *train]}))}
    own_videos, their_videos = (np.array([codes[row["video_id"]] for row in rows] * 2) for rows in (tested, train))
    bits, bits_elsewhere, places = (np.full(len(own), _FAR, dtype=np.int64) for _ in range(3))
    for first in range(0, len(own), _BLOCK):
        block = slice(first, first + _BLOCK)
        distances = np.bitwise_count(own[block, None] ^ theirs[None, :])
        places[block] = distances.argmin(axis=1)
        bits[block] = distances.min(axis=1)
        distances[own_videos[block, None] == their_videos[None, :]] = _FAR
        bits_elsewhere[block] = distances.min(axis=1)
    nearest = []
    for number, row in enumerate(tested):
        picture = min((number, number + len(tested)), key=lambda place: bits[place])
        nearest.append(
            {
                "row": row,
                "train_row": train[places[picture] % len(train)],
                "bits": int(bits[picture]),
                "bits_other_video": int(min(bits_elsewhere[number], bits_elsewhere[number + len(tested)])),
            }
        )
    return nearest


def _told(near: Record) -> Json:
    told = {name: near[name]["segment_id"] for name in ("row", "train_row")}
    return {"segment_id": told["row"], "train_segment_id": told["train_row"], "bits": near["bits"]}


def _histogram(near: list[Record]) -> dict[str, int]:
    """Return the number of pairs by the distance, in bits, of their nearest training picture."""
    counts = Counter(nearest["bits"] for nearest in near)
    return {str(bits): counts[bits] for bits in sorted(counts)}
