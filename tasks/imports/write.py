"""Imported pairs -> `<split>/<split>-000000.tar`, `index.parquet`, `rejected.jsonl`, as in stage shards.

PNG and JPEG files stay unchanged, others become PNG. A pair with a missing or unreadable picture, or without text, is
counted with its reason: pairs found = pairs in shards + filtered + failed.
"""

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from modeling.atomic import atomic_folder
from modeling.data.example import METADATA, Example, metadata_of, picture_format
from modeling.data.images import FILE_FORMATS, decode_image, encode_jpeg, encode_png, squash
from modeling.data.tars import write_shard
from tasks.annotations.instructions import parse_instruction
from tasks.artifacts.artifact import REJECTED, Record
from tasks.artifacts.keyed_hash import in_hash_order
from tasks.imports.found import FoundPair, key_of, rejected
from tasks.imports.layouts import find_pairs, layout_of
from tasks.shards import INDEX, write_index

MAX_TEXT = 10_000
"""A longer text is no instruction."""
MAX_FILE_BYTES = 500_000_000
"""A larger file is no picture."""
LOSSLESS_PX = 128
"""Pictures of sizes up to this are kept as PNG, larger ones as JPEG."""


class _Writer:
    """Collects examples and writes a tar whenever a split has enough of them."""

    def __init__(self, folder: Path, examples_per_shard: int):
        self._folder = folder
        self._most = examples_per_shard
        self._waiting: dict[str, list[Example]] = {}
        self._num_shards: Counter[str] = Counter()
        self._rows = folder / ".rows.jsonl"
        """Rows of the written tars; on the disk, because there may be millions."""

    def add(self, example: Example) -> None:
        """Take an example."""
        waiting = self._waiting.setdefault(example.split, [])
        waiting.append(example)
        if len(waiting) == self._most:
            self._flush(example.split)

    def finish(self) -> None:
        """Write what is left, and the index."""
        for split in list(self._waiting):
            self._flush(split)
        with self._rows.open(encoding="utf-8") as file:
            write_index(self._folder / INDEX, map(json.loads, file))
        self._rows.unlink()

    def _flush(self, split: str) -> None:
        examples = self._waiting.pop(split)
        name = f"{split}/{split}-{self._num_shards[split]:06d}.tar"
        self._num_shards[split] += 1
        (self._folder / split).mkdir(exist_ok=True)
        write_shard(self._folder / name, examples)
        rows = [metadata_of(example) | {"shard": name} for example in examples]
        with self._rows.open("a", encoding="utf-8") as file:
            file.write(json.dumps(rows) + "\n")


def import_pairs(
    path: Path,
    out: Path,
    *,
    layout: str | None = None,
    size_px: int | None = None,
    num_test: int = 0,
    examples_per_shard: int = 1_000,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Write pairs from elsewhere as shards; return counts: per split, and rejected by reason.

    `num_test`: number of training pairs that become the split test<N>, in whole groups drawn by a hash of their keys.
    ValueError when nothing is there to import, or `out` holds anything already.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} is there already. Name a new folder, or remove it.")
    if not path.exists():
        raise ValueError(f"{path}: there is no such file or folder.")
    layout = layout or layout_of(path)
    tested, num_tested = _drawn(path, layout, num_test) if num_test else (set(), 0)
    reasons: Counter[str] = Counter()
    taken: set[str] = set()
    sizes: Counter[str] = Counter()
    with atomic_folder(out) as folder, (folder / REJECTED).open("w", encoding="utf-8") as lines:
        writer = _Writer(folder, examples_per_shard)
        for number, pair in enumerate(find_pairs(path, layout), start=1):
            outcome = pair if not isinstance(pair, FoundPair) else _example(pair, taken, size_px)
            if isinstance(outcome, Example):
                if isinstance(pair, FoundPair) and pair.group in tested and outcome.split == "train":
                    outcome = replace(outcome, split=f"test{num_tested}")
                sizes[outcome.split] += 1
                writer.add(outcome)
            else:
                reasons[outcome["reason"]] += 1
                lines.write(json.dumps(outcome) + "\n")
            if number % 1_000 == 0:
                on_progress(number, number)
        if not sizes:
            raise ValueError(f"{path}: none of {reasons.total()} pairs can be used: {dict(reasons)}.")
        writer.finish()
    return {"layout": layout, "pairs": dict(sorted(sizes.items())), "rejected": dict(sorted(reasons.items()))}


