"""A re-materialisation manifest: shards -> one Parquet file of ids, times and hashes, without pixels, and back.

With the same videos, the same pairs can be cut from it (preset `pairs` reads it like any annotation file), and compared
with its hashes (pair_check.py). The schema's metadata holds the settings, stage versions and library versions with
which the pairs were cut.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from modeling.atomic import atomic_file
from modeling.data.example import check_key
from modeling.json_text import parse_json
from tasks.annotations.parquet_rows import rows_of_columns
from tasks.annotations.segment import SCHEMA as SEGMENT_SCHEMA
from tasks.annotations.segment import Annotations, Segment, has_good_times, is_safe_video_id
from tasks.artifacts.artifact import Artifact, Record
from tasks.artifacts.inside import inside
from tasks.stages import STAGES

FORMAT = 1
"""Version of the format; it rises when an older reader would misread the file."""
NOTE = b"editaction"
"""Key of the header among the schema's metadata."""
SCHEMA = pa.schema(
    [
        *SEGMENT_SCHEMA,
        pa.field("split", pa.string(), nullable=False),
        pa.field("video_size", pa.int64(), nullable=False),
        pa.field("video_fingerprint", pa.string(), nullable=False),
        pa.field("source_frame_index", pa.int64(), nullable=False),
        pa.field("edited_frame_index", pa.int64(), nullable=False),
        pa.field("source_pts_s", pa.float64(), nullable=False),
        pa.field("edited_pts_s", pa.float64(), nullable=False),
        pa.field("source_requested_pts_s", pa.float64()),
        pa.field("edited_requested_pts_s", pa.float64()),
        pa.field("decoder_key", pa.string()),
        pa.field("source_sha256", pa.string(), nullable=False),
        pa.field("edited_sha256", pa.string(), nullable=False),
    ]
)
"""Columns: the segment (the requested times), its split, the video's size and fingerprint (video_files.py), the frames
taken, the short name of the decoder's settings, and the SHA-256 of the two picture files in the shards.
"""
_ROWS_AT_ONCE = 10_000


@dataclass(frozen=True, kw_only=True)
class PairHeader:
    """The settings and versions with which the pairs of a list were cut."""

    format: int
    """FORMAT of the file."""
    frames: dict[str, Any]
    """Settings of stage `frames`."""
    shards: dict[str, Any]
    """Settings of stage `shards`."""
    versions: dict[str, int]
    """Versions of both stages."""
    decoder_settings: dict[str, Any]
    """Short name -> settings of the decoder."""
    packages: dict[str, str]
    """Versions of the libraries that decode, scale and encode."""


def lineage(artifact: Artifact, name: str) -> Artifact:
    """Return the input `name` of an artifact from its workspace; ValueError when it is missing or changed."""
    described = artifact.manifest["inputs"][name]
    folder = inside(artifact.path.parent.parent, described.get("artifact"))
    try:
        artifact_there = Artifact.read(folder)
    except FileNotFoundError:
        artifact_there = None
    if artifact_there is None or artifact_there.digest != described["digest"]:
        raise ValueError(f"{artifact.path}: its {name}, {folder}, are not there any more. Run the stage again.")
    return artifact_there


