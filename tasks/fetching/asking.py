"""A request -> an answer whose body is read piece by piece, with bounds on everything that the server sends.

httpx bounds each single wait, so a server that sends one byte now and then blocks it for ever: in the head of an
answer, between the pieces of a body, and in the bodies of redirects, which httpx also reads into memory. So the pace is
measured where bytes come from the connection, the bytes and the seconds of a head are bounded, and redirects are
followed here without their bodies.
"""

import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpcore
import httpx

from tasks.config import Patience

MIN_BYTES_PER_S = 100
"""A server that is slower than this for `Patience.stall_s` seconds counts as stalled."""
MAX_HEAD_BYTES = 1 << 18
"""Largest head of one answer, with preliminary answers such as 103; httpx allows 100 KB for each of them."""
MAX_REDIRECTS = 20


@dataclass
class _Head:
    """The head of an awaited answer."""

    num_bytes: int = 0
    waited_s: float = 0.0


_awaited: ContextVar[_Head | None] = ContextVar("_awaited", default=None)
"""The head that this thread awaits; None while it reads a body."""


def new_client(patience: Patience) -> httpx.Client:
    """Return a client, to be closed by the caller; it may be shared by threads.

    Requests ask for uncompressed bytes: a compressed answer would have other ranges and another length.
    """
    client = httpx.Client(
        verify=_certificates(),
        follow_redirects=False,  # `answer_to` does
        timeout=httpx.Timeout(patience.stall_s),
        headers={"Accept-Encoding": "identity", "User-Agent": "editaction"},
    )
    # httpx has no public way to keep its proxies and to see the bytes of the connection.
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx.HTTPTransport):
            transport._pool._network_backend = _Lines(transport._pool._network_backend, patience.stall_s)
    return client


@cache
def _certificates() -> ssl.SSLContext:
    """Return the certificates to trust; read once per process, because reading takes 50 ms."""
    return httpx.create_ssl_context()


@contextmanager
def answer_to(
    client: httpx.Client, method: str, url: str, headers: Mapping[str, str] | None = None
) -> Iterator[httpx.Response]:
    """Yield the answer to a request with its body unread; redirects are followed. Raises the errors of httpx."""
    request = client.build_request(method, url, headers=headers)
    for _ in range(MAX_REDIRECTS + 1):
        waits = _awaited.set(_Head())
        try:
            response = client.send(request, stream=True)
        finally:
            _awaited.reset(waits)
        try:
            if response.next_request is None:
                yield response
                return
            request = response.next_request
        finally:
            response.close()
    raise httpx.TooManyRedirects(f"more than {MAX_REDIRECTS} redirects", request=request)


class _Lines(httpcore.NetworkBackend):
    """Opens connections with a measured pace."""

    def __init__(self, inner: httpcore.NetworkBackend, stall_s: float):
        self._inner, self._stall_s = inner, stall_s

    def connect_tcp(self, *arguments: Any, **options: Any) -> httpcore.NetworkStream:
        return _Line(self._inner.connect_tcp(*arguments, **options), self._stall_s)

    def connect_unix_socket(self, *arguments: Any, **options: Any) -> httpcore.NetworkStream:
        return _Line(self._inner.connect_unix_socket(*arguments, **options), self._stall_s)

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class _Line(httpcore.NetworkStream):
    """A connection that ends with ReadTimeout when too few bytes come, or a head takes too long."""

    def __init__(self, inner: httpcore.NetworkStream, stall_s: float):
        self._inner, self._stall_s = inner, stall_s
        self._begin()

    def _begin(self) -> None:
        """Reset the counts. The first bytes may take as long as one wait."""
        self._num_bytes, self._waited_s, self._is_first = 0, 0.0, True

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        began = time.monotonic()
        content = self._inner.read(max_bytes, timeout)
        self._came(len(content), time.monotonic() - began)
        return content

    def _came(self, num_bytes: int, seconds: float) -> None:
        head = _awaited.get()
        if head is not None:
            head.num_bytes, head.waited_s = head.num_bytes + num_bytes, head.waited_s + seconds
            if head.num_bytes > MAX_HEAD_BYTES:
                raise httpcore.RemoteProtocolError(f"the head of an answer takes more than {MAX_HEAD_BYTES} bytes")
            if head.waited_s > 2 * self._stall_s:
                raise httpcore.ReadTimeout("the head of an answer does not end")
        if self._is_first:
            self._is_first = False
            return
        self._num_bytes, self._waited_s = self._num_bytes + num_bytes, self._waited_s + seconds
        if self._waited_s >= self._stall_s:
            if self._num_bytes < MIN_BYTES_PER_S * self._waited_s:
                raise httpcore.ReadTimeout(f"fewer than {MIN_BYTES_PER_S} bytes a second")
            self._num_bytes, self._waited_s = 0, 0.0

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._begin()
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Line(self._inner.start_tls(ssl_context, server_hostname, timeout), self._stall_s)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
