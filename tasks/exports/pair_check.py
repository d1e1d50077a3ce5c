"""Compare shards with a list of pairs: each listed pair is the same, different or missing, with the reason.

A pair is the same when both picture files have the listed SHA-256, and texts, times and split are the listed ones. The
files are read from the tars and hashed; no manifest is trusted.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modeling.data.example import METADATA, Example, metadata_of
from modeling.data.loader import Examples
from tasks.annotations.pair_list import lineage, read_pairs
from tasks.artifacts.artifact import Artifact


@dataclass(kw_only=True)
class PairCheck:
    """The result of the comparison."""

    same: int = 0
    """Number of pairs that are as listed."""
    different: dict[str, int] = field(default_factory=dict)
    """Number of different pairs by what differs: source_image, edited_image, or a field such as instruction."""
    missing: dict[str, int] = field(default_factory=dict)
    """Number of missing pairs by the reason of stage frames."""
    not_listed: int = 0
    """Number of pairs in the shards that are not listed."""
    examples: list[str] = field(default_factory=list)
    """Segment ids of the first pairs that are not the same, with what differs."""
    videos: dict[str, str] = field(default_factory=dict)
    """Missing videos, and videos that differ from the files of the listed pairs: id -> what is wrong."""

    @property
    def num_pairs(self) -> int:
        """Number of pairs in the list."""
        return self.same + sum(self.different.values()) + sum(self.missing.values())

    @property
    def is_same(self) -> bool:
        """True when every listed pair is the same."""
        return self.same == self.num_pairs


_NUM_NAMED = 10


def check_pairs(pair_list: Path, shards_folder: Path, shards: Artifact | None = None) -> PairCheck:
    """Compare the shards in a folder with a list of pairs.

    With the `shards` artifact that they belong to, missing pairs have the reason that stage `frames` gave, and videos
    are compared by fingerprint. ValueError for a file that is no list, or tars that cannot be read.
    """
    check = PairCheck()
    examples = Examples(shards_folder)
    places = {segment_id: place for place, segment_id in enumerate(examples.segment_ids)}
    videos = dict(_videos_of(shards)) if shards is not None else None
    reasons = _rejection_reasons(shards) if shards is not None else {}
    different: Counter[str] = Counter()
    missing: Counter[str] = Counter()
    for row in read_pairs(pair_list):
        if videos is not None:
            _check_video(check, row, videos)
        place = places.pop(row["segment_id"], None)
        if place is None:
            reason = reasons.get(row["segment_id"], "not_in_shards")
            missing[reason] += 1
            _name(check, row["segment_id"], reason)
            continue
        differing = differences(row, examples[place])
        if not differing:
            check.same += 1
            continue
        different[" and ".join(differing)] += 1
        _name(check, row["segment_id"], ", ".join(differing))
    check.different, check.missing = dict(sorted(different.items())), dict(sorted(missing.items()))
    check.not_listed = len(places)
    return check


def differences(row: dict[str, Any], example: Example) -> list[str]:
    """Return what differs between an example and its row in the list: source_image, edited_image, names of fields."""
    there = metadata_of(example)
    hashes = {"source": example.source_file, "edited": example.edited_file}
    pictures = [
        f"{name}_image" for name, file in hashes.items() if hashlib.sha256(file).hexdigest() != row[f"{name}_sha256"]
    ]
    return pictures + [name for name in METADATA if name in row and there[name] != row[name]]


def _videos_of(shards: Artifact) -> Iterator[tuple[str, tuple[int, str]]]:
    for record in lineage(lineage(shards, "frames"), "videos").records():
        yield record["video_id"], (record["size"], record["fingerprint"])


def _rejection_reasons(shards: Artifact) -> dict[str, str]:
    rejected = lineage(shards, "frames").rejected()
    return {row["segment_id"]: row["reason"] for row in rejected}


def _check_video(check: PairCheck, row: dict[str, Any], videos: dict[str, tuple[int, str]]) -> None:
    there = videos.get(row["video_id"])
    if there is None:
        check.videos[row["video_id"]] = "missing"
    elif there != (row["video_size"], row["video_fingerprint"]):
        check.videos[row["video_id"]] = f"another file ({there[0]} bytes; the pairs are from {row['video_size']})"


def _name(check: PairCheck, segment_id: str, what: str) -> None:
    if len(check.examples) < _NUM_NAMED:
        check.examples.append(f"{segment_id}: {what}")
