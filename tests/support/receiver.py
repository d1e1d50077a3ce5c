"""A receiver of web hooks on this machine: it keeps every body that is posted to it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Received(ThreadingHTTPServer):
    """The server, and the bodies that came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[Any] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"


class _Handler(BaseHTTPRequestHandler):
    server: Received

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        content = json.loads(body)
        # Prefect sends a text as JSON, so the payload is JSON inside JSON.
        self.server.bodies.append(json.loads(content) if isinstance(content, str) else content)
        self.send_response(204)
        self.end_headers()


@contextmanager
def receiving() -> Iterator[Received]:
    """Listen in a thread."""
    with Received() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
