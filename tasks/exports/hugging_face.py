"""Shards -> a folder in the format of Hugging Face `datasets` and its hub: Parquet files with two image columns, and a
card.

    data/<split>-00000-of-00003.parquet   one for each tar: its examples in their order, pictures as they are stored
    README.md                             the card: splits, columns, how they were made

An image column is struct{bytes, path}; the schema's metadata and the card name the image columns.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from modeling.atomic import atomic_folder
from modeling.data.example import METADATA, Example, metadata_of, picture_format
from modeling.data.loader import Examples, find_shards

ROWS_PER_GROUP = 100
"""Examples that are in memory at once, and that a reader must load together."""
IMAGES = ("source_image", "edited_image")
_DTYPES = {"start_s": "float64", "stop_s": "float64", "overlaps": "bool"}
DTYPES = dict.fromkeys(IMAGES, "image") | {name: _DTYPES.get(name, "string") for name in METADATA}
"""Column -> type, as `datasets` calls it, in the order of the columns."""
_ARROW = {
    "image": pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())]),
    "string": pa.string(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
}


def schema() -> pa.Schema:
    """Return the schema of the Parquet files, with the note by which `datasets` knows the image columns.

    Every column is nullable: `datasets` takes no feature from the note for one that is not.
    """
    features = {
        name: {"_type": "Image"} if dtype == "image" else {"dtype": dtype, "_type": "Value"}
        for name, dtype in DTYPES.items()
    }
    note = json.dumps({"info": {"features": features}})
    return pa.schema([pa.field(name, _ARROW[dtype]) for name, dtype in DTYPES.items()], {"huggingface": note})


def export_hf_parquet(shards: Path, out: Path, on_progress: Callable[[int, int], None]) -> dict[str, int]:
    """Write the tars below `shards` as such a folder; return split -> examples. Equal shards give equal bytes.

    ValueError when `out` is not empty, or a tar cannot be read. An interrupted export leaves nothing.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} is there already. Name a new folder, or remove it.")
    by_split: dict[str, list[Path]] = defaultdict(list)
    for tar in find_shards(shards):
        by_split[_split_of(tar)].append(tar)
    sizes: dict[str, int] = dict.fromkeys(by_split, 0)
    num_tars, done = sum(map(len, by_split.values())), 0
    with atomic_folder(out) as folder:
        (folder / "data").mkdir()
        for split, tars in by_split.items():
            for number, tar in enumerate(tars):
                name = f"{split}-{number:05d}-of-{len(tars):05d}.parquet"
                sizes[split] += _write(folder / "data" / name, Examples(tar), split)
                done += 1
                on_progress(done, num_tars)
        (folder / "README.md").write_text(card(sizes), encoding="utf-8")
    return sizes


def _split_of(tar: Path) -> str:
    """Return the split that a tar's name begins with; ValueError for one that stage `shards` did not name."""
    named = re.fullmatch(r"(\w+)-\d{6}", tar.stem, flags=re.ASCII)
    if named is None:
        raise ValueError(f"{tar}: a shard is called <split>-000000.tar, with its number.")
    return named[1]


def _write(path: Path, examples: Examples, split: str) -> int:
    with pq.ParquetWriter(path, schema()) as writer:
        for first in range(0, len(examples), ROWS_PER_GROUP):
            rows = [_row(examples[place]) for place in range(first, min(first + ROWS_PER_GROUP, len(examples)))]
            for row in rows:
                if row["split"] != split:
                    raise ValueError(f"{row['segment_id']} is of split {row['split']}, in a tar of {split}.")
            writer.write_table(pa.Table.from_pylist(rows, schema=schema()))
    return len(examples)


def _row(example: Example) -> dict[str, object]:
    pictures = {
        f"{name}_image": {"bytes": file, "path": f"{example.segment_id}.{name}.{picture_format(file)}"}
        for name, file in (("source", example.source_file), ("edited", example.edited_file))
    }
    return pictures | metadata_of(example)


def card(sizes: dict[str, int]) -> str:
    """Return the dataset card: what the hub and `datasets` read at its head, and what people read below."""
    return "\n".join([*_head(sizes), "", *_body(sizes), ""])


def _head(sizes: dict[str, int]) -> Iterator[str]:
    yield from ("---", "task_categories:", "- image-to-image", "tags:", "- image-editing", "configs:")
    yield from ("- config_name: default", "  data_files:")
    for split in sizes:
        yield from (f"  - split: {split}", f"    path: data/{split}-*.parquet")
    yield from ("dataset_info:", "  features:")
    for name, dtype in DTYPES.items():
        yield from (f"  - name: {name}", f"    dtype: {dtype}")
    yield "---"


def _body(sizes: dict[str, int]) -> Iterator[str]:
    yield "# Image edits from videos of actions"
    yield ""
    yield "Each row is an action in a video: the frame on screen when it starts (`source_image`), the frame when it"
    yield "ends (`edited_image`), and what was done in between (`instruction`). Made by EditAction from its shards."
    yield ""
    yield "| split | pairs |"
    yield "|---|---|"
    yield from (f"| {split} | {size} |" for split, size in sizes.items())
    yield ""
    yield '`verb`, `object`, `start_point` and `end_point` are the parts of the instruction, "" where it names none.'
    yield "`start_s` and `stop_s` count from the first presented frame of `video_id`. `overlaps` tells whether another"
    yield "labelled action of the video overlaps this one. Pictures are squashed to squares."
    yield ""
    yield "```python"
    yield "from datasets import load_dataset"
    yield ""
    yield 'pairs = load_dataset("path/to/this/folder", split="train")'
    yield 'pairs[0]["source_image"], pairs[0]["instruction"], pairs[0]["edited_image"]'
    yield "```"
    yield ""
    yield "The pictures and texts come from the videos and annotations that the pairs were cut from, whose licences"
    yield "hold for them: EPIC-KITCHENS-100 is CC BY-NC 4.0, MPII Cooking 2 is for scientific use and not to be shared."
