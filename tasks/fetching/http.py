"""HTTP over unreliable connections: retries, resumes, errors with a countable reason.

A request is tried again when the connection breaks, the server stalls, or the answer is 5xx, 408 or 429. Every other
answer that is no success raises FetchError at once. An attempt that received bytes resets the count of failures, so a
download of gigabytes survives any number of breaks.
"""

import random
import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import httpx

from tasks.artifacts.addresses import shown_address
from tasks.config import Patience
from tasks.fetching.asking import MIN_BYTES_PER_S, answer_to
from tasks.fetching.remote_video import FetchError

T = TypeVar("T")

NOT_FOUND = frozenset({404, 410})
WORTH_RETRYING = frozenset({408, 425, 429, 500, 502, 503, 504, 507, 509})


MAX_FILE_BYTES = 1 << 40
"""A file that claims a larger size is not fetched; the largest known archive of videos has a tenth of this."""
MAX_UNTOLD_BYTES = 1 << 30
"""Largest number of bytes to fetch of a file whose size the server does not give."""


class Pace:
    """Counts what an answer brings, and gives up one that brings too little or more than it may."""

    def __init__(self, url: str, patience: Patience, most: int):
        self._shown, self._patience, self._most = shown_address(url), patience, most
        self._since, self._in_window, self._total = time.monotonic(), 0, 0

    def came(self, num_bytes: int) -> None:
        """Count the next bytes. Unsteady for a trickle, FetchError `too_large` for more than may come."""
        self._total += num_bytes
        self._in_window += num_bytes
        if self._total > self._most:
            raise FetchError("too_large", f"{self._shown}: more than the {self._most} bytes that may come were sent.")
        seconds = time.monotonic() - self._since
        if seconds >= self._patience.stall_s:
            if self._in_window < MIN_BYTES_PER_S * seconds:
                raise Unsteady(f"{self._shown}: fewer than {MIN_BYTES_PER_S} bytes a second")
            self._since, self._in_window = time.monotonic(), 0


class Stopped(Exception):
    """The caller does not need the answer any more, so the transfer ends."""


class Unsteady(Exception):
    """A failure that another attempt may cure; `wait_s`: seconds that the server asks us to wait, or None."""

    def __init__(self, message: str, wait_s: float | None = None):
        super().__init__(message)
        self.wait_s = wait_s


