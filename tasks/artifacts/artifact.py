"""An artifact is a folder with a manifest, written last: config + inputs -> `workspace/stage/label-key8/`.

The key hashes the digests of the inputs' content, the stage's config and its version, so equal work is found again
wherever it lies. Work goes on in `label-key8.partial`; each item (a video, a batch) leaves its own done-record there,
so that a stage that was cut off, or some of whose items failed, does only what is missing (architecture.md).
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from modeling.atomic import atomic_file, write_bytes
from tasks.artifacts.file_list import FILES, FileEntry, is_altered, read_file_list
from tasks.artifacts.file_list import sha256_of as sha256_of
from tasks.config import RunOptions
from tasks.stages import STAGES

MANIFEST = "manifest.json"
RECORDS = "records.jsonl"
REJECTED = "rejected.jsonl"
ITEMS = "items"
"""Folder of the items' done-records inside an artifact; not part of its content digest."""

_LINES_AT_ONCE = 1_000

Record = dict[str, Any]
Progress = Callable[[int, int], None]
"""Called as (done, total)."""
NotedProgress = Callable[[int, int, str], None]
"""Called as (done, total, note)."""


def digest_of(value: Any) -> str:
    """Return the hex SHA-256 of a JSON-like value (dataclasses included), independent of key order."""
    plain = dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def read_records(path: Path) -> Iterator[Record]:
    """Yield the records of a JSON-lines file."""
    with path.open(encoding="utf-8") as file:
        # Many lines as one array: its records share the names of their fields, which halves what a list of them takes.
        while lines := list(islice(file, _LINES_AT_ONCE)):
            yield from json.loads(f"[{','.join(lines)}]")


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Write records as JSON lines, atomically, as they come."""
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


@dataclass(frozen=True, kw_only=True)
class Outside:
    """Something a stage reads that no stage made: an annotation file, a folder of videos, a start on a hub."""

    location: str
    """Path or hub id. Not part of any key."""
    digest: str
    """Digest of its content; part of the key."""

    @property
    def path(self) -> Path:
        """The location as a path."""
        return Path(self.location)


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A finished artifact: its folder and what its manifest says."""

    path: Path
    manifest: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> "Artifact":
        """Read the artifact at `path`; FileNotFoundError when it has no manifest."""
        return cls(path=path, manifest=json.loads((path / MANIFEST).read_text(encoding="utf-8")))

    @property
    def digest(self) -> str:
        """Digest of the content: names and SHA-256 of the files that a later stage may read."""
        return str(self.manifest["digest"])

    @property
    def num_failed(self) -> int:
        """Rows that ended as failed."""
        return sum(self.manifest["counts"]["failed"].values())

    def files(self) -> Iterator[FileEntry]:
        """Yield the list of its files, with their digests."""
        return read_file_list(self.path)

    def records(self) -> Iterator[Record]:
        """Yield the records of the kept rows."""
        return read_records(self.path / RECORDS)

    def rejected(self) -> Iterator[Record]:
        """Yield the filtered and failed rows, each with `status` and `reason`."""
        return read_records(self.path / REJECTED)


Input = Artifact | Outside


def damaged_files(artifact: Artifact, *, full: bool = False) -> list[str]:
    """Return the files of an artifact that are missing or altered.

    Sizes are compared always; digests of files whose modification time is not the recorded one, or of all (`full`).
    A list of files that is missing or not whole is itself the damage.
    """
    damaged, content, num_files = [], {}, 0
    try:
        for entry in artifact.files():
            num_files += 1
            if is_altered(artifact.path, entry, full=full):
                damaged.append(entry.name)
            if full:
                content[entry.name] = entry.sha256
    except (FileNotFoundError, ValueError):
        return [FILES]
    if num_files != artifact.manifest.get("num_files") or (full and digest_of(content) != artifact.digest):
        return [FILES, *damaged]
    return damaged


def stage_key(stage: str, config: Any, inputs: Mapping[str, Input]) -> str:
    """Return the hex key of a stage's result: version, config and input digests; no paths, no times."""
    parts = {
        "stage": stage,
        "version": STAGES[stage].version,
        "config": dataclasses.asdict(config),
        "inputs": {name: each.digest for name, each in sorted(inputs.items())},
    }
    return digest_of(parts)


def artifact_folder(workspace: Path, stage: str, label: str, key: str) -> Path:
    """Return the folder `workspace/stage/label-key8`."""
    return workspace / stage / f"{label}-{key[:8]}"


def find_artifact(workspace: Path, stage: str, key: str) -> Artifact | None:
    """Return the finished artifact of this key under any label, whole or damaged, or None."""
    for folder in sorted((workspace / stage).glob(f"*-{key[:8]}")):
        if (folder / MANIFEST).is_file():
            artifact = Artifact.read(folder)
            if artifact.manifest["key"] == key:
                return artifact
    return None


def artifacts_of(workspace: Path, stage: str) -> list[Artifact]:
    """Return a stage's finished artifacts, oldest first by their finishing time."""
    folders = [path.parent for path in (workspace / stage).glob(f"*/{MANIFEST}") if path.parent.suffix != ".partial"]
    return sorted(map(Artifact.read, folders), key=lambda artifact: artifact.manifest["finished_at"])


