"""One builder at a time: a lock that waits, names its holder, and becomes free when its holder dies.

A lock is a file. Where the file system supports `flock`, the kernel frees the lock when the holder's process ends.
Where it does not (some shared folders), the lock is a lease: a file beside it that only one process can create, and
that its holder touches every few seconds. Both name the holder's run, host and pid. Set `EDITACTION_LOCKS=lease` on all
machines that share a workspace when `flock` does not work between machines.
"""

import errno
import fcntl
import json
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from pathlib import Path

from tasks.artifacts.inside import inside
from tasks.artifacts.leases import drop_lease, take_lease, wait_for_sign
from tasks.artifacts.processes import refuse_in_starting_worker

running_as: ContextVar[str] = ContextVar("running_as", default="")
"""Name of the run that takes locks in this context; "" outside of runs."""

RUNS = ".runs"
"""Folder of the workspace with one lock per run that works in it."""
LOOK_AGAIN_S = 0.3
"""Seconds between two attempts to take a lock."""
TELL_AGAIN_S = 60.0
"""Seconds between two messages about the same wait."""
_NO_FLOCK = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL})


@dataclass(frozen=True, kw_only=True)
class Holder:
    """The holder of a lock."""

    run: str
    """Name of its run, or "a command"."""
    host: str
    """Machine of the holder."""
    pid: int
    """Process id of the holder on that machine."""

    def __str__(self) -> str:
        return f"{self.run} (pid {self.pid} on {self.host})"


UNKNOWN = Holder(run="somebody", host="an unknown machine", pid=0)


def this_process() -> Holder:
    """Return this process as a holder; it is written into its locks."""
    return Holder(run=running_as.get() or "a command", host=socket.gethostname(), pid=os.getpid())


@contextmanager
def locked(path: Path, on_wait: Callable[[Holder, float], None] = lambda holder, seconds: None) -> Iterator[None]:
    """Hold the lock `path`; wait while another holds it, and call `on_wait` with the holder and the seconds waited."""
    started, told_at = time.monotonic(), float("-inf")
    while True:
        with locked_now(path) as holder:
            if holder is None:
                yield
                return
        if time.monotonic() - told_at >= TELL_AGAIN_S:
            told_at = time.monotonic()
            on_wait(holder, told_at - started)
        time.sleep(LOOK_AGAIN_S)


@contextmanager
def locked_now(path: Path) -> Iterator[Holder | None]:
    """Hold the lock `path` and yield None. When another holds it, yield the holder and hold nothing."""
    refuse_in_starting_worker()
    path.parent.mkdir(parents=True, exist_ok=True)
    if os.environ.get("EDITACTION_LOCKS") == "lease":
        with _leased(path) as holder:
            yield holder
        return
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        state = _flock(descriptor, path)
        if state == "no flock":
            with _leased(path) as holder:
                yield holder
        elif state == "held":
            yield _holder_in(descriptor)
        else:
            content = json.dumps(asdict(this_process())).encode()
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, content, 0)
            try:
                yield None
            finally:
                os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def holder_of(path: Path) -> Holder | None:
    """Return the present holder of the lock `path`; None when it is free."""
    if not path.exists() and not _lease_of(path).exists():
        return None
    with locked_now(path) as holder:
        return holder


@contextmanager
def locked_after_a_look(path: Path) -> Iterator[Holder | None]:
    """As `locked_now`, but a lease of a machine that is gone does not count: wait until it shows whether its holder
    lives, some seconds where it does.
    """
    wait_for_sign(_lease_of(path))
    with locked_now(path) as holder:
        yield holder


@contextmanager
def at_work(workspace: Path) -> Iterator[None]:
    """Register a run as working in this workspace, so that no finished artifact is removed meanwhile."""
    path = inside(workspace, RUNS) / f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}.lock"
    with locked(path):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def runs_at_work(workspace: Path) -> list[Holder]:
    """Return the runs that work in a workspace; entries of dead runs are removed."""
    holders = []
    folder = inside(workspace, RUNS)
    for name in sorted({path.name.removesuffix(".held") for path in folder.glob("*.lock*")}):
        path = folder / name
        with locked_after_a_look(path) as holder:
            if holder is None:
                path.unlink(missing_ok=True)
            else:
                holders.append(holder)
    return holders


def _flock(descriptor: int, path: Path) -> str:
    """Try to lock an open file: "mine", "held" by another, or "no flock" on this file system."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return "held"
    except OSError as error:
        if error.errno in _NO_FLOCK:
            return "no flock"
        raise
    try:
        # When another process removed the file meanwhile, this lock is void.
        return "mine" if os.path.samestat(os.fstat(descriptor), os.stat(path)) else "held"
    except FileNotFoundError:
        return "held"


def _holder_in(descriptor: int) -> Holder:
    try:
        return Holder(**json.loads(os.pread(descriptor, 4096, 0)))
    except (ValueError, TypeError):
        return UNKNOWN


def _lease_of(path: Path) -> Path:
    return path.with_name(path.name + ".held")


@contextmanager
def _leased(path: Path) -> Iterator[Holder | None]:
    """Like `locked_now`, by a lease."""
    other = take_lease(_lease_of(path), asdict(this_process()))
    if isinstance(other, dict):
        try:
            yield Holder(**other)
        except TypeError:
            yield UNKNOWN
        return
    try:
        yield None
    finally:
        drop_lease(other)
