"""The connection of a run to its caller: it writes progress as JSON lines, and receives signals to stop."""

import json
import math
import os
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from modeling.config import TrainConfig
from modeling.runs.log import finite_or_none
from modeling.visible import visible

REPORT_EVERY_S = 0.5
"""Seconds between progress lines of one phase; the last line of a phase is always written."""


STEP_GRACE_S = 5.0
"""Seconds that the present step may still take after a signal. A longer step is abandoned: the state before it is saved
(7 to 14 GB at Stable Diffusion's size, at the disk's speed), and the process ends.
"""
RECENT_S = 60.0
"""The time left is computed from the speed of this many last seconds, because the load of the machine changes."""


class TrainingStopped(Exception):
    """A signal asked the run to end."""

    def __init__(self, signal_number: int, kept: int | None = None):
        super().__init__(stopped_message(signal_number, kept))
        self.exit_status = 128 + signal_number


def stopped_message(signal_number: int, kept: int | None) -> str:
    """Take the cause and the number of saved steps; None when that is not known here."""
    saved = {None: "", 0: "; no step was finished, so none is saved"}.get(kept, f"; saved after step {kept}")
    return f"stopped by {signal.Signals(signal_number).name}{saved}"


class Watcher:
    """Reports progress, and keeps a signal until the run can stop."""

    def __init__(self, write: Callable[[str], None], step_grace_s: float = STEP_GRACE_S):
        """Take the function that gets each line of JSON."""
        self.signal_number: int | None = None
        self._write = write
        self._said_at = 0.0
        self._step_grace_s = step_grace_s
        self._save: Callable[[], int] | None = None
        self._wakers: tuple[socket.socket, socket.socket] | None = None

    def catch_signals(self) -> None:
        """Listen for SIGTERM and SIGINT from now on; only a process's main thread can do this.

        The main thread sees a signal only between two lines of Python, and a backward pass at real size can delay that
        for long. So a separate thread waits for signals, and ends the process when the grace is over.
        """
        receiving, sending = self._wakers = socket.socketpair()
        sending.setblocking(False)
        signal.set_wakeup_fd(sending.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note_signal)
        threading.Thread(target=self._end_in_time, args=(receiving,), daemon=True).start()

    def release_signals(self) -> None:
        """End the thread that waits for signals: the run is over."""
        if self._wakers is not None:
            signal.set_wakeup_fd(-1)
            sending = self._wakers[1]
            sending.close()  # the thread reads the end and returns
            self._wakers = None

    def _note_signal(self, signal_number: int, frame: FrameType | None) -> None:
        self.signal_number = signal_number

    def _end_in_time(self, receiving: socket.socket) -> None:
        """Wait for a signal and for the grace after it; then save the last state and end the process."""
        with receiving:
            while content := receiving.recv(1):
                if content[0] in (signal.SIGTERM, signal.SIGINT):
                    break
            else:
                return
        number = self.signal_number = content[0]
        if math.isinf(self._step_grace_s):
            return
        time.sleep(self._step_grace_s)
        try:
            kept = self._save() if self._save is not None else None
            self.say("stopped", message=stopped_message(number, kept))
        except OSError as error:
            with suppress(OSError):
                print(f"modeling.train: {visible(error)}", file=sys.stderr, flush=True)
        finally:
            os._exit(128 + number)

    @contextmanager
    def saving(self, save: Callable[[], int]) -> Iterator[None]:
        """Set the function that saves the run and returns the number of saved steps; another thread calls it."""
        self._save = save
        try:
            yield
        finally:
            self._save = None

    def stop_requested(self) -> bool:
        """Tell whether a signal has come."""
        return self.signal_number is not None

    def check(self) -> None:
        """Raise TrainingStopped if a signal has come."""
        if self.stop_requested():
            assert self.signal_number is not None
            raise TrainingStopped(self.signal_number)

    def be_silent(self) -> None:
        """Write nothing from now on, and let the launcher end this process: only one of several processes reports."""
        self._write = lambda line: None
        self._step_grace_s = float("inf")

    def say(self, phase: str, **fields: Any) -> None:
        """Write one line; after a write error (a closed pipe, a full disk) write nothing more."""
        try:
            self._write(json.dumps({"phase": phase, **fields}))
        except OSError:
            self._write = lambda line: None

    def tick(self, phase: str, done: int, total: int, **fields: Any) -> None:
        """Write a line of progress unless one was just written, and raise TrainingStopped if a signal has come."""
        now = time.monotonic()
        if now - self._said_at >= REPORT_EVERY_S or done == total:
            self._said_at = now
            self.say(phase, done=done, total=total, **fields)
        self.check()


class ProgressBar:
    """Shows progress at a terminal: a bar with the loss, samples per second and the time left."""

    def __init__(self, console: Console):
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._task: TaskID | None = None
        self._phase = ""

    def __call__(self, line: str) -> None:
        """Show one line of JSON."""
        told = json.loads(line)
        done, total = told.get("done", told.get("step")), told.get("total", told.get("num_steps"))
        if total is None:
            words = ", ".join(f"{name} {value}" for name, value in told.items() if name != "phase")
            return self._bar.console.print(f"{told['phase']}: {words}", highlight=False, soft_wrap=True)
        if self._task is None or told["phase"] != self._phase:
            self._phase = told["phase"]
            self._task = self._bar.add_task(self._phase, total=total, note="")
            self._bar.start()
        self._bar.update(self._task, completed=done, total=total, note=note_of(told))

    def close(self) -> None:
        """Close the bars, so that they stay on the screen."""
        self._bar.stop()


def note_of(told: Mapping[str, Any]) -> str:
    """Return loss, speed and time left of a progress line of training, in words; "" for other lines."""
    if told.get("phase") != "train":
        return ""
    loss = "" if told["loss"] is None else f"loss {told['loss']:.4f}, "
    hours, minutes = divmod(round(told["eta_s"] / 60), 60)
    left = f"{hours} h {minutes:02} min" if hours else f"{minutes} min" if minutes else f"{told['eta_s']:.0f} s"
    skipped = f", {told['skipped']} skipped" if told["skipped"] else ""
    return f"{loss}{told['samples_per_s']:g} samples/s, {left} left{skipped}"


class StepProgress:
    """Reports the steps of one run, with speed and time left."""

    def __init__(self, watcher: Watcher, config: TrainConfig, first_step: int):
        self._watcher = watcher
        self._config = config
        self._recent = deque([(time.monotonic(), first_step)])
        self._said_at = 0.0

    def __call__(self, step: int, entry: Mapping[str, Any]) -> None:
        """Report that `step` steps are done; `entry` is the log's entry of the last one."""
        now = time.monotonic()
        if now - self._said_at < REPORT_EVERY_S and step < self._config.num_steps:
            return
        self._said_at = now
        while len(self._recent) > 1 and now - self._recent[1][0] > RECENT_S:
            self._recent.popleft()
        since, from_step = self._recent[0]
        self._recent.append((now, step))
        steps_per_s = max(step - from_step, 1) / max(now - since, 1e-9)
        self._watcher.say(
            "train",
            step=step,
            num_steps=self._config.num_steps,
            loss=finite_or_none(entry["loss"]),
            static=finite_or_none(entry["static"]),
            action=finite_or_none(entry["action"]),
            reg=finite_or_none(entry["reg"]),
            skipped=entry["skipped"],
            samples_per_s=round(steps_per_s * self._config.batch_size, 2),
            eta_s=round((self._config.num_steps - step) / steps_per_s, 1),
        )