def _drawn(path: Path, layout: str, num_test: int) -> tuple[set[str], int]:
    """Return the test groups and their number of pairs, as close to `num_test` as whole groups allow."""
    groups: Counter[str] = Counter()
    for pair in find_pairs(path, layout):
        if isinstance(pair, FoundPair) and pair.split == "train" and _problem(pair) is None:
            groups[pair.group] += 1
    drawn: set[str] = set()
    number = 0
    for group in in_hash_order(0, groups):
        if number + groups[group] <= num_test:
            drawn.add(group)
            number += groups[group]
    if not drawn or groups.total() <= number:
        raise ValueError(
            f"{path}: {num_test} of the training pairs cannot be set aside for testing: "
            f"pairs of one picture or video stay together, and their groups have {min(groups.values(), default=0)} to "
            f"{max(groups.values(), default=0)} pairs. Choose another number."
        )
    return drawn, number


def _problem(pair: FoundPair) -> Record | None:
    """Return the rejection of an incomplete pair; its pictures are not read."""
    if not isinstance(pair.instruction, str) or not pair.instruction.strip():
        return rejected(pair.name, "filtered", "no_instruction", f"{pair.instruction!r:.80}")
    if len(pair.instruction) > MAX_TEXT:
        return rejected(pair.name, "filtered", "text_too_long", f"{len(pair.instruction)} characters")
    for name, picture in (("before", pair.before), ("after", pair.after)):
        if picture is None:
            return rejected(pair.name, "failed", "missing_partner", f"there is no picture {name} the action")
    return None


def _example(pair: FoundPair, taken: set[str], size_px: int | None) -> Example | Record:
    """Return the example of a pair, or its rejection."""
    problem = _problem(pair)
    if problem is not None:
        return problem
    try:
        files = [_file(picture, size_px, pair.name) for picture in (pair.before, pair.after)]
    except (ValueError, OSError) as error:
        return rejected(pair.name, "failed", "unreadable_picture", str(error))
    fields = _fields(pair, str(pair.instruction).strip())
    key = key_of(pair.name, taken)
    return Example(**fields | {"segment_id": key}, source_file=files[0], edited_file=files[1])


def _file(picture: object, size_px: int | None, name: str) -> bytes:
    """Return a picture as the bytes in a shard; ValueError when it cannot be read."""
    if not isinstance(picture, bytes) and Path(str(picture)).stat().st_size > MAX_FILE_BYTES:
        raise ValueError(f"{name}: a file of more than {MAX_FILE_BYTES} bytes is no picture")
    content = picture if isinstance(picture, bytes) else Path(str(picture)).read_bytes()
    pixels = decode_image(content, name=name, formats=FILE_FORMATS)
    if size_px is not None and pixels.shape[:2] != (size_px, size_px):
        pixels = squash(pixels, size_px)
        return encode_png(pixels) if size_px <= LOSSLESS_PX else encode_jpeg(pixels)
    try:
        picture_format(content)
    except ValueError:
        return encode_png(pixels)
    return content


def _fields(pair: FoundPair, instruction: str) -> dict[str, Any]:
    """Return the other fields of an example: the known ones, else the parts of the instruction."""
    parsed = parse_instruction(instruction)
    plain: dict[str, Any] = {
        "split": pair.split,
        "video_id": pair.group[:200],
        "start_s": 0.0,
        "stop_s": 0.0,
        "instruction": instruction,
        "verb": parsed.verb,
        "object": parsed.object,
        "start_point": parsed.start_point,
        "end_point": parsed.end_point,
        "overlaps": False,
    }
    known = {name: pair.metadata[name] for name in METADATA if _fits(plain.get(name), pair.metadata.get(name))}
    fields = plain | known
    # A split becomes the name of a folder, and anybody may have written it.
    return fields if re.fullmatch(r"\w{1,40}", fields["split"], re.ASCII) else fields | {"split": "train"}


def _fits(default: object, value: object) -> bool:
    """Tell whether a value has the field's type."""
    if isinstance(default, bool):
        return isinstance(value, bool)
    if isinstance(default, float):
        return isinstance(value, float)
    return isinstance(default, str) and isinstance(value, str)
