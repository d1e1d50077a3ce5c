"""Run the command `editaction` as its users do: in a process of its own, on a kitchen small enough for a test."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

TINY = {
    "kitchen.num_videos": 3,
    "splits.num_test": 10,
    "classifier.num_epochs": 1,
    "classifier.max_segments": 24,
    "editor.num_steps": 12,
    "editor.checkpoint_every": 4,
    "edits.sampling.num_steps": 3,
}
"""Settings with which every stage of the demo does its whole work in seconds."""


def tiny_arguments(**changes: object) -> list[str]:
    """Return the `--set` options of a tiny run."""
    settings = TINY | {name.replace("__", "."): value for name, value in changes.items()}
    return [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]


def environment(api_url: str | None) -> dict[str, str]:
    """Return the environment of a command: that of this process, with the server that the command shall use, if any."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    # One torch thread for each, so that commands that run side by side do not compete for two cores.
    kept |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return kept | ({"PREFECT_API_URL": api_url} if api_url else {})


def start(*arguments: str, cwd: Path, api_url: str | None = None) -> "subprocess.Popen[str]":
    """Start `editaction` and keep its output.

    It leads a process group, as a command started by a terminal's shell does.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "flows.commands.cli", *arguments],
        cwd=cwd,
        env=environment(api_url),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def run(
    *arguments: str, cwd: Path, api_url: str | None = None, expect: int | None = 0, timeout_s: float = 600
) -> "subprocess.CompletedProcess[str]":
    """Run `editaction` to its end. Its exit status must be `expect`, unless `expect` is None."""
    process = start(*arguments, cwd=cwd, api_url=api_url)
    with ended(process):
        out, err = process.communicate(timeout=timeout_s)
    if expect is not None:
        assert process.returncode == expect, f"editaction {' '.join(arguments)}\n{out}\n{err}"
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@contextmanager
def ended(process: "subprocess.Popen[str]") -> Iterator[None]:
    """End the processes of a command in every case, also when the test fails."""
    try:
        yield
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def children_of(pid: int) -> list[int]:
    """Return the processes that descend from `pid`, whatever their process group."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    children, frontier = [], [pid]
    while frontier:
        frontier = [child for child, parent in parents.items() if parent in frontier]
        children += frontier
    return children


def is_running(pid: int) -> bool:
    """Tell whether a process is there and not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(condition, *, within_s: float, every_s: float = 0.05) -> bool:
    """Wait until `condition()` is true; return whether that happened in time."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(every_s)
    return False
