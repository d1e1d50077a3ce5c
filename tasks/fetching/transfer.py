"""One file at an address -> NAME.part: several attempts, each of which continues where the last one broke off.

NAME.part.json identifies the server's file. A file grows at most to the size that its server gave, or to a bound where
it gave none, and never fills the disk.
"""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx

from modeling.atomic import write_json
from modeling.json_text import parse_json
from tasks.artifacts.addresses import shown_address
from tasks.config import SPARE_BYTES, Patience
from tasks.fetching.asking import answer_to
from tasks.fetching.http import (
    MAX_UNTOLD_BYTES,
    Pace,
    Stopped,
    Unsteady,
    check_status,
    content_length,
    content_range,
    is_packed,
    is_same_version,
    validator_of,
)
from tasks.fetching.remote_video import FetchError

CHECK_ROOM_EVERY = 64 << 20
"""Bytes between two checks of the free disk space."""
MAX_NOTE_BYTES = 1 << 20
"""Largest size of a NAME.part.json; ours have some hundred bytes."""


def part_of(target: Path) -> Path:
    """Return the path of a growing file."""
    return target.with_name(target.name + ".part")


def note_of(part: Path) -> Path:
    return part.with_name(part.name + ".json")


class Transfer:
    """The attempts at one file."""

    def __init__(
        self,
        client: httpx.Client,
        url: str,
        part: Path,
        patience: Patience,
        stop: threading.Event,
        on_growth: Callable[[int], None],
    ):
        self.client, self.url, self.part, self.stop, self.on_growth = client, url, part, stop, on_growth
        self.patience = patience
        self.shown = shown_address(url)
        """The address for files and messages."""
        self.was_continued = False
        """True when an attempt continued an earlier one."""
        self.content_type = ""
        """The server's validator of the file."""

    def attempt(self) -> None:
        """Fetch the rest of the part; httpx.TransportError or Unsteady when the transfer breaks off."""
        there = size_of(self.part)
        note = self._note() if there else {}
        if there and note.get("url") != self.shown:
            there = 0
        headers = {"Range": f"bytes={there}-"} if there else {}
        if there and note.get("validator"):
            headers["If-Range"] = str(note["validator"])
        with answer_to(self.client, "GET", self.url, headers) as response:
            check_status(response, (200, 206, 416) if there else (200,))
            self.content_type = str(response.headers.get("Content-Type", ""))
            first, size = content_range(response)
            if response.status_code == 416:
                if size == there:
                    return
                self._discard()
                raise Unsteady(f"{self.shown}: the part that is here is no part of the file there", wait_s=0)
            packed = is_packed(response)
            is_other = first != there or note.get("size") not in (None, size) or packed
            if response.status_code == 206 and (
                is_other or not is_same_version(response, str(note.get("validator") or ""))
            ):
                self._discard()
                raise Unsteady(f"{self.shown}: the server sends another part than was asked for", wait_s=0)
            if response.status_code == 200:
                there = 0  # the server ignores Range, or the file has changed
                size = None if packed else content_length(response)
                validator = "" if packed else validator_of(response)
                write_json(note_of(self.part), {"url": self.shown, "validator": validator, "size": size})
            self.was_continued = self.was_continued or there > 0
            self._write(response.iter_bytes() if packed else response.iter_raw(), there, size)
        if size is not None and size_of(self.part) != size:
            raise Unsteady(f"{self.shown}: the answer breaks off")

    def _write(self, chunks: Iterator[bytes], there: int, size: int | None) -> None:
        """Append the answer to the part, at most up to the file's size, or MAX_UNTOLD_BYTES when it is unknown.

        After FetchError `too_large` or `no_room` nothing of the file remains.
        """
        pace = Pace(self.url, self.patience, most=(MAX_UNTOLD_BYTES if size is None else size) - there)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | (0 if there else os.O_TRUNC)
        unchecked = 0
        with os.fdopen(os.open(self.part, flags, 0o666), "r+b") as file:
            file.seek(there)
            try:
                for chunk in chunks:  # unbuffered: bytes before an interruption count
                    if self.stop.is_set():
                        raise Stopped
                    pace.came(len(chunk))
                    file.write(chunk)
                    file.flush()
                    there, unchecked = there + len(chunk), unchecked + len(chunk)
                    self.on_growth(there)
                    if unchecked >= CHECK_ROOM_EVERY:
                        unchecked = 0
                        self._check_room()
            except FetchError:
                self._discard()
                raise
            except httpx.DecodingError as error:
                self._discard()
                raise Unsteady(f"{self.shown}: the packed answer is damaged") from error

    def _check_room(self) -> None:
        if shutil.disk_usage(self.part.parent).free < SPARE_BYTES:
            raise FetchError("no_room", f"{self.shown}: it fills the disk at {self.part.parent}. Make room.")

    def _note(self) -> dict[str, str | int | None]:
        with suppress(OSError, ValueError):
            path = note_of(self.part)
            note = parse_json(path.read_bytes()) if path.stat().st_size <= MAX_NOTE_BYTES else None
            if isinstance(note, dict):
                return note
        return {}

    def _discard(self) -> None:
        self.part.unlink(missing_ok=True)
        note_of(self.part).unlink(missing_ok=True)


def size_of(path: Path) -> int:
    """Return the size of a file in bytes; 0 when it does not exist."""
    return path.stat().st_size if path.is_file() else 0
