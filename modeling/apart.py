"""A function that reads an untrusted file -> its values, computed in a helper process with bounded memory.

The memory for a Parquet file is unknown before it is read: its sizes may be false, and some encodings repeat a text of
megabytes with one byte. A damaged file can make the library end its process. So a helper reads it. When the helper
lacks memory or ends, the result is a ValueError that names the file. Helpers are reused, because starting one takes
half a second.
"""

import atexit
import os
import pickle
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

Value = TypeVar("Value")

TABLE_MEMORY = 768 << 20
"""Bytes that a helper takes at most for texts and numbers, beside its code."""
PICTURES_MEMORY = 4 << 30
"""The same for tables with pictures in their cells."""
MAX_TOGETHER = 500
"""Largest number of values in one message."""
SENT_BYTES = 4 << 20
"""Largest number of bytes of texts and pictures in one message, approximately."""
_ROOT = Path(__file__).resolve().parents[1]
_START = "import sys; sys.path.insert(0, sys.argv[1]); from modeling.apart import serve; serve(int(sys.argv[2]))"
_NO_MEMORY = "reading it takes more than {} MiB of memory. Write it anew, in smaller groups of rows."
_idle: list["_Helper"] = []
_guard = threading.Lock()


def apart(function: Callable[..., Iterator[Value]], path: Path, *arguments: Any, memory: int) -> Iterator[Value]:
    """Yield the values of `function(path, *arguments)`; it runs in a helper, so it must be importable.

    Its exceptions are raised here. ValueError, which names the file, when it takes more than `memory` bytes or ends the
    helper.
    """
    helper = _started(pickle.dumps((function, (path, *arguments), memory, _folder())), memory)
    is_done = False
    try:
        while True:
            kind, content = helper.receive(path, memory)
            if kind == "values":
                yield from content
                continue
            if kind == "no memory":
                raise ValueError(f"{path}: " + _NO_MEMORY.format(memory >> 20))
            is_done = True
            if kind == "raise":
                raise content
            return
    finally:
        helper.give_back(is_whole=is_done)


class _Helper:
    """A process that reads for this one. It ends when the socket between them does."""

    def __init__(self, memory: int) -> None:
        self.memory = memory
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-P", "-c", _START, str(_ROOT), str(theirs.fileno())]
        # Only the parent handles SIGINT; the libraries' messages at the helper's end are of no use.
        self.process = subprocess.Popen(
            command,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        self.pipe = Connection(ours.detach())

    def receive(self, path: Path, memory: int) -> tuple[str, Any]:
        """Return its next message. ValueError when it has ended."""
        try:
            return pickle.loads(self.pipe.recv_bytes())
        except (EOFError, OSError) as error:
            status = self.process.wait()
            how = f"it ends the program that reads it ({signal.strsignal(-status) if status < 0 else status})"
            raise ValueError(f"{path}: not readable: {how}. Write it anew.") from error

    def give_back(self, *, is_whole: bool) -> None:
        """Keep it for the next file, or end it when it has not finished this one."""
        if is_whole and self.process.poll() is None:
            with _guard:
                _idle.append(self)
        else:
            self.end()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.pipe.close()


def _folder() -> str:
    """Return the current folder, from which a path may be named; the helper imports nothing from it."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return "/"


def _started(content: bytes, memory: int) -> _Helper:
    """Return a helper that has begun; one that died while it was idle is replaced."""
    while True:
        with _guard:
            fitting = next((helper for helper in _idle if helper.memory == memory), None)
            if fitting is not None:
                _idle.remove(fitting)
        helper, is_new = fitting or _Helper(memory), fitting is None
        try:
            helper.pipe.send_bytes(content)
            if helper.pipe.recv_bytes() == b"begun":
                return helper
        except (EOFError, OSError):
            pass
        helper.end()
        if is_new:
            raise OSError("No process can be started to read the file: it ends before it works.")


@atexit.register
def _end_idle() -> None:
    while _idle:
        _idle.pop().end()


def _forget_idle() -> None:
    """A forked child must not speak with its parent's helpers."""
    _idle.clear()


os.register_at_fork(after_in_child=_forget_idle)


def serve(descriptor: int) -> None:
    """Serve requests that come through a socket until its other end closes."""
    pipe = Connection(descriptor)
    with suppress(EOFError, OSError):
        while True:
            function, arguments, memory, folder = pickle.loads(pipe.recv_bytes())
            pipe.send_bytes(b"begun")
            _, most = resource.getrlimit(resource.RLIMIT_DATA)
            resource.setrlimit(resource.RLIMIT_DATA, (memory if most < 0 else min(memory, most), most))
            try:
                os.chdir(folder)
                _send(pipe, function(*arguments))
                answer: tuple[str, Any] = "end", None
            except MemoryError:
                answer = "no memory", None
            except Exception as error:
                answer = "raise", error
            pipe.send_bytes(pickle.dumps(answer))


def _send(pipe: Connection, values: Iterator[Any]) -> None:
    together: list[Any] = []
    num_bytes = 0
    for value in values:
        together.append(value)
        num_bytes += _size(value)
        if len(together) >= MAX_TOGETHER or num_bytes >= SENT_BYTES:
            pipe.send_bytes(pickle.dumps(("values", together)))
            together, num_bytes = [], 0
    pipe.send_bytes(pickle.dumps(("values", together)))


def _size(value: Any) -> int:
    """Return about how many bytes of texts and pictures a value holds."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_size, value.values()))
    return sum(map(_size, value)) if isinstance(value, list | tuple) else 8
