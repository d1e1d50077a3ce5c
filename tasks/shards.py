"""frames + splits -> WebDataset tars `<split>/<split>-000000.tar` and `index.parquet`, one row an example.

Item: one tar. Within a split the examples lie in the order of a hash of their ids: mixed well enough for readers that
go through the tars from front to back, and the same on every machine. Pictures are stored as they were cut.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from modeling.atomic import atomic_file
from modeling.data.example import METADATA, Example, write_shard
from tasks.artifacts import Artifact, Record, Work, digest_of
from tasks.assignment import hash_rank
from tasks.config import ShardsConfig
from tasks.stage import stage

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


def plan_shards(rows: list[Record], examples_per_shard: int) -> dict[str, list[Record]]:
    """Return the rows of each tar: name -> rows, splits in alphabetical order; every row must have `split`."""
    by_split: dict[str, list[Record]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (hash_rank(0, row["segment_id"]), row["segment_id"])):
        by_split[row["split"]].append(row)
    return {
        f"{split}/{split}-{first // examples_per_shard:06d}.tar": by_split[split][first : first + examples_per_shard]
        for split in sorted(by_split)
        for first in range(0, len(by_split[split]), examples_per_shard)
    }


def make_examples(rows: list[Record], frames_path: Path) -> Iterator[Example]:
    """Yield the example of each row with the bytes of its two picture files."""
    for row in rows:
        yield Example(
            **{name: row[name] for name in METADATA},
            source_file=(frames_path / row["source_image"]).read_bytes(),
            edited_file=(frames_path / row["edited_image"]).read_bytes(),
        )


def shard_key(rows: list[Record], frames: Artifact) -> str:
    """Return the digest of all that decides a tar and its records: the rows and the digests of their pictures."""
    files = frames.manifest["files"]
    return digest_of(
        [[row, files[row["source_image"]]["sha256"], files[row["edited_image"]]["sha256"]] for row in rows]
    )


def write_index(path: Path, rows: list[Record]) -> None:
    """Write the table of all examples atomically."""
    columns = {name: [row[name] for row in rows] for name in INDEX_SCHEMA.names}
    with atomic_file(path) as temporary:
        pq.write_table(pa.table(columns, schema=INDEX_SCHEMA), temporary)


@stage
def shards(work: Work, config: ShardsConfig, *, frames: Artifact, splits: Artifact) -> None:
    """Write the tars of every split and the index over them."""
    split_of = {row["segment_id"]: row["split"] for row in splits.records()}
    rows = [row | {"split": split_of[row["segment_id"]]} for row in frames.records() if row["segment_id"] in split_of]
    planned = plan_shards(rows, config.examples_per_shard)
    for done, (name, members) in enumerate(planned.items()):
        work.progress(done, len(planned))
        key = shard_key(members, frames)
        if work.item_done(name, key):
            continue
        (work.path / name).parent.mkdir(parents=True, exist_ok=True)
        write_shard(work.path / name, make_examples(members, frames.path))
        kept = [_without_pictures(row) | {"shard": name} for row in members]
        work.finish_item(name, key, kept=kept, files=[name])
    kept, rejected = work.collect()
    write_index(work.path / INDEX, kept)
    work.write_rows(kept, rejected)
    work.funnel = {"rows": len(rows), "in_shards": len(kept)}
    work.progress(len(planned), len(planned))


def _without_pictures(row: Record) -> Record:
    return {name: value for name, value in row.items() if name not in ("source_image", "edited_image")}
