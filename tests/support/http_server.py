"""A real web server on this machine that has faults on demand: breaks off, stalls, refuses, ignores Range, is slow.

python -m tests.support.http_server FOLDER --mb-per-s 20  # prints its address; GET /-/sent gives the bytes sent
"""

import argparse
import gzip
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

CHUNK = 1 << 16


@dataclass(frozen=True)
class Fault:
    """The fault of one answer."""

    kind: str
    """status: send only this status. drop: close after so many bytes of the body.

    stall: send so many bytes, then nothing. ignore_range: send the whole file for a range. wrong_body: send other bytes
    of the right number. shifted: send a range that begins elsewhere than the one asked for.
    """
    number: int = 0
    """The status, or the number of bytes."""


@dataclass
class Asked:
    """One request that came, and what was sent."""

    method: str
    path: str
    range: str
    status: int = 0
    sent: int = 0


@dataclass
class Behaviour:
    """How the server behaves; tests change it while it runs."""

    files: dict[str, Path] = field(default_factory=dict)
    """Path of the address -> file."""
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    """Faults of the next GETs of a path, one for each GET."""
    always: dict[str, Fault] = field(default_factory=dict)
    """The fault of every GET and HEAD of a path that has no other fault."""
    has_head: bool = True
    has_etags: bool = True
    has_ranges: bool = True
    obeys_if_range: bool = True
    packs: bool = False
    """Pack every body by gzip, whatever the client accepts."""
    bytes_per_s: float | None = None
    """Speed of all connections together."""
    asked: list[Asked] = field(default_factory=list)

    @property
    def num_sent(self) -> int:
        """Bytes of bodies sent so far."""
        return sum(request.sent for request in self.asked)

    def ranges_of(self, path: str) -> list[str]:
        """Return the Range of each GET of a path; "" for a GET without one."""
        return [request.range for request in self.asked if request.path == path and request.method == "GET"]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Server"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        behaviour, path = self.server.behaviour, unquote(self.path)
        if path == "/-/sent":
            return self._text(str(behaviour.num_sent).encode())
        asked = Asked(self.command, path, self.headers.get("Range", ""))
        behaviour.asked.append(asked)
        fault = behaviour.always.get(path)
        if with_body and behaviour.faults.get(path):
            fault = behaviour.faults[path].pop(0)
        file = behaviour.files.get(path)
        if fault is not None and fault.kind == "status":
            asked.status = fault.number
            return self._text(b"<html>sorry</html>", fault.number)
        if file is None:
            asked.status = 404
            return self._text(b"<html>not here</html>", 404)
        if not with_body and not behaviour.has_head:
            return self._text(b"", 405)
        self._file(file, asked, fault, with_body)

    def _text(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _file(self, file: Path, asked: Asked, fault: Fault | None, with_body: bool) -> None:
        behaviour = self.server.behaviour
        if behaviour.packs:
            file = _packed(file)
        size = file.stat().st_size
        etag = '"' + sha1(f"{file.stat().st_mtime_ns} {size}".encode()).hexdigest() + '"'
        first, stop, is_part = 0, size, False
        kind = fault.kind if fault is not None else ""
        bounds = re.fullmatch(r"bytes=(\d+)-(\d*)", asked.range)
        is_same = not behaviour.obeys_if_range or self.headers.get("If-Range", etag) == etag
        may = behaviour.has_ranges and kind != "ignore_range" and is_same
        if bounds is not None and may:
            first, is_part = int(bounds[1]), True
            stop = min(int(bounds[2]) + 1, size) if bounds[2] else size
            if first >= size:
                asked.status = 416
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{size}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if kind == "shifted":
                first = max(first - 1, 0)
        asked.status = 206 if is_part else 200
        self.send_response(asked.status)
        self.send_header("Content-Length", str(stop - first))
        if is_part:
            self.send_header("Content-Range", f"bytes {first}-{stop - 1}/{size}")
        if behaviour.packs:
            self.send_header("Content-Encoding", "gzip")
        if behaviour.has_etags:
            self.send_header("ETag", etag)
        self.end_headers()
        if with_body:
            with suppress(BrokenPipeError, ConnectionResetError):
                self._body(file, first, stop, asked, fault)

    def _body(self, file: Path, first: int, stop: int, asked: Asked, fault: Fault | None) -> None:
        kind = fault.kind if fault is not None else ""
        limit = fault.number if fault is not None and kind in ("drop", "stall") else stop - first
        with file.open("rb") as opened:
            opened.seek(first)
            while asked.sent < min(limit, stop - first):
                chunk = opened.read(min(CHUNK, limit - asked.sent, stop - first - asked.sent))
                if kind == "wrong_body":
                    chunk = bytes(byte ^ 0x55 for byte in chunk)
                self.server.wait_for(len(chunk))
                self.wfile.write(chunk)
                asked.sent += len(chunk)
        self.wfile.flush()
        if kind == "stall":
            self.server.ending.wait(20)
        if kind in ("drop", "stall"):
            self.close_connection = True


def _packed(file: Path) -> Path:
    packed = file.with_name(f".{file.name}.packed")
    packed.write_bytes(gzip.compress(file.read_bytes(), compresslevel=0, mtime=0))
    return packed


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, behaviour: Behaviour):
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviour = behaviour
        self.ending = threading.Event()
        self._lock = threading.Lock()
        self._free_at = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def wait_for(self, num_bytes: int) -> None:
        """Wait until the line has room for so many bytes."""
        if self.behaviour.bytes_per_s is None:
            return
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic()) + num_bytes / self.behaviour.bytes_per_s
            wait_s = self._free_at - time.monotonic()
        time.sleep(max(wait_s, 0))

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that go away: these tests are about them."""


def files_of(folder: Path) -> dict[str, Path]:
    """Return the files below a folder by the path of their address."""
    return {f"/{path.relative_to(folder).as_posix()}": path for path in folder.rglob("*") if path.is_file()}


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[str]:
    """Serve in a thread; give the address."""
    with Server(behaviour) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server.url
        finally:
            server.ending.set()
            server.shutdown()
            thread.join()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mb-per-s", type=float)
    arguments = parser.parse_args()
    rate = arguments.mb_per_s * 1e6 if arguments.mb_per_s else None
    with Server(Behaviour(files=files_of(arguments.folder), bytes_per_s=rate)) as server:
        print(server.url, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
