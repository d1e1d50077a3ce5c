"""A server that lies about sizes, sends without end or keeps us waiting costs one file. No secret is written down."""

import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tasks.artifacts.addresses import full_address, shown_address
from tasks.config import Patience
from tasks.fetching.downloads import Download, download_all
from tasks.fetching.range_file import RangeFile
from tasks.fetching.remote_video import FetchError, RemoteVideo
from tasks.fetching.sites import MIRROR_VARIABLE, Site, check_mirror, recorded_address

PATIENCE = Patience(retries=1, first_wait_s=0.002, stall_s=0.4)
SECRET = "alice:s3cr3t@127.0.0.1"
GOOD = bytes.fromhex("00000010") + b"ftypisom" + bytes(20)  # a file that begins like an MP4


class Liar(BaseHTTPRequestHandler):
    """Answers by the first word of the path."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def do_HEAD(self) -> None:
        self.begin()

    def do_GET(self) -> None:
        kind = self.begin()
        with_pause = kind in ("trickle", "endless")
        self.close_connection = True
        try:
            for _ in range(20_000 if with_pause else 1):
                self.wfile.write({"trickle": b"x", "endless": bytes(1 << 20)}.get(kind, GOOD))
                if kind == "trickle":
                    time.sleep(0.1)
        except OSError:
            return

    def begin(self) -> str:
        kind = self.path.strip("/").split(".")[0]
        beyond = kind == "beyond" and "Range" in self.headers
        self.send_response(206 if beyond else 404 if kind == "gone" else 200)
        if beyond:
            self.send_header("Content-Range", "bytes 0-3/4")
        if kind not in ("endless", "beyond"):
            size = {"huge": 10**18, "large": 10**14, "trickle": 10**6, "gone": 0}.get(kind, len(GOOD))
            self.send_header("Content-Length", str(size))
        self.send_header("Connection", "close")
        self.end_headers()
        return kind


@contextmanager
def lying() -> Iterator[str]:
    """Give the address of such a server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{SECRET}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("huge", "too_large"),
        ("large", "too_large"),
        ("endless", "too_large"),
        ("trickle", "unreachable"),
        ("gone", "not_found"),
    ],
)
def test_a_file_that_is_too_large_or_does_not_come_fails_alone(
    kind: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.fetching.transfer.MAX_UNTOLD_BYTES", 8 << 20)
    with lying() as url:
        downloads = [
            Download(name=name, urls=(f"{url}/{name}.mp4?sign=SIGN",), target=tmp_path / f"{name}.mp4")
            for name in (kind, "good")
        ]
        started = time.monotonic()
        ended = {download.name: error for download, error in download_all(downloads, connections=2, patience=PATIENCE)}
    assert time.monotonic() - started < 20
    assert ended["good"] is None
    assert (tmp_path / "good.mp4").read_bytes() == GOOD
    error = ended[kind]
    assert error is not None
    assert error.reason == reason
    assert kind in str(error)
    assert "s3cr3t" not in str(error)
    assert "SIGN" not in str(error)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 10_000


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("huge", "too_large"), ("large", "too_large"), ("endless", "no_ranges"), ("trickle", "unreachable")],
)
def test_a_video_that_is_read_by_ranges_is_bounded_too(kind: str, reason: str, tmp_path: Path) -> None:
    with lying() as url, pytest.raises(FetchError) as told:
        RangeFile(RemoteVideo(url=f"{url}/{kind}.mp4?sign=SIGN", cache=tmp_path, patience=PATIENCE))
    assert told.value.reason == reason
    assert "s3cr3t" not in str(told.value)
    assert "SIGN" not in str(told.value)


def test_what_comes_behind_a_range_is_not_taken(tmp_path: Path) -> None:
    with lying() as url, RangeFile(RemoteVideo(url=f"{url}/beyond.mp4", cache=tmp_path, patience=PATIENCE)) as file:
        assert file.size == 4
        assert file.read() == GOOD[:4]


def test_a_part_that_is_a_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "victim.txt").write_text("precious")
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "good.mp4.part").symlink_to(tmp_path / "victim.txt")
    with lying() as url:
        download = Download(name="good", urls=(f"{url}/good.mp4",), target=tmp_path / "v" / "good.mp4")
        with pytest.raises(OSError, match="symbolic"):
            list(download_all([download], connections=1, patience=PATIENCE))
    assert (tmp_path / "victim.txt").read_text() == "precious"


def trickled(write: Callable[[bytes], object], piece: bytes) -> None:
    for _ in range(300):
        write(piece)
        time.sleep(0.05)


