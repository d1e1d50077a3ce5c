"""Nights on a real server: a worse editor, a killed night, nights and a manual run at once, a list of pairs, no news.

No night trains.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tasks.artifacts.artifact import artifacts_of
from tests.support.commands import ROOT, TINY, environment, run, start, tiny_arguments, wait_until
from tests.support.server_api import get, post

pytestmark = pytest.mark.slow

SETTINGS = {name: value for name, value in TINY.items() if name.startswith(("edits.", "scores."))}
DEMO = {"kitchen__num_videos": 4, "splits__num_test": 20}


NIGHT = """
import json, sys

if __name__ == "__main__":
    from flows.commands.server import set_environment

    set_environment()
    from flows.nightly import nightly
    from flows.wiring.nightly_job import NightlyRequest

    nightly(NightlyRequest(**json.loads(sys.argv[1])), return_state=True)
"""


def begin(server: str, workspace: Path, **request: Any) -> "subprocess.Popen[str]":
    """Start a night in a process of its own."""
    asked = json.dumps({"workspace": str(workspace), "settings": SETTINGS} | request)
    return subprocess.Popen(
        [sys.executable, "-c", NIGHT, asked],
        env=environment(server),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def night(server: str, workspace: Path, **request: Any) -> str:
    """Run a night to its end; return its page."""
    process = begin(server, workspace, **request)
    err = process.communicate(timeout=300)[1]
    assert process.returncode == 0, err
    return page_of(server)


def page_of(server: str) -> str:
    """Return the Markdown of the latest night's page."""
    return str(get(server, "/artifacts/nightly/latest")["data"]).replace("\\", "")


def verdicts(server: str, workspace: Path) -> list[str]:
    """Return the messages of all nights of the workspace that failed."""
    asked = {"flows": {"name": {"any_": ["nightly"]}}, "flow_runs": {"state": {"type": {"any_": ["FAILED"]}}}}
    runs = post(server, "/flow_runs/filter", asked)
    return [
        flow_run["state"]["message"]
        for flow_run in runs
        if flow_run["parameters"]["request"]["workspace"] == str(workspace)
    ]


def regressions(server: str) -> list[str]:
    """Return the events that the nights emitted for automations.yaml."""
    answer = post(server, "/events/filter", {"filter": {"event": {"name": ["editaction.regression"]}}, "limit": 50})
    return [event["payload"]["verdict"] for event in answer["events"]]


def built(workspace: Path) -> dict[str, int]:
    return {stage: len(artifacts_of(workspace, stage)) for stage in ("editor", "edits", "scores", "report")}


def test_nights_judge_what_is_new_whatever_runs_beside_them_and_whatever_was_killed(
    server: str, tmp_path: Path
) -> None:
    workspace, arguments = tmp_path / "w", tiny_arguments(**DEMO)
    run("demo", "--workspace", "w", *arguments, cwd=tmp_path, api_url=server)
    worse = [*arguments, "--set", "editor.learning_rate=0.02"]
    run("demo", "--workspace", "w", *worse, "--until", "editor", cwd=tmp_path, api_url=server)

    killed = begin(server, workspace)
    assert wait_until(lambda: any((workspace / "edits").glob("*.partial")), within_s=120, every_s=0.005)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert built(workspace) == {"editor": 2, "edits": 2, "scores": 1, "report": 1}

    at_once = [begin(server, workspace), begin(server, workspace)]
    manual = start("demo", "--workspace", "w", *worse, cwd=tmp_path, api_url=server)
    for process in [*at_once, manual]:
        err = process.communicate(timeout=300)[1]
        assert process.returncode == 0, err
    assert built(workspace)["editor"] == 2, "no night trains"
    assert built(workspace)["edits"] == 3, "who comes second waits and finds it"
    told = verdicts(server, workspace)
    assert len(told) == 2
    assert all(message.startswith("REGRESSION of demo-") for message in told)
    assert all("rest of the scene kept on test20 fell by" in message for message in told)
    assert wait_until(lambda: set(told) <= set(regressions(server)), within_s=30, every_s=0.5)
    shown = page_of(server).splitlines()
    assert shown[0] in told
    assert sum(line.startswith("|") for line in shown) == 2 + 4
    assert "report.html" in shown[-1]
    _test_a_list_of_pairs(server, tmp_path, workspace)


def _test_a_list_of_pairs(server: str, folder: Path, workspace: Path) -> None:
    """A list is a frozen test set: a night evaluates the whole list or nothing."""
    run("manifest", "--workspace", "w", "--out", "all.parquet", cwd=folder)
    pairs = pq.read_table(folder / "all.parquet")
    tested = folder / "tested.parquet"
    pq.write_table(pairs.filter(pc.not_equal(pairs["split"], "train")), tested)
    shutil.copytree(next((workspace / "kitchen").glob("demo-*/videos")), folder / "videos")
    broken = sorted((folder / "videos").iterdir())[2]
    whole, before = broken.read_bytes(), built(workspace)
    broken.write_bytes(b"no video")
    request = {"test_set": str(tested), "videos": str(folder / "videos")}
    page = night(server, workspace, **request)
    lost = sum(pair.startswith(broken.stem) for pair in pq.read_table(tested)["segment_id"].to_pylist())
    assert lost > 0
    assert page.startswith(
        f"TEST SET INCOMPLETE: {lost} of its 20 pairs are missing: {lost} not_a_video ({broken.stem}-"
    )
    assert page in verdicts(server, workspace), "the run is Failed"
    assert built(workspace) == before, "a part of a test set is not evaluated"
    broken.write_bytes(whole)
    assert "not comparable, because the test set is another one" in night(server, workspace, **request)
    again = night(server, workspace)
    assert again.startswith("Nothing new")
    assert len(again.splitlines()) == 1
    assert "pairs-" in again, "the test set of the newest evaluation"
