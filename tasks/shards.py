"""frames + splits -> WebDataset tars `<split>/<split>-000000.tar` and `index.parquet`, one row an example.

Item: one tar. Within a split the examples are in the order of a hash of their ids: well mixed for readers that read the
tars from front to back, and the same on every machine. Pictures are stored as they were cut.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from modeling.atomic import atomic_file
from modeling.data.example import METADATA, Example
from modeling.data.tars import write_shard
from tasks.artifacts.artifact import RECORDS, Artifact, Record, digest_of
from tasks.artifacts.keyed_hash import hash_rank
from tasks.artifacts.stage import stage
from tasks.artifacts.work import Work
from tasks.config import ShardsConfig

INDEX = "index.parquet"
"""Name of the table of all examples."""
INDEX_SCHEMA = pa.schema(
    [
        pa.field("segment_id", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("video_id", pa.string(), nullable=False),
        pa.field("start_s", pa.float64(), nullable=False),
        pa.field("stop_s", pa.float64(), nullable=False),
        pa.field("instruction", pa.string(), nullable=False),
        pa.field("verb", pa.string(), nullable=False),
        pa.field("object", pa.string(), nullable=False),
        pa.field("start_point", pa.string(), nullable=False),
        pa.field("end_point", pa.string(), nullable=False),
        pa.field("overlaps", pa.bool_(), nullable=False),
        pa.field("shard", pa.string(), nullable=False),
    ]
)
"""Columns of the index: an example's metadata and the tar that holds it, relative to the index."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The facts about a pair for planning; its row stays in the frames' records until its tar is written."""

    segment_id: str
    split: str
    offset: int
    """Byte position of its row in the frames' records.jsonl."""


def read_split_pairs(records: Path, split_of: Mapping[str, str]) -> list[Pair]:
    """Return the pair of each row that is in a split, in the order of the file."""
    pairs, offset = [], 0
    with records.open("rb") as file:
        for line in file:
            segment_id = json.loads(line)["segment_id"]
            if segment_id in split_of:
                pairs.append(Pair(segment_id, split_of[segment_id], offset))
            offset += len(line)
    return pairs


def plan_shards(pairs: list[Pair], examples_per_shard: int) -> dict[str, list[Pair]]:
    """Return the pairs of each tar: name -> pairs, splits in alphabetical order."""
    by_split: dict[str, list[Pair]] = defaultdict(list)
    for pair in sorted(pairs, key=lambda pair: (hash_rank(0, pair.segment_id), pair.segment_id)):
        by_split[pair.split].append(pair)
    return {
        f"{split}/{split}-{first // examples_per_shard:06d}.tar": by_split[split][first : first + examples_per_shard]
        for split in sorted(by_split)
        for first in range(0, len(by_split[split]), examples_per_shard)
    }


def read_rows(records: BinaryIO, pairs: list[Pair]) -> list[Record]:
    """Return the rows of pairs, each with its `split`, from the frames' opened records."""
    rows = []
    for pair in pairs:
        records.seek(pair.offset)
        rows.append(json.loads(records.readline()) | {"split": pair.split})
    return rows


def make_examples(rows: list[Record], frames: Artifact) -> Iterator[Example]:
    """Yield the example of each row with the bytes of its two picture files."""
    for row in rows:
        yield Example(
            **{name: row[name] for name in METADATA},
            source_file=frames.file(row["source_image"]).read_bytes(),
            edited_file=frames.file(row["edited_image"]).read_bytes(),
        )


def shard_key(rows: list[Record], digests: Mapping[str, str]) -> str:
    """Return the digest of everything that decides a tar and its records: rows and digests of pictures."""
    names = [row[name] for row in rows for name in ("source_image", "edited_image")]
    if unknown := [name for name in names if name not in digests]:
        raise ValueError(f"The frames record a picture {str(unknown[0])[:80]!r} that is none of their files.")
    return digest_of([[row, digests[row["source_image"]], digests[row["edited_image"]]] for row in rows])


def write_index(path: Path, shards: Iterable[list[Record]]) -> int:
    """Write the table of all examples, given the rows of each tar, atomically; return their number."""
    tables = [
        pa.table({name: [row[name] for row in rows] for name in INDEX_SCHEMA.names}, schema=INDEX_SCHEMA)
        for rows in shards
    ]
    table = pa.concat_tables([INDEX_SCHEMA.empty_table(), *tables]).combine_chunks()
    with atomic_file(path) as temporary:
        pq.write_table(table, temporary)
    return len(table)


@stage
def shards(work: Work, config: ShardsConfig, *, frames: Artifact, splits: Artifact) -> None:
    """Write the tars of every split and the index over them."""
    pairs = read_split_pairs(frames.path / RECORDS, {row["segment_id"]: row["split"] for row in splits.records()})
    planned = plan_shards(pairs, config.examples_per_shard)
    digests = {entry.name: entry.sha256 for entry in frames.files()}
    with (frames.path / RECORDS).open("rb") as records:
        for done, (name, members) in enumerate(planned.items()):
            work.progress(done, len(planned))
            rows = read_rows(records, members)
            key = shard_key(rows, digests)
            if work.item_done(name, key):
                continue
            (work.path / name).parent.mkdir(parents=True, exist_ok=True)
            write_shard(work.path / name, make_examples(rows, frames))
            kept = [_without_pictures(row) | {"shard": name} for row in rows]
            work.finish_item(name, key, kept=kept, files=[name])
    in_shards = write_index(work.path / INDEX, (kept for kept, _ in work.collected()))
    work.write_rows(row for kept, _ in work.collected() for row in kept)
    work.funnel = {"rows": len(pairs), "in_shards": in_shards}
    work.progress(len(planned), len(planned))


def _without_pictures(row: Record) -> Record:
    return {name: value for name, value in row.items() if name not in ("source_image", "edited_image")}
