"""URLs -> whole files with the right MD5, several at a time; what was cut off goes on where it stood.

A file grows as NAME.part beside its place and takes its name when it is complete and checked. NAME.part.json says
which file of the server it is a part of, so that a part is only ever continued with the rest of the same file.
"""

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from modeling.atomic import sync_file, sync_folder, write_json
from tasks.config import Patience
from tasks.fetching.http import (
    Stopped,
    Unsteady,
    check_status,
    content_range,
    new_client,
    persistently,
    size_at,
    validator_of,
)
from tasks.fetching.remote_video import FetchError

SPARE_BYTES = 1 << 30
"""Disk space that a download leaves free."""


@dataclass(frozen=True, kw_only=True)
class Download:
    """A file to fetch."""

    name: str
    """What it is called to people: a video id."""
    urls: tuple[str, ...]
    """Where it may lie; the first that is there is taken."""
    target: Path
    """Where it is put."""
    md5: str | None = None
    """Its MD5, where it is published."""


def download_all(
    downloads: Sequence[Download],
    *,
    connections: int,
    patience: Patience,
    on_bytes: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[tuple[Download, FetchError | None]]:
    """Fetch files, `connections` at a time; yield each with its error, or None when it is there.

    OSError when the disk has too little room for all that is missing: asked beforehand, so nothing is begun in vain.
    `on_bytes` is told (bytes there, bytes in all).
    """
    if not downloads:
        return
    stop = threading.Event()
    with new_client(patience) as client:
        pool = ThreadPoolExecutor(max_workers=connections)
        try:
            found = list(pool.map(lambda each: _locate(client, each, patience, stop), downloads))
            sizes = [size or 0 for _, size in found]
            _check_room(downloads, sizes)
            counted = _Counted(downloads, sizes, on_bytes)
            futures = {}
            for each, (url, _) in zip(downloads, found, strict=True):
                if isinstance(url, FetchError):
                    yield each, url
                else:
                    futures[pool.submit(fetch_file, client, url, each, patience, stop, counted.grown)] = each
            for future in as_completed(futures):
                try:
                    future.result()
                    yield futures[future], None
                except FetchError as error:
                    yield futures[future], error
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def _locate(
    client: httpx.Client, download: Download, patience: Patience, stop: threading.Event
) -> tuple[str | FetchError, int | None]:
    """Return the first URL that is there and its size, or why there is none."""
    gone: FetchError | None = None
    for url in download.urls:
        try:
            return url, size_at(client, url, patience, stop)
        except FetchError as error:
            if error.reason != "not_found":
                return error, None
            gone = gone or error
    return gone or FetchError("not_found", f"{download.name}: no address is known."), None


def _check_room(downloads: Sequence[Download], sizes: Sequence[int]) -> None:
    """Raise OSError when the files do not fit. All lie in one folder, so on one disk."""
    folder = _existing(downloads[0].target.parent)
    there = sum(_size_of(part_of(each.target)) for each in downloads)
    needed, free = sum(sizes) - there, shutil.disk_usage(folder).free - SPARE_BYTES
    if needed > free:
        raise OSError(
            f"The {len(downloads)} files to download need {needed / 1e9:.1f} GB and {max(free, 0) / 1e9:.1f} GB are "
            f"free at {folder}. Make room, or name a folder elsewhere with --videos"
        )


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())


class _Counted:
    """Adds up the bytes of all files as they grow."""

    def __init__(self, downloads: Sequence[Download], sizes: Sequence[int], on_bytes: Callable[[int, int], None]):
        self._there = {each.target: _size_of(part_of(each.target)) for each in downloads}
        self._total = sum(sizes)
        self._on_bytes = on_bytes
        self._lock = threading.Lock()

    def grown(self, target: Path, size: int) -> None:
        with self._lock:
            self._there[target] = size
            done = sum(self._there.values())
            self._on_bytes(min(done, self._total), self._total)


