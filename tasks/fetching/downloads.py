"""URLs -> whole files with the right MD5, several at a time; an interrupted download continues.

A file grows as NAME.part and gets its name when it is complete and checked. NAME.part.json identifies the server's
file, so a part is only continued with the rest of the same file.
"""

import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from modeling.atomic import remove_unfinished, sync_file, sync_folder
from tasks.artifacts.addresses import shown_address
from tasks.config import SPARE_BYTES, Patience
from tasks.fetching.asking import new_client
from tasks.fetching.content import ARCHIVES, HEAD_BYTES, TEXT_SUFFIXES, why_no_video
from tasks.fetching.http import (
    MAX_FILE_BYTES,
    MAX_UNTOLD_BYTES,
    persistently,
    size_at,
)
from tasks.fetching.remote_video import FetchError
from tasks.fetching.transfer import Transfer, note_of, part_of, size_of


@dataclass(frozen=True, kw_only=True)
class Download:
    """A file to fetch."""

    name: str
    """Name in messages: a video id."""
    urls: tuple[str, ...]
    """Possible addresses; the first one that exists is used."""
    target: Path
    """Path to write to."""
    md5: str | None = None
    """Published MD5, where there is one."""


def download_all(
    downloads: Sequence[Download],
    *,
    connections: int,
    patience: Patience,
    on_bytes: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[tuple[Download, FetchError | None]]:
    """Fetch files, `connections` at a time; yield each with its error, or None on success.

    OSError when the disk has too little space for all missing files; this is checked before the first download.
    `on_bytes` is called with (bytes fetched, bytes in all).
    """
    if not downloads:
        return
    stop = threading.Event()
    with new_client(patience) as client:
        pool = ThreadPoolExecutor(max_workers=connections)
        try:
            addresses = list(pool.map(lambda download: _locate(client, download, patience, stop), downloads))
            addresses = [
                _unless_too_large(download, *there) for download, there in zip(downloads, addresses, strict=True)
            ]
            sizes = [size or 0 for _, size in addresses]
            _check_room(downloads, sizes)
            counted = _Counted(downloads, sizes, on_bytes)
            futures = {}
            for download, (url, _) in zip(downloads, addresses, strict=True):
                if isinstance(url, FetchError):
                    yield download, url
                else:
                    futures[pool.submit(fetch_file, client, url, download, patience, stop, counted.grown)] = download
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
    """Return the first URL that exists and its size, or the error."""
    gone: FetchError | None = None
    for url in download.urls:
        try:
            return url, size_at(client, url, patience, stop)
        except FetchError as error:
            if error.reason != "not_found":
                return error, None
            gone = gone or error
    return gone or FetchError("not_found", f"{download.name}: no address is known."), None


def _unless_too_large(
    download: Download, url: str | FetchError, size: int | None
) -> tuple[str | FetchError, int | None]:
    """Return the place and size, or FetchError `too_large` for a file that the disk can never hold: it fails alone."""
    folder = _existing(download.target.parent)
    free = shutil.disk_usage(folder).free - SPARE_BYTES + size_of(part_of(download.target))
    if isinstance(url, FetchError) or size is None or size <= min(MAX_FILE_BYTES, max(free, MAX_UNTOLD_BYTES)):
        return url, size
    message = f"{shown_address(url)}: the server says {size} bytes; the disk has no room for them."
    return FetchError("too_large", message), None


def _check_room(downloads: Sequence[Download], sizes: Sequence[int]) -> None:
    """Raise OSError when the files do not fit. All lie in one folder, so on one disk."""
    folder = _existing(downloads[0].target.parent)
    there = sum(size_of(part_of(download.target)) for download in downloads)
    needed, free = sum(sizes) - there, shutil.disk_usage(folder).free - SPARE_BYTES
    if needed > free:
        size, largest = max(zip(sizes, (download.name for download in downloads), strict=True))
        raise OSError(
            f"The {len(downloads)} files to download need {needed / 1e9:.1f} GB ({largest} alone {size / 1e9:.1f} GB) "
            f"and {max(free, 0) / 1e9:.1f} GB are free at {folder}. Make room, or name a folder elsewhere with --videos"
        )


def _existing(folder: Path) -> Path:
    return next(ancestor for ancestor in (folder, *folder.parents) if ancestor.exists())


class _Counted:
    """Adds up the bytes of all files as they grow."""

    def __init__(self, downloads: Sequence[Download], sizes: Sequence[int], on_bytes: Callable[[int, int], None]):
        self._there = {download.target: size_of(part_of(download.target)) for download in downloads}
        self._total = sum(sizes)
        self._on_bytes = on_bytes
        self._lock = threading.Lock()

    def grown(self, target: Path, size: int) -> None:
        with self._lock:
            self._there[target] = size
            done = sum(self._there.values())
            self._on_bytes(min(done, self._total), self._total)


def fetch_file(
    client: httpx.Client,
    url: str,
    download: Download,
    patience: Patience,
    stop: threading.Event | None = None,
    on_growth: Callable[[Path, int], None] = lambda target, size: None,
) -> None:
    """Fetch one file to its target. FetchError: unreachable, not_found, refused, wrong_checksum, not_a_video.

    When a file from several attempts has the wrong MD5, it is fetched once more in one piece: the server may have
    changed the file between the attempts without any sign.
    """
    part = part_of(download.target)
    part.parent.mkdir(parents=True, exist_ok=True)
    remove_unfinished(note_of(part))
    for _ in range(2):
        told = partial(on_growth, download.target)
        transfer = Transfer(client, url, part, patience, stop or threading.Event(), told)
        persistently(transfer.attempt, patience, progress=lambda: size_of(part), stop=stop)
        actual_md5 = md5_of(part) if download.md5 else None
        if actual_md5 == download.md5:
            _refuse_page(part, download, transfer)
            sync_file(part)
            os.replace(part, download.target)
            note_of(part).unlink(missing_ok=True)
            sync_folder(part.parent)
            return
        part.unlink()
        note_of(part).unlink(missing_ok=True)
        if not transfer.was_continued:
            break
    raise FetchError(
        "wrong_checksum",
        f"{shown_address(url)}: what came has the MD5 {actual_md5}, not the published {download.md5}; "
        "it was thrown away.",
    )


def _refuse_page(part: Path, download: Download, transfer: Transfer) -> None:
    """Remove the file and raise FetchError when it is a page of text that came with status 200."""
    if download.md5 or not TEXT_SUFFIXES.isdisjoint(map(str.lower, download.target.suffixes)):
        return
    with part.open("rb") as file:
        is_archive = download.target.suffix.lower() in ARCHIVES
        wrong = why_no_video(file.read(HEAD_BYTES), transfer.content_type, is_archive=is_archive)
    if wrong is not None:
        part.unlink()
        note_of(part).unlink(missing_ok=True)
        raise FetchError(
            "not_a_video", f"{transfer.shown}: the server sent no video: it is {wrong}; it was thrown away."
        )


def md5_of(path: Path) -> str:
    """Return the hex MD5 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
