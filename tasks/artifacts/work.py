"""A stage at work: its folder, its options, the done-records of its items, its counts."""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from modeling.atomic import sync_files, sync_folder, write_bytes
from modeling.json_text import parse_json
from modeling.visible import visible
from tasks.artifacts.artifact import ITEMS, RECORDS, REJECTED, NotedProgress, Record, digest_of, write_records
from tasks.artifacts.failures import shall_retry
from tasks.artifacts.file_list import FileEntry, is_altered, read_file_list
from tasks.artifacts.inside import inside, status_inside
from tasks.artifacts.swapping import link_or_copy
from tasks.config import RunOptions


class Work:
    """What a stage's function gets: the folder to write to, the finished items, the counts."""

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
        """Items that this run finished; those that were finished before do not count."""
        self._on_progress = on_progress
        self._items: dict[str, Path] = {}
        self._older: list[Path] = []
        self._listed: dict[Path, dict[str, FileEntry]] = {}
        (path / ITEMS).mkdir(parents=True, exist_ok=True)

    @property
    def num_items(self) -> int:
        """Items that the stage has named so far."""
        return len(self._items)

    def is_scratch(self, name: str) -> bool:
        """Tell whether a file is kept without being content."""
        return any(name == pattern or name.startswith(f"{pattern}/") for pattern in self.scratch)

    def progress(self, done: int, total: int, note: str = "") -> None:
        """Report that `done` of `total` items are finished; the note may say more about the progress."""
        if self._on_progress is not None:
            self._on_progress(done, total, note)

    def warn(self, *messages: str) -> None:
        """Show a warning at once, and keep it for the manifest and the report; an equal warning is given once."""
        known = self.facts.setdefault("warnings", [])
        for message in messages:
            if message not in known:
                known.append(message)
                with suppress(OSError):  # of a reader who is gone
                    print(f"{self.stage}: warning: {visible(message)}", file=sys.stderr, flush=True)

    def offer_for_reuse(self, artifact_path: Path) -> None:
        """Let items of an older artifact of this stage stand in for equal ones (same id, same item key).

        When several artifacts have the item, the one offered last is used.
        """
        self._older.insert(0, artifact_path)

    @property
    def offered(self) -> list[Path]:
        """Folders of older artifacts of this stage and version, the newest first; none where it is built afresh."""
        return list(self._older)

    def item_done(self, item: str, key: str) -> bool:
        """Tell whether `item` with this key is finished, in this artifact or in an offered older one.

        An item with failed rows counts as finished, unless another attempt may succeed or is requested (`shall_retry`).
        Call once per item, in the order in which their records shall be listed.
        """
        name = f"{ITEMS}/{digest_of(item)[:24]}.json"
        self._items[item] = self.path / name
        if (own := _read_item(self.path / name)) is not None and self._is_good(own, key) and _is_whole(self.path, own):
            return True
        for older in self._older:
            record = _read_item(older / name)
            if record is not None and self._is_good(record, key) and self._is_as_listed(older, record):
                self._take_over(older, record)
                write_bytes(self.path / name, (older / name).read_bytes())
                return True
        return False

    def _is_good(self, item: Record, key: str) -> bool:
        return bool(item["key"] == key) and not any(shall_retry(row, self.options) for row in item["rejected"])

    def _is_as_listed(self, artifact_path: Path, item: Record) -> bool:
        """Tell whether an item's files in an older artifact are unchanged, by its list of files."""
        if artifact_path not in self._listed:
            try:
                entries = {entry.name: entry for entry in read_file_list(artifact_path)}
            except (FileNotFoundError, ValueError):
                entries = {}
            self._listed[artifact_path] = entries
        listed = self._listed[artifact_path]
        return all(name in listed and not is_altered(artifact_path, listed[name], full=False) for name in item["files"])

    def _take_over(self, older: Path, item: Record) -> None:
        for name in item["files"]:
            target = inside(self.path, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            link_or_copy(inside(older, name), target)

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

        `files` are names relative to `path`; they are completely written. They and their folders are synced to the disk
        before the record. So a power cut may leave files without a record, but never a record of incomplete files.
        """
        self.num_items_run += 1
        sizes = {name: (self.path / name).stat().st_size for name in sorted(files)}
        sync_files(self.path, list(sizes))
        for folder in {(self.path / name).parent for name in sizes}:
            sync_folder(folder)
        content = {"item": item, "key": key, "kept": list(kept), "rejected": list(rejected), "files": sizes}
        # One line without indent: with one, json uses its encoder in Python, which takes ten times as long.
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


def _read_item(path: Path) -> Record | None:
    """Return an item's done-record; None when there is none, or when this project cannot have written it."""
    try:
        item = parse_json(path.read_bytes()) if path.is_file() else None
    except (OSError, ValueError):
        return None
    parts = {"key": str, "kept": list, "rejected": list, "files": dict}
    if not isinstance(item, dict) or not all(isinstance(item.get(name), kind) for name, kind in parts.items()):
        return None
    rows = [*item["kept"], *item["rejected"]]
    if not all(isinstance(row, dict) for row in rows):
        return None
    return (
        item
        if all(row.get("status") in ("filtered", "failed") and "reason" in row for row in item["rejected"])
        else None
    )


def _is_whole(folder: Path, item: Record) -> bool:
    """Tell whether all files of an item exist inside the folder."""
    statuses = ((status_inside(folder, name), size) for name, size in item["files"].items())
    return all(status is not None and status.st_size == size for status, size in statuses)
