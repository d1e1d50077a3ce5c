"""An S3 server on loopback (moto's) that remembers its requests: the store to which tests publish."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "very-secret-word",
    "AWS_DEFAULT_REGION": "us-east-1",
}
"""The environment that a client needs besides AWS_ENDPOINT_URL."""


class ObjectStore:
    """The server's address and its requests."""

    def __init__(self, url: str):
        self.environment = ENVIRONMENT | {"AWS_ENDPOINT_URL": url}
        self.puts: list[tuple[str, str | None]] = []
        """Each PUT in order: path, If-None-Match."""


@contextmanager
def object_store(bucket: str) -> Iterator[ObjectStore]:
    """Give a server with one empty bucket. Without the packages the test is skipped."""
    pytest.importorskip("s3fs", reason="the extra `store` is not installed")
    moto = pytest.importorskip("moto.server", reason="moto[server] is not installed")
    from werkzeug.serving import make_server

    app = moto.DomainDispatcherApplication(moto.create_backend_app)

    def remembering(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] == "PUT":
            store.puts.append((environ["PATH_INFO"], environ.get("HTTP_IF_NONE_MATCH")))
        return app(environ, start_response)

    server = make_server("127.0.0.1", 0, remembering, threaded=True)
    store = ObjectStore(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    import httpx

    httpx.put(f"{store.environment['AWS_ENDPOINT_URL']}/{bucket}").raise_for_status()
    try:
        yield store
    finally:
        server.shutdown()
        thread.join()