def persistently(
    attempt: Callable[[], T],
    patience: Patience,
    *,
    progress: Callable[[], int] = lambda: 0,
    stop: threading.Event | None = None,
) -> T:
    """Return the result of `attempt`; try again while it breaks off; FetchError `unreachable` when patience ends.

    `progress` returns the number of bytes received. Raises Stopped when `stop` is set meanwhile.
    """
    stop = stop or threading.Event()
    failures, begun_at = 0, time.monotonic()
    while True:
        before = progress()
        try:
            return attempt()
        except (httpx.TooManyRedirects, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise FetchError("refused", f"{_said(error)}.") from error
        except (httpx.TransportError, Unsteady) as error:
            # A few bytes at every attempt would go on for ever, so only a sufficient rate counts as progress.
            gained, seconds = progress() - before, time.monotonic() - begun_at
            failures = 1 if gained > 0 and gained >= MIN_BYTES_PER_S * seconds else failures + 1
            begun_at = time.monotonic()
            if failures > patience.retries:
                raise FetchError("unreachable", f"{_said(error)}, {failures} times in a row.") from error
            asked_s = error.wait_s if isinstance(error, Unsteady) else None
            # Full jitter: clients that were disconnected together do not all return at the same moment.
            wait_s = random.uniform(0, patience.first_wait_s * 2**failures) if asked_s is None else asked_s
            if stop.wait(min(wait_s, patience.longest_wait_s)):
                raise Stopped from error


def check_status(response: httpx.Response, accepted: Sequence[int]) -> None:
    """Return when the status is an accepted one; else Unsteady or FetchError `not_found` or `refused`."""
    status = response.status_code
    if status in accepted:
        return
    said = f"{shown_address(str(response.url))}: the server answers {status} {response.reason_phrase}".rstrip()
    if status in WORTH_RETRYING:
        asked = response.headers.get("Retry-After", "")
        raise Unsteady(said, float(asked) if re.fullmatch(r"\d{1,6}", asked) else None)
    if status in NOT_FOUND:
        raise FetchError("not_found", f"{said}.")
    raise FetchError("refused", f"{said}.")


def validator_of(response: httpx.Response) -> str:
    """Return the validator for If-Range, which identifies this version of the file: a strong ETag, else the date, else
    "".
    """
    etag = str(response.headers.get("ETag", ""))
    return etag if etag.startswith('"') else str(response.headers.get("Last-Modified", ""))


def is_same_version(response: httpx.Response, validator: str) -> bool:
    """Tell whether an answer may be of the file that had the validator: some servers ignore If-Range."""
    told = response.headers.get("ETag" if validator.startswith('"') else "Last-Modified")
    return not validator or told is None or told == validator


def is_packed(response: httpx.Response) -> bool:
    """Tell whether the server packs the file although it was asked not to. FetchError for a packing not read here."""
    packing = response.headers.get("Content-Encoding", "identity").strip().lower() or "identity"
    if packing not in ("identity", "gzip", "deflate"):
        where = shown_address(str(response.url))
        raise FetchError("refused", f"{where}: the server packs the file by {packing[:20]!r}, which is not read here.")
    return packing != "identity"


def check_ranged(response: httpx.Response) -> None:
    """Return when an answer has bytes of the file, or the whole file; FetchError where the server packs them."""
    check_status(response, (200, 206))
    if is_packed(response):
        where = shown_address(str(response.url))
        raise FetchError("no_ranges", f"{where}: the server packs the file, so it has no parts. Use --fetch download.")


def content_range(response: httpx.Response) -> tuple[int | None, int | None]:
    """Return (first byte, size of the file) of a Content-Range, such as "bytes 5-9/10" or "bytes */10"."""
    parts = re.fullmatch(
        r"bytes (?:(\d{1,19})-\d{1,19}|\*)/(\d{1,19}|\*)", response.headers.get("Content-Range", "").strip()
    )
    if parts is None:
        return None, None
    first, size = parts[1], parts[2]
    return (int(first) if first else None), (None if size == "*" else int(size))


def content_length(response: httpx.Response) -> int | None:
    """Return the Content-Length of an answer; None where there is none, or no number of a file's size."""
    length = response.headers.get("Content-Length", "")
    return int(length) if re.fullmatch(r"[0-9]{1,19}", length) else None


def size_at(client: httpx.Client, url: str, patience: Patience, stop: threading.Event | None = None) -> int | None:
    """Return the size of the file at `url`, by HEAD; None when the server does not give it. FetchError when it does not
    exist.
    """

    def ask() -> int | None:
        with answer_to(client, "HEAD", url) as response:
            status = response.status_code
            if status == 501 or (400 <= status < 500 and status not in WORTH_RETRYING | NOT_FOUND):
                return None  # a server without HEAD, or one that forbids it: GET will tell
            check_status(response, (200, 204))
            return content_length(response)

    return persistently(ask, patience, stop=stop)


def _said(error: Exception) -> str:
    """Return a message without details that change between attempts, because artifacts list the failures."""
    if isinstance(error, Unsteady):
        return str(error)
    request = getattr(error, "_request", None)
    where = f"{shown_address(str(request.url))}: " if request is not None else ""
    if isinstance(error, httpx.TimeoutException):
        return f"{where}no answer in time"
    if isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError):
        return f"{where}no connection, or one that breaks off"
    return f"{where}{shown_in(str(error)) or type(error).__name__}".rstrip(".")


def shown_in(message: str) -> str:
    """Return a library's message with the secrets of its addresses removed."""
    return re.sub(r"[a-z]+://[^\s'\"]+", lambda address: shown_address(address[0]), message)
