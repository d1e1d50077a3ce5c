"""A command's own Prefect server, on loopback; it ends with the command.

`prefect_server(home)` uses the server in PREFECT_API_URL when there is one. Prefect's own temporary server dies first
on Ctrl-C, and its client then retries for a minute. This server is outside the terminal's process group; we end it, or
the kernel does if we are killed. Its home is the user's own folder, never a folder in a workspace: Prefect reads
logging and other settings from its home.
"""

import hashlib
import logging
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.commands.prefect_apart import import_prefect
from modeling.threads import patient_threads
from tasks.artifacts.own_folder import own_folder
from tasks.artifacts.processes import end, spawn

START_TIMEOUT_S = 300.0
"""Starting takes 4 s on an idle machine, 15 s with a new database, and much longer on a busy one."""
SEND_LOGS_S = 2.0
"""Longest wait for the last lines of runs to reach the server."""
STOP_TIMEOUT_S = 3.0

QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_CLI_COLORS": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}
"""No calls to the outside, no second server, no tracebacks in place of one line, no progress bars besides ours."""

RUN_LOGGERS = ("prefect.flow_runs", "prefect.task_runs")
"""Loggers of Prefect whose lines belong to a run: they go to the run's page."""


def set_environment() -> None:
    """Set the variables that Prefect and the model libraries read at their import; the user's own values stay.

    On a server that the user named, a run's lines reach its page even where the terminal is quiet (`quiet_terminal`).
    A command's own server gets none: it ends with the command, and lines on their way held up that end for 6 s.
    """
    if "PREFECT_API_URL" in os.environ and "PREFECT_LOGGING_LEVEL" not in os.environ:
        for logger in RUN_LOGGERS:
            os.environ.setdefault(f"PREFECT_LOGGING_LOGGERS_{logger.replace('.', '_').upper()}_LEVEL", "INFO")
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    os.environ.update(patient_threads(os.environ))
    # No child process imports a module from the folder in which the command was started.
    os.environ["PYTHONSAFEPATH"] = "1"


def quiet_terminal() -> None:
    """Keep the lines of runs off the terminal, which has its own; a PREFECT_LOGGING_LEVEL of the user shows them."""
    if os.environ.get("PREFECT_LOGGING_LEVEL") == QUIET["PREFECT_LOGGING_LEVEL"]:
        for logger in RUN_LOGGERS:
            logging.getLogger(logger).propagate = False


def send_logs() -> None:
    """Send the lines of runs that Prefect still holds: once its server is gone it would complain of them."""
    if "prefect.logging.handlers" in sys.modules:
        from prefect.logging.handlers import APILogWorker

        APILogWorker.drain_all(timeout=SEND_LOGS_S)


def home_of(workspace: Path) -> Path:
    """Return the home of the Prefect server for a workspace: a folder of the user, named by the workspace's path."""
    name = hashlib.sha256(str(workspace.resolve()).encode(errors="surrogateescape")).hexdigest()[:24]
    return own_folder("prefect", name)


@contextmanager
def prefect_server(home: Path, *, on_wait: Callable[[str], None] = lambda text: None) -> Iterator[str]:
    """Yield the API's URL of a running server: the one in PREFECT_API_URL, else one started for this command."""
    outer = os.environ.get("PREFECT_API_URL")
    if outer:
        import_prefect()
        quiet_terminal()
        yield outer
        return
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ.setdefault("PREFECT_HOME", str(home.resolve()))
    port = _free_port()
    url = f"http://127.0.0.1:{port}/api"
    with (home / "server.log").open("w") as log:
        process = spawn(
            [
                sys.executable,
                "-m",
                "uvicorn",
                "--factory",
                "prefect.server.api.server:create_app",
                *_uvicorn_options(port),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            on_wait("starting a Prefect server on this machine")
            _wait_until_healthy(process, url, home / "server.log")
            os.environ["PREFECT_API_URL"] = url
            import_prefect()  # reads its settings, and with them the address, when it is imported
            yield url
        finally:
            send_logs()
            os.environ.pop("PREFECT_API_URL", None)
            end(process, within_s=STOP_TIMEOUT_S)


def _uvicorn_options(port: int) -> list[str]:
    options = {"host": "127.0.0.1", "port": port, "log-level": "warning", "timeout-keep-alive": 30}
    options["timeout-graceful-shutdown"] = 1
    return [f"--{name}={value}" for name, value in options.items()]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_healthy(process: "subprocess.Popen[str]", url: str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise OSError(f"The Prefect server ended while starting; its log is {log}.")
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise OSError(f"The Prefect server was not ready after {START_TIMEOUT_S:.0f} s; its log is {log}.")
