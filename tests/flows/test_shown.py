"""What the server shows of a run: name, tags, lines, failures, assets. No pickle is written."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import ROOT, environment, run, wait_until
from tests.support.server_api import post

pytestmark = pytest.mark.slow

FLOW = """
import json, os, sys

if __name__ == "__main__":
    from flows.commands.server import set_environment

    set_environment()
    from flows.build_dataset import build_dataset
    from flows.wiring.request import Request

    print(build_dataset(Request(**json.loads(sys.argv[1])), return_state=True).type.value)
"""


def flow(server: str, home: Path, request: dict[str, Any]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", FLOW, json.dumps(request)],
        env=environment(server) | {"PREFECT_LOGGING_LEVEL": "INFO", "PREFECT_HOME": str(home)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_a_run_shows_what_it_did(server: str, tmp_path: Path) -> None:
    run("kitchen", "--out", "k", "--style", "mpii", "--videos", "3", cwd=tmp_path)
    broken = sorted((tmp_path / "k" / "videos").iterdir())[0]
    broken.write_bytes(b"no video")
    request = {
        "preset": "lc",
        "annotations": str(tmp_path / "k" / "annotations.mat"),
        "videos": str(tmp_path / "k" / "videos"),
        "workspace": str(tmp_path / "shown"),
        "until": "frames",
        "settings": {"frames.size_px": 32},
    }
    home = tmp_path / "home"
    assert flow(server, home, request) == "FAILED"
    named = {"flow_runs": {"name": {"any_": ["lc to frames, frames.size_px=32"]}}}
    [shown] = post(server, "/flow_runs/filter", named)
    assert set(shown["tags"]) == {"data:lc", "until:frames", "method:editaction"}
    assert "frames: " in shown["state"]["message"]
    assert "failed rows" in shown["state"]["message"]

    def lines() -> list[str]:
        asked = {"logs": {"flow_run_id": {"any_": [shown["id"]]}}, "limit": 200}
        return [line["message"] for line in post(server, "/logs/filter", asked)]

    def ends() -> list[str]:
        return [line for line in lines() if line.startswith(("segments lc: ", "frames lc: ")) and "rows in" in line]

    assert wait_until(lambda: len(ends()) == 2, within_s=30, every_s=1)
    assert any("failed (not_a_video" in line and str(tmp_path / "shown" / "frames") in line for line in ends())
    mine = {"artifacts": {"flow_run_id": {"any_": [shown["id"]]}}, "limit": 200}
    tables = [artifact for artifact in post(server, "/artifacts/filter", mine) if artifact["key"] == "failed-frames"]
    assert "not_a_video" in tables[-1]["data"]

    def built() -> list[dict[str, Any]]:
        asked = {"filter": {"event": {"name": ["prefect.asset.materialization.succeeded"]}}, "limit": 50}
        events = post(server, "/events/filter", asked)["events"]
        return [event for event in events if event["resource"]["prefect.resource.id"].startswith("editaction://shown/")]

    assert wait_until(lambda: len(built()) == 3, within_s=30, every_s=1)
    [frames] = [event for event in built() if event["resource"]["prefect.resource.id"].endswith("frames/lc")]
    assert frames["payload"]["counts"]["failed"]["not_a_video"] > 0
    upstream = {resource["prefect.resource.id"] for resource in frames["related"]}
    assert {"editaction://shown/segments/lc", "editaction://shown/videos/lc"} <= upstream
    assert flow(server, home, request) == "FAILED"
    assert len(built()) == 3, "what is found again is no new asset"
    stored = [path for path in (home / "storage").rglob("*") if path.is_file()]
    for path in stored:
        json.loads(path.read_text())  # no pickle was written
    assert os.environ.get("PREFECT_API_URL") == server
