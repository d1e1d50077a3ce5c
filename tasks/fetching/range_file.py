"""A file at an address that is read like a local one: only the needed blocks are fetched, by HTTP Range, and only once.

What has been fetched lies in a temporary sparse file, so memory stays small however large the video, and a second
pass costs no transfer. Three things keep requests few: reading on grows the stretch fetched at once, `prefetch` takes
stretches that are known beforehand and fetches them in a thread of its own while the reader works, and stretches that
lie close together are fetched as one. Bytes declared `hollow` are not fetched by reading: they read as zeros.
"""

import io
import os
import tempfile
import threading
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

import httpx

from tasks.config import SPARE_BYTES
from tasks.fetching.asking import answer_to, new_client
from tasks.fetching.http import (
    MAX_FILE_BYTES,
    Pace,
    Stopped,
    Unsteady,
    check_ranged,
    content_length,
    content_range,
    persistently,
    validator_of,
)
from tasks.fetching.remote_video import FetchError, RemoteVideo
from tasks.fetching.stretches import Stretch, merged

BLOCK = 1 << 16
MAX_AHEAD = 64
"""Largest number of blocks in one request while a file is read continuously."""
CHECK_ROOM_EVERY = 64 << 20
"""Bytes between two checks of the free disk space."""
MAX_GAP = 4
"""Gaps of at most this many blocks between two stretches are fetched too, to save a request."""

Span = tuple[int, int]
"""First byte, and the byte after the last."""