def part_of(target: Path) -> Path:
    """Return where a file grows."""
    return target.with_name(target.name + ".part")


def _note_of(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def fetch_file(
    client: httpx.Client,
    url: str,
    download: Download,
    patience: Patience,
    stop: threading.Event | None = None,
    on_growth: Callable[[Path, int], None] = lambda target, size: None,
) -> None:
    """Fetch one file to its target. FetchError: unreachable, not_found, refused, wrong_checksum.

    When a file put together from several attempts has the wrong MD5, it is fetched once more in one piece: its
    beginning may be from another time, at a server that gives no means to tell.
    """
    part = part_of(download.target)
    part.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(2):
        transfer = _Transfer(client, url, part, stop or threading.Event(), lambda n: on_growth(download.target, n))
        persistently(transfer.attempt, patience, progress=lambda: _size_of(part), stop=stop)
        found = md5_of(part) if download.md5 else None
        if found == download.md5:
            sync_file(part)
            os.replace(part, download.target)
            _note_of(part).unlink(missing_ok=True)
            sync_folder(part.parent)
            return
        part.unlink()
        _note_of(part).unlink(missing_ok=True)
        if not transfer.was_continued:
            break
    raise FetchError(
        "wrong_checksum",
        f"{url}: what came has the MD5 {found}, not the published {download.md5}; it was thrown away.",
    )


class _Transfer:
    """The attempts at one file."""

    def __init__(
        self, client: httpx.Client, url: str, part: Path, stop: threading.Event, on_growth: Callable[[int], None]
    ):
        self.client, self.url, self.part, self.stop, self.on_growth = client, url, part, stop, on_growth
        self.was_continued = False
        """Some attempt began where another had broken off."""

    def attempt(self) -> None:
        """Bring the part to its full size; httpx.TransportError or Unsteady when it breaks off."""
        there = _size_of(self.part)
        note = self._note() if there else {}
        if there and note.get("url") != self.url:
            there = 0
        headers = {"Range": f"bytes={there}-"} if there else {}
        if there and note.get("validator"):
            headers["If-Range"] = str(note["validator"])
        with self.client.stream("GET", self.url, headers=headers) as response:
            check_status(response, (200, 206, 416) if there else (200,))
            first, size = content_range(response)
            if response.status_code == 416:
                if size == there:
                    return
                self._discard()
                raise Unsteady(f"{self.url}: the part that is here is no part of the file there", wait_s=0)
            if response.status_code == 206 and (first != there or note.get("size") not in (None, size)):
                self._discard()
                raise Unsteady(f"{self.url}: the server sends another part than was asked for", wait_s=0)
            if response.status_code == 200:
                there = 0  # no Range at this server, or the file is another one by now
                length = response.headers.get("Content-Length", "")
                size = int(length) if length.isdigit() else None
                write_json(_note_of(self.part), {"url": self.url, "validator": validator_of(response), "size": size})
            self.was_continued = self.was_continued or there > 0
            self._write(response, there)
        if size is not None and _size_of(self.part) != size:
            raise Unsteady(f"{self.url}: the answer breaks off")

    def _write(self, response: httpx.Response, there: int) -> None:
        with self.part.open("r+b" if there else "wb") as file:
            file.seek(there)
            for chunk in response.iter_raw():  # as it comes: what has come before a break counts
                if self.stop.is_set():
                    raise Stopped
                file.write(chunk)
                file.flush()
                there += len(chunk)
                self.on_growth(there)

    def _note(self) -> dict[str, str | int | None]:
        with suppress(OSError, ValueError):
            note = json.loads(_note_of(self.part).read_text(encoding="utf-8"))
            if isinstance(note, dict):
                return note
        return {}

    def _discard(self) -> None:
        self.part.unlink(missing_ok=True)
        _note_of(self.part).unlink(missing_ok=True)


def md5_of(path: Path) -> str:
    """Return the hex MD5 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _size_of(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