def raw_answer(kind: str, write: Callable[[bytes], object]) -> None:
    """Write answers that no well-meant server writes."""
    ok, chunked = b"HTTP/1.1 200 OK\r\n", b"Transfer-Encoding: chunked\r\n\r\n"
    if kind == "head":
        trickled(write, ok[:1])
    elif kind == "headers":
        write(ok)
        trickled(write, b"X: 1\r\n")
    elif kind == "long-header":
        write(ok + b"X: ")
        for _ in range(200):
            write(bytes([120]) * (1 << 20))
    elif kind == "early-notes":
        for _ in range(200):
            write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 5_000)
    elif kind == "chunks":
        write(ok + chunked)
        trickled(write, b"1\r\nx\r\n")
    elif kind == "chunk-extension":
        write(ok + chunked + b"5;x=")
        trickled(write, b"x")
    elif kind == "trailers":
        write(ok + chunked + b"%x\r\n" % len(GOOD) + GOOD + b"\r\n0\r\nX: ")
        trickled(write, b"x")
    elif kind == "around":
        write(b"HTTP/1.1 302 Found\r\nLocation: /around.mp4\r\nContent-Length: 0\r\n\r\n")
    elif kind == "to-a-file":
        write(b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n")
    elif kind == "redirect-with-body":
        write(b"HTTP/1.1 302 Found\r\nLocation: /gone.mp4\r\n\r\n")
        for _ in range(400):
            write(bytes(1 << 20))
    elif kind == "digits":
        write(b"HTTP/1.1 206 P\r\nContent-Length: 4\r\nContent-Range: bytes 0-3/" + b"9" * 5_000 + b"\r\n\r\nxxxx")
    elif kind == "gone":
        write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")


class RawLiar(socketserver.BaseRequestHandler):
    """Answers in bytes, by the first word of the path. It counts the bytes that it could send."""

    sent = 0

    def handle(self) -> None:
        request = b""
        while b"\r\n\r\n" not in request and (more := self.request.recv(1 << 16)):
            request += more
        kind = request.split(b" ")[1].decode().strip("/").split(".")[0] if request else ""

        def write(content: bytes) -> None:
            self.request.sendall(content)
            RawLiar.sent += len(content)

        with suppress(OSError):
            raw_answer(kind, write)


@contextmanager
def lying_in_bytes() -> Iterator[str]:
    """Give the address of such a server."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), RawLiar) as server:
        server.daemon_threads, server.block_on_close = True, False
        RawLiar.sent = 0
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


RAW_KINDS = {
    "head": "unreachable",
    "headers": "unreachable",
    "long-header": "unreachable",
    "early-notes": "unreachable",
    "chunks": "unreachable",
    "chunk-extension": "unreachable",
    "trailers": "unreachable",
    "around": "refused",
    "to-a-file": "refused",
    "redirect-with-body": "not_found",
    "digits": "refused",
}


@pytest.mark.parametrize("kind", RAW_KINDS)
def test_a_server_that_sends_heads_chunks_or_redirects_without_end_costs_seconds_and_no_memory(
    kind: str, tmp_path: Path
) -> None:
    patience = Patience(retries=0, first_wait_s=0.002, stall_s=0.3)
    started = time.monotonic()
    with lying_in_bytes() as url:
        download = Download(name=kind, urls=(f"{url}/{kind}.mp4",), target=tmp_path / f"{kind}.mp4")
        [(_, error)] = download_all([download], connections=1, patience=patience)
        assert error is not None
        assert error.reason == RAW_KINDS[kind]
        with pytest.raises(FetchError) as told:
            RangeFile(RemoteVideo(url=f"{url}/{kind}.mp4", cache=tmp_path, patience=patience))
    assert told.value.reason in (RAW_KINDS[kind], "no_ranges")
    assert time.monotonic() - started < 5
    assert RawLiar.sent < 20 << 20
    assert not any(tmp_path.glob("*.mp4"))


ADDRESSES: list[tuple[str, str]] = [
    ("https://alice:pass@a.org:81/v/{video}.mp4?X-Amz-Signature=1#x", "https://a.org:81/v/{video}.mp4"),
    ("https://a.org/v", "https://a.org/v"),
    ("http://tok@en@a.org/v?x=@y", "http://a.org/v"),
    ("//user:pass@host/x", "//host/x"),
]


@pytest.mark.parametrize(("address", "shown"), ADDRESSES)
def test_only_scheme_host_and_path_of_an_address_are_shown(address: str, shown: str) -> None:
    assert shown_address(address) == shown


def test_a_site_is_named_without_its_secrets_and_read_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(reader="table", mirror=f"http://{SECRET}/v?sign=SIGN")
    assert site.location == "http://127.0.0.1/v"
    urls = site.urls("a b")
    assert urls[0] == f"http://{SECRET}/v/a%20b.mp4?sign=SIGN"
    assert all(url.startswith(f"http://{SECRET}/v/") and url.endswith("?sign=SIGN") for url in urls)
    filled = Site(reader="table", mirror=f"http://{SECRET}/{{video}}.mp4?id={{video}}")
    [full] = filled.urls("P01_02")
    assert recorded_address(shown_address(full), filled.mirror, "P01_02") == full
    assert recorded_address("http://elsewhere.org/x.mp4", filled.mirror, "P01_02") == "http://elsewhere.org/x.mp4"
    monkeypatch.setenv("EDITACTION_MIRROR", str(site.mirror))
    assert full_address(site.location, MIRROR_VARIABLE) == site.mirror
    assert full_address("http://elsewhere.org", MIRROR_VARIABLE) == "http://elsewhere.org"


@pytest.mark.parametrize(
    "mirror", ["ftp://alice:s3cr3t@a.org/?sign=SIGN", "http://alice:s3cr3t@:x/?sign=SIGN", "http://[s3cr3t@/"]
)
def test_a_mirror_that_is_none_is_refused_without_its_secrets(mirror: str) -> None:
    with pytest.raises(ValueError, match="is no address") as told:
        check_mirror(mirror)
    assert "s3cr3t" not in str(told.value)
    assert "SIGN" not in str(told.value)