def write_pair_list(path: Path, shards: Artifact) -> int:
    """Write the list of the pairs of a shards artifact; return their number. Equal pairs give equal bytes."""
    frames = lineage(shards, "frames")
    header = PairHeader(
        format=FORMAT,
        frames=frames.manifest["config"],
        shards=shards.manifest["config"],
        versions={artifact.manifest["stage"]: artifact.manifest["version"] for artifact in (frames, shards)},
        decoder_settings=frames.manifest["facts"].get("decoder_settings", {}),
        packages={name: frames.manifest["packages"][name] for name in ("av", "numpy", "pillow")},
    )
    note = json.dumps(header.__dict__, sort_keys=True, ensure_ascii=False).encode()
    schema = SCHEMA.with_metadata({NOTE: note})
    num_pairs = 0
    with atomic_file(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for rows in _in_batches(_rows_of(shards, frames)):
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            num_pairs += len(rows)
    return num_pairs


def _rows_of(shards: Artifact, frames: Artifact) -> Iterator[Record]:
    split_of = {row["segment_id"]: row["split"] for row in shards.records()}
    videos = {row["video_id"]: row for row in lineage(frames, "videos").records()}
    digests = {entry.name: entry.sha256 for entry in frames.files()}
    for row in frames.records():
        if row["segment_id"] not in split_of:
            continue
        video = videos[row["video_id"]]
        yield {name: row[name] for name in SCHEMA.names if name in row} | {
            "split": split_of[row["segment_id"]],
            "video_size": video["size"],
            "video_fingerprint": video["fingerprint"],
            "source_sha256": digests[row["source_image"]],
            "edited_sha256": digests[row["edited_image"]],
        }


def _in_batches(rows: Iterator[Record]) -> Iterator[list[Record]]:
    batch: list[Record] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _ROWS_AT_ONCE:
            yield batch
            batch = []
    yield batch


def read_header(path: Path) -> PairHeader:
    """Return the header of a list; ValueError when this version cannot read the file."""
    return _opened(path)[1]


def read_pairs(path: Path) -> Iterator[Record]:
    """Yield the rows of a list, as dicts of SCHEMA's columns."""
    _opened(path)
    for cells in rows_of_columns(path, SCHEMA.names):
        yield dict(zip(SCHEMA.names, cells, strict=True))


def _opened(path: Path) -> tuple[pq.ParquetFile, PairHeader]:
    if not path.is_file():
        raise ValueError(f"{path}: there is no such list of pairs. `editaction manifest --out FILE` writes one.")
    try:
        file = pq.ParquetFile(path)
        note = parse_json((file.schema_arrow.metadata or {})[NOTE])
        header = PairHeader(**note)
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
        raise ValueError(f"{path}: no list of pairs. `editaction manifest --out FILE` writes one.") from error
    if header.format != FORMAT or not file.schema_arrow.remove_metadata().equals(SCHEMA):
        raise ValueError(f"{path}: a list of pairs of format {header.format}; this version reads format {FORMAT}.")
    return file, header


def read_as_annotations(path: Path) -> Annotations:
    """Read a list as segments; rows fail for unsafe_video_id, bad_segment_id, duplicate_segment and bad_times."""
    annotations = Annotations(funnel={"rows": 0, "usable": 0})
    seen: set[str] = set()
    names = [field.name for field in fields(Segment)]
    for number, row in enumerate(read_pairs(path), start=1):
        annotations.funnel["rows"] += 1
        reason = _reason_against(row, seen)
        if reason is not None:
            given = {name: row[name][:200] for name in ("segment_id", "video_id")}
            times = f"{row['start_s']}, {row['stop_s']}, {row['start_frame']}, {row['stop_frame']}"
            message = (
                f"{path.name}: row {number}: {reason} (video {given['video_id'][:80]!r}, times and frames {times}). "
                "Have the list written anew by `editaction manifest`."
            )
            annotations.reject(number, "failed", reason, **given, message=message)
            continue
        seen.add(row["segment_id"])
        annotations.segments.append(Segment(**{name: row[name] for name in names}))
    annotations.funnel["usable"] = len(annotations.segments)
    versions = read_header(path).versions
    annotations.facts["warnings"] = [
        f"{path.name} was made with version {version} of stage {stage}, this is {STAGES[stage].version}: its pictures "
        "may come out differently; `editaction verify --manifest` tells."
        for stage, version in versions.items()
        if stage in STAGES and version != STAGES[stage].version
    ]
    return annotations


def _reason_against(row: Mapping[str, Any], seen: set[str]) -> str | None:
    if not is_safe_video_id(row["video_id"]):
        return "unsafe_video_id"
    try:
        check_key(row["segment_id"])
    except ValueError:
        return "bad_segment_id"
    if row["segment_id"] in seen:
        return "duplicate_segment"
    frames = [row[name] for name in ("start_frame", "stop_frame") if row[name] is not None]
    if not has_good_times(row["start_s"], row["stop_s"]) or any(frame < 0 for frame in frames):
        return "bad_times"
    return None


def recorded_splits(path: Path) -> dict[str, str]:
    """Return the split of every pair in a list; ValueError for a name that cannot be a folder's."""
    splits = {row["segment_id"]: row["split"] for row in read_pairs(path)}
    for split in set(splits.values()):
        if not split.isidentifier() or not split.isascii():
            raise ValueError(f"{path}: {split[:80]!r} is no name of a split.")
    return splits
