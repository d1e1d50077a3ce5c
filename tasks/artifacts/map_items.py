"""A function over a stage's items in worker processes: each item gives a result or a Failure; no item affects another.

An exception, a crash, a kill or a stopped process is the failure of the item at work. The process is then replaced, and
the next item begins. Errors that no item causes (failures.ends_the_run) are raised here.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from contextvars import ContextVar
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Generic, TypeVar

from tasks.artifacts.failures import Failure as Failure
from tasks.artifacts.failures import guarded as guarded
from tasks.artifacts.processes import (
    NO_GUARD,
    NO_GUARD_STATUS,
    num_workers,
    one_thread,
    refuse_in_starting_worker,
    start_worker,
)

Item = TypeVar("Item")
Result = TypeVar("Result")

LOOK_EVERY_S = 1.0
"""Seconds between two checks of processes that send nothing."""
STOPPED_LOOKS = 30
"""A process that is found stopped (SIGSTOP) in this many checks in a row counts as stopped for ever."""
START_TRIES = 3
"""When this many processes in a row end before they are ready, none can be started."""
START_LIMIT_S = 600.0
"""Seconds after which a process that is not ready counts as failed; a busy machine takes a minute to import torch."""
elsewhere: ContextVar[Callable[..., Iterator[Any]] | None] = ContextVar("elsewhere", default=None)
"""Works on items in place of processes here, called as (function, items, limit_s); flows/wiring/items_on.py sets it."""
CRASHED, KILLED, TIMED_OUT = "crashed", "killed", "timed_out"


def map_items(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    workers: int = 0,
    limit_s: float = float("inf"),
    here: bool = False,
) -> Iterator[tuple[Item, Result | Failure]]:
    """Yield each item with its result or failure as soon as it is finished; items begin in the given order.

    `workers`: processes at once, 0 for one a core. `limit_s`: seconds that an item may take. Where `elsewhere` is set,
    what it stands for does the work, by the same rules. Elsewhere unset, `here` works in this process, one item after
    the other and without a limit: for functions that hold a large model, and whose library uses all cores.
    """
    if not items:
        return
    if (mapped := elsewhere.get()) is not None:
        yield from mapped(function, items, limit_s)
        return
    if here:
        for item in items:
            yield item, guarded(function, item)
        return
    refuse_in_starting_worker()
    pool = Pool(function, limit_s)
    waiting = list(reversed(items))
    try:
        pool.size = min(num_workers(workers), len(items))
        while waiting or pool.num_busy:
            pool.fill(len(waiting))
            for worker in pool.ready():
                if waiting:
                    worker.give(waiting.pop())
            yield from pool.finished()
    finally:
        pool.end()


class _Worker(Generic[Item]):
    """A worker process and its item."""

    def __init__(self, function: Callable[[Item], Any], daemon: bool):
        # Workers begin with `python -c`, which looks for modules in the current folder first unless PYTHONSAFEPATH is
        # set.
        os.environ["PYTHONSAFEPATH"] = "1"
        context = multiprocessing.get_context("spawn")  # a parent with threads must not be forked
        self.pipe, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=_work, args=(function, theirs), daemon=daemon)
        with one_thread():
            self.process.start()
        theirs.close()
        self.is_ready = False
        self.items: list[Item] = []
        """The item at work, if any."""
        self.since = time.monotonic()
        self.looks_stopped = 0

    def give(self, item: Item) -> None:
        """Give it `item` to work on."""
        self.items, self.since, self.looks_stopped = [item], time.monotonic(), 0
        with suppress(BrokenPipeError, ConnectionResetError):  # it is dead: its pipe will end
            self.pipe.send(item)

    def kill(self) -> None:
        """End it now."""
        self.process.kill()
        self.process.join()
        self.pipe.close()

    def looks_stuck(self, limit_s: float) -> str | None:
        """Return why its item counts as stuck; None where it does not."""
        self.looks_stopped = self.looks_stopped + 1 if _is_stopped(self.process.pid) else 0
        if time.monotonic() - self.since > limit_s:
            return f"took more than {limit_s:g} s"
        return "its process stood stopped" if self.looks_stopped >= STOPPED_LOOKS else None


class Pool(Generic[Item, Result]):
    """The processes of one `map_items`."""

    def __init__(self, function: Callable[[Item], Result], limit_s: float, *, daemon: bool = False):
        """`daemon`: the processes end by themselves with this one, and have none of their own."""
        self.function = function
        self.daemon = daemon
        self.limit_s = limit_s
        self.workers: list[_Worker[Item]] = []
        self.failed_starts = 0
        self.size = 0
        """Wanted number of processes while there is work."""
        self._looked_at = time.monotonic()

    @property
    def num_busy(self) -> int:
        return sum(bool(worker.items) for worker in self.workers)

    def ready(self) -> list[_Worker[Item]]:
        return [worker for worker in self.workers if worker.is_ready and not worker.items]

    def one(self, item: Item, check: Callable[[], None]) -> Result | Failure:
        """Return the result or failure of one item; `check` is called while it is waited for, and may raise."""
        self.size, is_given = 1, False
        while True:
            self.fill(0 if is_given else 1)
            for worker in self.ready():
                if not is_given:
                    worker.give(item)
                    is_given = True
            for _, outcome in self.finished():
                return outcome
            check()

    def finished(self) -> Iterator[tuple[Item, Result | Failure]]:
        """Wait a moment; yield the items that are finished, or that failed with their process."""
        said: Any = wait([worker.pipe for worker in self.workers], timeout=LOOK_EVERY_S)
        for worker in [worker for worker in self.workers if worker.pipe in said]:
            try:
                kind, value = worker.pipe.recv()
            except (EOFError, OSError):
                yield from self._ended(worker)
                continue
            if kind == "ready":
                worker.is_ready, self.failed_starts = True, 0
            elif kind == "raise":
                raise value
            else:
                yield worker.items.pop(), value
        yield from self._stuck()

    def _ended(self, worker: _Worker[Item]) -> Iterator[tuple[Item, Failure]]:
        worker.process.join()
        status = worker.process.exitcode or 0
        self._drop(worker)
        if worker.items:
            yield worker.items.pop(), _death(status)
            return
        if status == NO_GUARD_STATUS:
            raise OSError(NO_GUARD)
        self.failed_starts += 1
        if self.failed_starts >= START_TRIES:
            raise OSError(f"No worker process can be started: they end with status {status} before they work.")

    def _stuck(self) -> Iterator[tuple[Item, Failure]]:
        if time.monotonic() - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = time.monotonic()
        if any(not worker.is_ready and self._looked_at - worker.since > START_LIMIT_S for worker in self.workers):
            raise OSError(f"A worker process was not ready after {START_LIMIT_S:.0f} s, for an unknown reason.")
        for worker in [worker for worker in self.workers if worker.items]:
            if (how := worker.looks_stuck(self.limit_s)) is not None:
                self._drop(worker)
                yield worker.items.pop(), Failure(TIMED_OUT, f"{how}; the process was ended")

    def fill(self, num_waiting: int) -> None:
        """Start missing processes, as many as there is work for."""
        while len(self.workers) < min(self.size, self.num_busy + num_waiting):
            self.workers.append(_Worker(self.function, self.daemon))

    def _drop(self, worker: _Worker[Item]) -> None:
        self.workers.remove(worker)
        worker.kill()

    def end(self) -> None:
        for worker in self.workers:
            worker.process.kill()
        for worker in self.workers:
            worker.kill()


def _death(status: int) -> Failure:
    if status == -signal.SIGKILL:
        return Failure(KILLED, "its process was killed by signal 9, perhaps out of memory", transient=True)
    if status < 0:
        return Failure(CRASHED, f"its process crashed with signal {-status} ({signal.strsignal(-status)})")
    return Failure(CRASHED, f"its process ended with status {status}")


def _is_stopped(pid: int | None) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
    except (OSError, IndexError):
        return False


def _work(function: Callable[[Any], Any], pipe: Connection) -> None:
    """Work on the items that come through the pipe until its other end closes; runs in a process of its own."""
    start_worker()
    pipe.send(("ready", None))
    while True:
        try:
            item = pipe.recv()
        except (EOFError, ConnectionResetError):
            return
        try:
            answer = "done", guarded(function, item)
        except BaseException as error:
            answer = "raise", error
        pipe.send(answer)
