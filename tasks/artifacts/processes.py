"""Child processes that end with their parent, for whatever reason it ends: workers (map_items.py) and long programs."""

import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from modeling.parent import die_with_parent
from tasks.artifacts.own_folder import empty_folder

Item = TypeVar("Item")
Result = TypeVar("Result")

NO_GUARD_STATUS = 79
"""Exit status of a worker that would run its parent's script again."""
NO_GUARD = 'A worker process runs the script again: put what the script does under `if __name__ == "__main__":`.'


def refuse_in_starting_worker() -> None:
    """End this process where it is a worker that is running its parent's script from the top.

    New processes import the script that started them. Without the guard they would repeat all its work, and wait for
    ever for a lock that their parent holds.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        print(NO_GUARD, file=sys.stderr)
        raise SystemExit(NO_GUARD_STATUS)


def num_workers(requested: int) -> int:
    """Return how many processes to use: `requested`, or one per core that this process may use."""
    return requested or len(os.sched_getaffinity(0))


THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
"""Either says how many threads numpy takes for a product of matrices."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Let numpy of a process that is started here multiply matrices in one thread, unless the user has chosen.

    Each core has a worker. Threads of two workers wait for each other in a loop: five times the CPU for one pair.
    """
    if any(name in os.environ for name in THREADS):
        yield
        return
    os.environ[THREADS[0]] = "1"
    try:
        yield
    finally:
        os.environ.pop(THREADS[0], None)


VIDEO_MEMORY = 6 << 30
"""Bytes that a process takes at most beside its code while it reads the video of others. A film of 8192 x 4320 pixels
needs 3 GiB."""


class OverMemoryLimit(Exception):
    """An item wants more memory than it may have. It would want it again, so no run tries it unasked."""

    reason = "over_memory_limit"


def with_memory(function: Callable[[Item], Result], memory: int, item: Item) -> Result:
    """Return `function(item)`; OverMemoryLimit where this process would take more than `memory` bytes, beside its code.

    For worker processes alone: the bound holds for all threads. So no file takes a machine's memory. A machine that has
    less memory than that kills the process instead, which is a failure of its own.
    """
    before, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (memory if most < 0 else min(memory, most), most))
    try:
        return function(item)
    except MemoryError as error:
        raise OverMemoryLimit(f"it needs more than {memory / (1 << 30):.3g} GiB of memory") from error
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, most))


def start_worker() -> None:
    """Set up a pool's worker: only the parent handles Ctrl-C, and the worker ends when the parent dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent()


def spawn(arguments: Sequence[str], **options: Any) -> "subprocess.Popen[str]":
    """Start a program in a session of its own: Ctrl-C does not reach it directly, and it gets SIGTERM if we die.

    Its working folder is empty, and it imports nothing from there: give it absolute paths.
    """
    environment = options.pop("env", os.environ) | {"PYTHONSAFEPATH": "1"}
    return subprocess.Popen(
        arguments,
        cwd=empty_folder(),
        env=environment,
        start_new_session=True,
        preexec_fn=lambda: die_with_parent(signal.SIGTERM),
        text=True,
        **options,
    )


_ending: list[float] = []
"""Deadlines (time.monotonic) by which ending programs must have saved their state: one entry per program."""


def ending_until() -> float:
    """Return the latest deadline (time.monotonic) of the programs that are being ended; 0 when there are none."""
    return max(_ending, default=0.0)


def end(process: "subprocess.Popen[str]", *, within_s: float) -> int:
    """End a spawned program and all it started: SIGTERM, then after `within_s` seconds SIGKILL. Returns its status."""
    if process.poll() is None:
        until = time.monotonic() + within_s
        _ending.append(until)
        try:
            _signal_group(process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=within_s)
        finally:
            _ending.remove(until)
    _signal_group(process.pid, signal.SIGKILL)
    return process.wait()


def _signal_group(group: int, signal_number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal_number)
