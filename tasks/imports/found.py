"""One pair of an imported data set: its texts, and its pictures as bytes or as names of files."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modeling.data.example import check_key
from tasks.artifacts.artifact import Record

BEFORE: tuple[str, ...] = (
    "source_image",
    "original_image",
    "source_img",
    "input_image",
    "input_img",
    "control_image",
    "edit_image",
)
BEFORE += ("before", "source", "input", "control", "image_before")
"""Names of columns with the picture before, the clearest names first."""
AFTER: tuple[str, ...] = (
    "edited_image",
    "target_image",
    "target_img",
    "output_image",
    "output_img",
    "after",
    "target",
    "edited",
)
AFTER += ("output", "image_after", "image", "file_name")
"""The picture after."""
TEXT = ("instruction", "edit_prompt", "edit_instruction", "edit", "prompt", "caption", "text")
"""The instruction."""
IDS = ("segment_id", "id", "img_id", "image_id", "key")
"""Columns that identify a pair; in MagicBrush img_id with turn_index."""
_SPLITS = {"dev": "validation", "val": "validation", "valid": "validation", "eval": "validation"}


@dataclass(frozen=True, kw_only=True)
class FoundPair:
    """A pair whose pictures have not been read yet."""

    name: str
    """Name of the pair in the data set."""
    group: str
    """Pairs of one group stay together, for example the turns of one picture; the group takes the place of the video.
    """
    split: str
    """Split of the pair in the data set."""
    instruction: object
    before: object
    """Bytes, a path, or None where there is no such picture."""
    after: object
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """The other fields of an example, where they are known."""


Found = FoundPair | Record
"""A pair, or a rejected row with name, status, reason and message."""


def rejected(name: str, status: str, reason: str, message: str) -> Record:
    """Return a rejected row."""
    return {"name": name[:200], "status": status, "reason": reason, "message": message[:300]}


def split_of(name: str) -> str:
    """Return our split for the name of a split or file of the data set.

    >>> [split_of(name) for name in ("train", "dev", "test", "train-00000-of-00003", "weird name!")]
    ['train', 'validation', 'test', 'train', 'train']
    """
    word = re.match(r"[A-Za-z0-9_]+", name, re.ASCII)
    plain = word[0].lower() if word else "train"
    plain = _SPLITS.get(plain, plain)
    return plain if plain == "validation" or plain.startswith(("train", "test", "long", "unseen")) else "train"


def key_of(name: str, taken: set[str]) -> str:
    """Return a key for a pair of this name that no other has, and note it in `taken`.

    >>> taken = set()
    >>> [key_of(name, taken) for name in ("a/b.c", "a b.c", "")]
    ['a_b_c', 'a_b_c-2', 'pair']
    """
    try:
        check_key(name)
        plain = name
    except ValueError:
        plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:150] or "pair"
    key, number = plain, 1
    while key in taken:
        number += 1
        key = f"{plain}-{number}"
    taken.add(key)
    return key


def column_of(there: Mapping[str, Any], wanted: tuple[str, ...]) -> str | None:
    """Return the first of the wanted columns that is there."""
    return next((name for name in wanted if name in there), None)


def inside(folder: Path, name: str) -> Path | None:
    """Return a file that a table names, or None when it is not a file below the folder."""
    if "\0" in name:
        return None
    try:
        path = (folder / name).resolve()
        return path if path.is_file() and path.is_relative_to(folder.resolve()) else None
    except (OSError, RuntimeError):  # a name that is too long, links that lead to each other
        return None