def made_from(artifacts: Iterable[Artifact], name: str, source: Artifact) -> list[Artifact]:
    """Return those artifacts whose input `name` is `source` by content, in their order."""
    return [each for each in artifacts if each.manifest["inputs"].get(name, {}).get("digest") == source.digest]


class Work:
    """A stage at work: where it writes, which of its items are done, what it counted."""

    def __init__(self, *, stage: str, path: Path, label: str, options: RunOptions, on_progress: NotedProgress | None):
        self.stage = stage
        self.path = path
        """The `.partial` folder to write files into."""
        self.label = label
        self.options = options
        self.funnel: dict[str, int] = {}
        """Rows left after each step, in order, such as {"rows": 67217, "in_subset": 37455}."""
        self.facts: dict[str, Any] = {}
        """Anything else worth keeping in the manifest (warnings, figures); JSON."""
        self.scratch: set[str] = set()
        """Files and folders (relative names) that are kept but are no content: logs, checkpoints."""
        self.num_items_run = 0
        """Items finished in this run, as against found done."""
        self._on_progress = on_progress
        self._items: dict[str, Path] = {}
        self._reusable: dict[tuple[str, str], Path] = {}
        (path / ITEMS).mkdir(parents=True, exist_ok=True)

    @property
    def num_items(self) -> int:
        """Items asked for so far."""
        return len(self._items)

    def is_scratch(self, name: str) -> bool:
        """Tell whether a file is kept without being content."""
        return any(name == each or name.startswith(f"{each}/") for each in self.scratch)

    def progress(self, done: int, total: int, note: str = "") -> None:
        """Tell whoever watches that `done` of `total` items are finished; the note says how it goes."""
        if self._on_progress is not None:
            self._on_progress(done, total, note)

    def offer_for_reuse(self, artifact_path: Path) -> None:
        """Let items of an older artifact of this stage stand in for equal ones (same id, same item key)."""
        for path in sorted((artifact_path / ITEMS).glob("*.json")):
            item = json.loads(path.read_text(encoding="utf-8"))
            self._reusable[item["item"], item["key"]] = path

    def item_done(self, item: str, key: str) -> bool:
        """Tell whether `item` with this key is finished, here or in an offered older artifact; failed ones are not.

        Call once per item, in the order in which their records shall be listed.
        """
        path = self.path / ITEMS / f"{digest_of(item)[:24]}.json"
        self._items[item] = path
        if path.is_file() and self._is_good(path, key):
            return True
        older = self._reusable.get((item, key))
        if older is None or not self._is_good(older, key):
            return False
        for name in json.loads(older.read_text(encoding="utf-8"))["files"]:
            target = self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            os.link(older.parent.parent / name, target)
        write_bytes(path, older.read_bytes())
        return True

    def _is_good(self, path: Path, key: str) -> bool:
        item = json.loads(path.read_text(encoding="utf-8"))
        whole = all(_size_of(f"{path.parent.parent}/{name}") == size for name, size in item["files"].items())
        failed = any(row["status"] == "failed" for row in item["rejected"])
        return item["key"] == key and whole and not failed

    def finish_item(
        self,
        item: str,
        key: str,
        *,
        kept: Iterable[Record] = (),
        rejected: Iterable[Record] = (),
        files: Iterable[str] = (),
    ) -> None:
        """Record an item as done: its kept rows, its rejected rows (`status` filtered | failed, `reason`), its files.

        `files` are names relative to `path`, already written in full.
        """
        self.num_items_run += 1
        sizes = {name: (self.path / name).stat().st_size for name in sorted(files)}
        content = {"item": item, "key": key, "kept": list(kept), "rejected": list(rejected), "files": sizes}
        # In one line: with an indent Python's own encoder is at work, which takes ten times as long.
        line = json.dumps(content, ensure_ascii=False) + "\n"
        write_bytes(self.path / ITEMS / f"{digest_of(item)[:24]}.json", line.encode())

    def collected(self) -> Iterator[tuple[list[Record], list[Record]]]:
        """Yield the kept and the rejected rows of each item, in the order of the `item_done` calls, one at a time."""
        for path in self._items.values():
            content = json.loads(path.read_text(encoding="utf-8"))
            yield content["kept"], content["rejected"]

    def collect(self) -> tuple[list[Record], list[Record]]:
        """Return the kept and the rejected rows of all items at once: for stages of few rows."""
        kept: list[Record] = []
        rejected: list[Record] = []
        for each_kept, each_rejected in self.collected():
            kept += each_kept
            rejected += each_rejected
        return kept, rejected

    def write_rows(self, kept: Iterable[Record], rejected: Iterable[Record] = ()) -> None:
        """Write `records.jsonl` and `rejected.jsonl`; the manifest counts them."""
        write_records(self.path / RECORDS, kept)
        write_records(self.path / REJECTED, rejected)


def _size_of(path: str) -> int | None:
    """Return a file's size in bytes, None when it is not there."""
    try:
        return os.stat(path).st_size
    except (FileNotFoundError, NotADirectoryError):
        return None
