"""Prefect tries a stage again when its failure may pass by itself, and only then."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.artifacts.building import StageFailed
from tasks.artifacts.failures import may_pass
from tests.support.commands import ROOT, environment

pytestmark = pytest.mark.slow

FLOW = """
import errno, sys
from pathlib import Path
from flows.commands.server import set_environment

set_environment()
from prefect import flow
from tasks.artifacts import stage as meeting
from tasks.artifacts.building import StageFailed
from tasks.config import DatasetConfig

meeting.RETRY_AFTER_S[:] = [0.1, 0.1]
tries = []
ERRORS = {
    "connection": ConnectionResetError("the server is away"),
    "stale": OSError(errno.ESTALE, "Stale file handle"),
    "full": OSError(errno.ENOSPC, "No space left on device"),
    "ours": ValueError("a wrong setting"),
    "mended": StageFailed("a person can mend it"),
}

@meeting.stage
def verdicts(work, config):
    tries.append(work.label)
    if tries.count(work.label) < 3:
        raise ERRORS[work.label]
    work.write_rows([])

@flow
def trying(label: str):
    verdicts(Path(sys.argv[1]), label, DatasetConfig(title=label))

for label in ERRORS:
    state = trying(label, return_state=True)
    print(label, tries.count(label), state.type.value)
"""


def test_what_may_pass_is_tried_again_and_nothing_else(server: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FLOW, str(tmp_path / "w")],
        env=environment(server) | {"PREFECT_HOME": str(tmp_path / "home")},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["connection", "3", "COMPLETED"],
        ["stale", "3", "COMPLETED"],
        ["full", "1", "FAILED"],
        ["ours", "1", "FAILED"],
        ["mended", "1", "FAILED"],
    ]


def test_errors_of_servers_and_shared_folders_may_pass() -> None:
    assert may_pass(TimeoutError(errno.ETIMEDOUT, "timed out"))
    assert not may_pass(PermissionError(errno.EACCES, "denied"))
    assert not may_pass(StageFailed("no"))
