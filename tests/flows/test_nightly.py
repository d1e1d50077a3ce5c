"""Nights on a real server: nothing new, an editor made worse on purpose, other settings. None of them trains."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts.artifact import artifacts_of
from tests.support.commands import ROOT, TINY, environment, run, tiny_arguments
from tests.support.server_api import get, post

pytestmark = pytest.mark.slow

SETTINGS = {name: value for name, value in TINY.items() if name.startswith(("edits.", "scores."))}
DEMO = {"kitchen.num_videos": 4, "splits.num_test": 20}


NIGHT = """
import json, sys
from flows.commands.server import set_environment

set_environment()
from flows.nightly import nightly
from flows.wiring.nightly_job import NightlyRequest

print(nightly(NightlyRequest(**json.loads(sys.argv[1])), return_state=True).message or "")
"""


def night(server: str, workspace: Path, **changes: Any) -> str:
    """Run a night in a process of its own; return the first line of its page."""
    request = json.dumps({"workspace": str(workspace), "settings": SETTINGS | changes})
    done = subprocess.run(
        [sys.executable, "-c", NIGHT, request], env=environment(server), cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return str(get(server, "/artifacts/nightly/latest")["data"]).splitlines()[0]


def test_a_night_says_what_is_new_and_fails_for_an_editor_that_got_worse(server: str, tmp_path: Path) -> None:
    arguments = tiny_arguments(**{name.replace(".", "__"): value for name, value in DEMO.items()})
    workspace = tmp_path / "w"
    run("demo", "--workspace", "w", *arguments, cwd=tmp_path, api_url=server)
    assert night(server, workspace).startswith("Nothing new")
    assert len(get(server, "/artifacts/nightly/latest")["data"].splitlines()) == 1
    worse = ["--set", "editor.learning_rate=0.02", "--until", "editor"]
    run("demo", "--workspace", "w", *arguments, *worse, cwd=tmp_path, api_url=server)
    assert "rest of the scene kept on test20 fell by" in night(server, workspace)
    asked = {"flows": {"name": {"any_": ["nightly"]}}, "flow_runs": {"state": {"type": {"any_": ["FAILED"]}}}}
    [failed] = post(server, "/flow_runs/filter", asked)
    assert "REGRESSION" in failed["state"]["message"]
    page = get(server, "/artifacts/nightly/latest")["data"].splitlines()
    assert page[0].startswith("REGRESSION of demo-")
    assert sum(line.startswith("| ") for line in page) == 2 + 4
    assert "report.html" in page[-1]
    assert night(server, workspace).startswith("Nothing new"), "it was judged once"
    assert "not comparable, because the scoring settings differ" in night(
        server, workspace, **{"scores.paired_features": "fixed-random"}
    )
    assert len(artifacts_of(workspace, "editor")) == 2, "no night trains"
