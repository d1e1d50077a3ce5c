"""The files of an artifact as a list beside its manifest: `files.jsonl`, one line a file, sorted by name.

The list is separate so that the manifest stays small: 150 000 pictures make a list of 30 MB. It is read line by line,
and only to compare files; states, plans and keys need the manifest alone.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from modeling.atomic import atomic_file
from modeling.json_text import parse_json
from tasks.artifacts.inside import checked_parts, status_inside

FILES = "files.jsonl"


class FileEntry(NamedTuple):
    """One file of an artifact."""

    name: str
    """Relative to the artifact's folder, with slashes."""
    size: int
    """Bytes."""
    sha256: str
    """SHA-256 of the content."""
    mtime_ns: int
    """Modification time when the list was written. A file that still has this time need not be read."""


def sha256_of(path: Path | str) -> str:
    """Return the hex SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def names_below(folder: Path, *, leave_out: Callable[[str], bool]) -> list[str]:
    """Return the files below a folder, relative to it and sorted, without those for which `leave_out` is true."""
    names = []
    for parent, _, files in os.walk(folder):
        inside = os.path.relpath(parent, folder).replace(os.sep, "/")
        names += [file if inside == "." else f"{inside}/{file}" for file in files]
    return sorted(name for name in names if not leave_out(name))


def describe_files(folder: Path, names: Iterable[str]) -> Iterator[FileEntry]:
    """Yield the entry of each file, reading it."""
    for name in names:
        status = os.stat(f"{folder}/{name}")
        yield FileEntry(name, status.st_size, sha256_of(f"{folder}/{name}"), status.st_mtime_ns)


def write_file_list(folder: Path, entries: Iterable[FileEntry]) -> dict[str, str]:
    """Write `files.jsonl` atomically; return name -> SHA-256, whose digest is the artifact's."""
    content: dict[str, str] = {}
    with atomic_file(folder / FILES) as temporary, temporary.open("w", encoding="utf-8") as file:
        for entry in entries:
            content[entry.name] = entry.sha256
            file.write(json.dumps(entry._asdict(), ensure_ascii=False) + "\n")
    return content


def read_file_list(folder: Path) -> Iterator[FileEntry]:
    """Yield the entries of `files.jsonl`; FileNotFoundError without one, ValueError for a line that is no entry."""
    with (folder / FILES).open(encoding="utf-8") as file:
        yield from read_entries(file, str(folder / FILES))


def read_entries(lines: Iterable[str], named: str) -> Iterator[FileEntry]:
    """Yield the entries of the lines of a list; ValueError, which calls it `named`, for a line that is no entry."""
    for number, line in enumerate(lines, start=1):
        try:
            entry = FileEntry(**parse_json(line))
            checked_parts(entry.name)
            yield entry
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"{named}: line {number} names no file ({error}).") from error


def is_altered(folder: Path, entry: FileEntry, *, full: bool) -> bool:
    """Tell whether a file is missing or not as listed.

    The size is always compared; the digest when the modification time is not the listed one, or always (`full`).
    """
    status = status_inside(folder, entry.name)
    if status is None or status.st_size != entry.size:
        return True
    return (full or status.st_mtime_ns != entry.mtime_ns) and sha256_of(f"{folder}/{entry.name}") != entry.sha256