class RangeFile(io.RawIOBase):
    """An opened RemoteVideo: `read`, `seek` and `tell` of a binary file. Read by one thread."""

    def __init__(self, video: RemoteVideo):
        """Fetch the first block, whose answer gives the size. FetchError when the server does not give the size."""
        self.name = video.name
        self.num_fetched = 0
        """Number of transferred bytes."""
        self.error: BaseException | None = None
        """The error of a failed read, kept because libraries in between may swallow it."""
        self.is_whole = False
        """True when it had to be read whole."""
        self.hollow: Sequence[Span] = ()
        """Ascending spans that are read as zeros where they are not fetched."""
        self._video = video
        self._client = new_client(video.patience)
        self._validator = ""
        self._position = 0
        self._ahead, self._read_on_at = 1, 1
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._prefetching: threading.Thread | None = None
        self._file = tempfile.TemporaryFile(dir=video.cache)  # noqa: SIM115 (closed with this)
        self._have = bytearray(1)
        self._due: set[int] = set()
        self._unchecked = 0
        self.size = -1
        try:
            self._fetch(0, BLOCK)
        except BaseException:
            self.close()
            raise

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        self._position = max(start + offset, 0)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Return the next bytes, as many as requested unless the file ends. FetchError when they cannot be read."""
        content = self.read_at(self._position, self.size if size is None or size < 0 else size)
        self._position += len(content)
        return content

    def read_at(self, first: int, length: int) -> bytes:
        """Return the bytes from `first` on; the position does not change."""
        length = max(min(length, self.size - first), 0)
        try:
            if length:
                self._provide(first, first + length)
        except BaseException as error:
            self.error = self.error or error
            raise
        return os.pread(self._file.fileno(), length, first)  # blocks that were never written are read as zeros

    def prefetch(self, spans: Iterable[Span]) -> None:
        """Fetch spans in the background, in their order; a read of one of them waits for it."""
        blocks = [(first // BLOCK, -(-stop // BLOCK)) for first, stop in spans]
        stretches = merged(blocks, MAX_GAP)
        self._due = {block for first, last in stretches for block in range(first, last) if not self._have[block]}
        self._prefetching = threading.Thread(target=self._fetch_due, args=(stretches,), daemon=True)
        self._prefetching.start()

    def read_whole(self) -> None:
        """Stop reading parts: from now on nothing is hollow."""
        self.hollow, self.is_whole = (), True

    def close(self) -> None:
        """Close the connection and remove the fetched bytes."""
        if not self.closed:
            self._stop.set()
            if self._prefetching is not None:
                self._prefetching.join()
            self._client.close()
            self._file.close()
        super().close()

    def _fetch_due(self, stretches: list[tuple[int, int]]) -> None:
        try:
            for first, last in stretches:
                for start, stop in self._missing(first, last):
                    self._fetch(start * BLOCK, stop * BLOCK)
        except BaseException as error:
            self.error = self.error or error
        finally:
            with self._changed:
                self._due = set()
                self._changed.notify_all()

    def _provide(self, first: int, stop: int) -> None:
        """Make sure that [first, stop) is fetched, except hollow spans."""
        for block in range(first // BLOCK, -(-stop // BLOCK)):
            with self._changed:
                while block in self._due and not self._have[block]:
                    self._changed.wait()
            if self._have[block] or self._is_hollow(max(first, block * BLOCK), min(stop, (block + 1) * BLOCK)):
                continue
            if self.error is not None:
                raise self.error
            self._ahead = min(self._ahead * 2, MAX_AHEAD) if block == self._read_on_at else 1
            wanted = max(block + self._ahead, -(-stop // BLOCK))
            start, end = next(self._missing(block, min(wanted, len(self._have))))
            self._fetch(start * BLOCK, end * BLOCK)
            self._read_on_at = end

    def _is_hollow(self, first: int, stop: int) -> bool:
        place = bisect_right(self.hollow, (first, self.size)) - 1
        return place >= 0 and self.hollow[place][0] <= first and stop <= self.hollow[place][1]

    def _missing(self, first: int, stop: int) -> Iterator[tuple[int, int]]:
        """Yield the stretches of blocks in [first, stop) that are not fetched."""
        block = first
        while block < stop:
            if self._have[block]:
                block += 1
                continue
            end = block
            while end < stop and not self._have[end]:
                end += 1
            yield block, end
            block = end

    def _fetch(self, first: int, stop: int) -> None:
        """Fetch [first, stop), which begins with a block; after an interruption, continue at the same place."""
        fetched = Stretch(first, stop)
        persistently(lambda: self._attempt(fetched), self._video.patience, progress=lambda: fetched.at, stop=self._stop)

    def _attempt(self, stretch: Stretch) -> None:
        stop = stretch.stop if self.size < 0 else min(stretch.stop, self.size)
        headers = {"Range": f"bytes={stretch.at}-{stop - 1}"}
        if self._validator:
            headers["If-Range"] = self._validator
        with answer_to(self._client, "GET", self._video.url, headers) as response:
            if response.status_code == 416 and content_range(response)[1] == 0:
                raise FetchError("empty_file", f"{self._video.shown}: the file is empty.")
            check_ranged(response)
            first, size = content_range(response)
            if response.status_code == 200:
                first, size = 0, content_length(response)
            self._accept(response, size)
            if first is None or (response.status_code == 206 and first != stretch.at):
                raise Unsteady(f"{self._video.shown}: the server sends another part than was asked for")
            self._take(response, stretch, first)

    def _accept(self, response: httpx.Response, size: int | None) -> None:
        """Read size and validator from the first answer, and require the same of later answers."""
        if self.size < 0:
            if size is None:
                raise FetchError("no_ranges", f"{self._video.shown}: the server does not tell the file's size.")
            if size > MAX_FILE_BYTES:
                message = f"{self._video.shown}: the server says {size} bytes; more than {MAX_FILE_BYTES} are not read."
                raise FetchError("too_large", message)
            self.size, self._validator = size, validator_of(response)
            self._have = bytearray(-(-size // BLOCK))
            try:
                os.truncate(self._file.fileno(), size)  # a sparse file: takes no room
            except OSError as error:
                message = f"{self._video.shown}: {size} bytes are more than the disk can hold ({error.strerror})."
                raise FetchError("too_large", message) from error
        if size != self.size or validator_of(response) != self._validator or self._video.size not in (None, size):
            message = f"{self._video.shown}: changed since it was found. Run again with --refresh videos."
            raise FetchError("video_changed", message)

    def _take(self, response: httpx.Response, stretch: Stretch, first: int) -> None:
        """Store an answer that begins at byte `first`: the stretch, or the whole file where Range is unknown."""
        at = first
        # The whole file where the server ignores Range; bytes after the requested range are not stored.
        stop = self.size if response.status_code == 200 else min(stretch.stop, self.size)
        pace = Pace(self._video.url, self._video.patience, most=self.size + BLOCK)
        for chunk in response.iter_raw():
            if self._stop.is_set():
                raise Stopped
            pace.came(len(chunk))
            chunk = chunk[: max(stop - at, 0)]
            if not chunk:
                break
            self._check_room(len(chunk))
            os.pwrite(self._file.fileno(), chunk, at)
            begun, at = at, at + len(chunk)
            with self._changed:
                self.num_fetched += len(chunk)
                # Every answer begins at a block, or continues a block whose beginning is stored.
                for block in range(begun // BLOCK, len(self._have) if at >= self.size else at // BLOCK):
                    self._have[block] = 1
                self._changed.notify_all()
            stretch.at = max(stretch.at, at)
        if stretch.at < min(stretch.stop, self.size):
            raise Unsteady(f"{self._video.shown}: the answer breaks off")

    def _check_room(self, num_bytes: int) -> None:
        """FetchError `no_room` before the fetched bytes fill the disk."""
        self._unchecked += num_bytes
        if self._unchecked >= CHECK_ROOM_EVERY:
            self._unchecked = 0
            status = os.fstatvfs(self._file.fileno())
            if status.f_bavail * status.f_frsize < SPARE_BYTES:
                raise FetchError("no_room", f"{self._video.shown}: what is read of it fills the disk. Make room.")
