"""The terminal of a command: progress of the stages, and a quick end after Ctrl-C or SIGTERM."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from flows.commands.screen import console as console
from flows.commands.screen import say, styled
from tasks.artifacts.artifact import Artifact
from tasks.artifacts.processes import ending_until

GRACE_S = 6.0
"""Seconds that a command has to end by itself after a signal; training may take longer to save. Then it is ended. A
second signal ends it at once: training then saves on its own.
"""
LINE_EVERY_S = 5.0
"""Seconds between a stage's lines of progress when there is no terminal."""
COUNT_EVERY_S = 60.0
"""When there is no terminal, `counting` prints at every tenth, and after this many seconds at the latest."""
ITEMS_FAILED = 3
"""Exit status when everything is finished except failed items."""


class StageBars:
    """Shows the stages of a run: bars on a terminal, plain lines elsewhere."""

    def __init__(self, console: Console):
        self.console = console
        self.num_built = 0
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._ids: dict[tuple[str, str], TaskID] = {}
        self._printed: dict[tuple[str, str], float] = {}

    def __enter__(self) -> "StageBars":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def started(self, stage: str, label: str) -> None:
        """Open the stage's bar."""
        self._ids[stage, label] = self._bars.add_task(f"{stage:<10} {label}", total=None, note="")
        self._printed[stage, label] = time.monotonic()
        if not self.console.is_terminal:
            self.console.print(f"{stage:<10} {label}: started", highlight=False)

    def progressed(self, stage: str, label: str, done: int, total: int, note: str) -> None:
        """Update the stage's bar."""
        self._bars.update(self._ids[stage, label], completed=done, total=total, note=note)
        if not self.console.is_terminal and time.monotonic() - self._printed[stage, label] > LINE_EVERY_S:
            self._printed[stage, label] = time.monotonic()
            self.console.print(f"{stage:<10} {label}: {done} of {total}{note and f', {note}'}", highlight=False)

    def waiting(self, stage: str, label: str, holder: str, seconds: float) -> None:
        """Print which run the stage waits for."""
        self.console.print(f"{stage:<10} {label}: waits for {holder}, which builds the same", markup=False)

    def told(self, stage: str, label: str, message: str) -> None:
        """Print it."""
        self.console.print(f"{stage:<10} {label}: {message}", markup=False, highlight=False, soft_wrap=True)

    def finished(self, stage: str, label: str, artifact: Artifact, cached: bool) -> None:
        """Close the stage's bar and print its result, once per run."""
        if (bar := self._ids.pop((stage, label), None)) is not None:
            self._bars.remove_task(bar)
        if cached:
            return
        self.num_built += 1
        counts = artifact.manifest["counts"]
        filtered, failed = sum(counts["filtered"].values()), sum(counts["failed"].values())
        rest = "".join(f", {number} {word}" for number, word in ((filtered, "filtered"), (failed, "failed")) if number)
        seconds = artifact.manifest["seconds"]
        told = f" {stage:<10} {label}: {counts['kept']} kept{rest}  "
        self.console.print(styled(("✓", "green"), told, (f"{seconds:.1f} s", "dim")))

        for warning in artifact.manifest["facts"].get("warnings", []):
            self.console.print(styled("  ", (warning, "yellow")), soft_wrap=True)


@contextmanager
def counting(console: Console, what: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function to call with (done, total): it shows a bar with the time left on a terminal, lines elsewhere."""
    columns = (
        TextColumn(what, markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    tenths_told, told_at = 0, time.monotonic()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)

        def tell(done: int, total: int) -> None:
            nonlocal tenths_told, told_at
            bar.update(task, completed=done, total=total)
            tenths = 10 * done // max(1, total)
            is_time = tenths > tenths_told or time.monotonic() - told_at > COUNT_EVERY_S
            if not console.is_terminal and is_time:
                tenths_told, told_at = tenths, time.monotonic()
                console.print(f"{what}: {done} of {total}", highlight=False)

        yield tell


class Interrupted(BaseException):
    """SIGINT or SIGTERM was received; `signal_number` says which."""

    def __init__(self, signal_number: int):
        self.signal_number = signal_number


@dataclass
class Received:
    """The signal that ended the command, if any; it is kept here because a library may swallow Interrupted."""

    signal_number: int | None = None


@contextmanager
def ending_on_signals() -> Iterator[None]:
    """End the command within GRACE_S of SIGINT or SIGTERM, also when the main thread is busy; one line says so.

    A watching thread gets the signal from the interpreter's wake-up socket, so a long native call in the main thread,
    or a handler set by a library, cannot delay the end. The main thread gets Interrupted. Child processes are ended on
    the way out, or by the kernel when this process is killed first.
    """
    receiving, sending = socket.socketpair()
    sending.setblocking(False)
    signal.set_wakeup_fd(sending.fileno(), warn_on_full_buffer=False)
    received = Received()

    def interrupt(signal_number: int, _: object) -> None:
        raise Interrupted(signal_number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    threading.Thread(target=_watch, args=(receiving, received), daemon=True).start()
    yield
    if received.signal_number is not None:
        raise Interrupted(received.signal_number)


def _watch(receiving: socket.socket, received: Received) -> None:
    while content := receiving.recv(1):
        number = content[0]
        if number in (signal.SIGINT, signal.SIGTERM):
            received.signal_number = number
            word = "interrupted" if number == signal.SIGINT else "terminated"
            say(f"{word}; what is finished is kept, the same command goes on from here.")
            time.sleep(GRACE_S)
            while time.monotonic() < ending_until():  # a program that is ending may still save
                time.sleep(0.1)
            os._exit(128 + number)
