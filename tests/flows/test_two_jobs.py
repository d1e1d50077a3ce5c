"""Whole jobs that share a workspace. Afterwards no secret is in it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts.artifact import artifacts_of, read_records
from tests.support.commands import ROOT, environment, run, wait_until
from tests.support.http_server import Behaviour, serving
from tests.support.server_api import post

pytestmark = pytest.mark.slow

JOB = """
import json, sys

if __name__ == "__main__":
    from flows.commands.server import set_environment

    set_environment()
    from flows.build_dataset import build_dataset
    from flows.wiring.request import Request

    print(build_dataset(Request(**json.loads(sys.argv[1])), allow_failed=True, return_state=True).type.value)
"""


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make three drawn videos; the first of them stays broken."""
    folder = tmp_path_factory.mktemp("drawn")
    run("kitchen", "--out", "k", "--style", "mpii", "--videos", "3", cwd=folder)
    sorted((folder / "k" / "videos").iterdir())[0].write_bytes(b"no video")
    return folder / "k"


def job(server: str, kitchen: Path, workspace: Path, **settings: Any) -> "subprocess.Popen[str]":
    request = {
        "preset": "lc",
        "annotations": str(kitchen / "annotations.mat"),
        "videos": str(kitchen / "videos"),
        "workspace": str(workspace),
        "until": "shards",
        "settings": {"frames.size_px": 32} | {name.replace("__", "."): value for name, value in settings.items()},
    }
    command = [sys.executable, "-c", JOB, json.dumps(request)]
    return subprocess.Popen(
        command, env=environment(server), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_different_jobs_with_one_broken_video_all_succeed_and_take_nothing_from_each_other(
    server: str, kitchen: Path, tmp_path: Path
) -> None:
    workspace = tmp_path / "w"
    together = [job(server, kitchen, workspace, splits__num_test=number) for number in (4, 5)]
    for process in together:
        out, err = process.communicate(timeout=300)
        assert out.split() == ["COMPLETED"], err
    [frames] = artifacts_of(workspace, "frames")
    assert frames.manifest["counts"]["failed"]["not_a_video"] > 0
    before = (frames.path / "manifest.json").stat()
    reader = job(server, kitchen, workspace, splits__num_test=6)
    while reader.poll() is None:
        assert sum(1 for _ in read_records(frames.path / "records.jsonl")) == frames.manifest["counts"]["kept"]
    assert reader.communicate()[0].split() == ["COMPLETED"]
    now = (frames.path / "manifest.json").stat()
    assert (now.st_ino, now.st_mtime_ns) == (before.st_ino, before.st_mtime_ns), "a finished artifact stays where it is"
    assert len(artifacts_of(workspace, "frames")) == 1
    assert len(artifacts_of(workspace, "shards")) == 3


def test_no_secret_is_in_the_workspace_the_server_or_what_is_printed(
    server: str, kitchen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = sorted((kitchen / "videos").iterdir())[1]
    (tmp_path / "actions.csv").write_text("video,start_s,stop_s,instruction\na,1,2,take cup\ngone,1,2,open door\n")
    tokens = {name: f"qX7-of-this-test--{name}" for name in ("HF_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY")}
    for name, value in tokens.items():
        monkeypatch.setenv(name, value)
    for name in ("HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    signed = "X-Amz-Signature=qX7-of-this-test-SIGNATURE"
    with serving(Behaviour(files={f"/a.avi?{signed}": whole})) as address:
        mirror = address.replace("//", "//alice:qX7-of-this-test-PASS@") + "/{video}.avi?" + signed
        command = ["run", "--preset", "table", "--annotations", "actions.csv", "--fetch", "download"]
        command += ["--mirror", mirror, "--retries", "1", "--until", "frames", "--set", "frames.size_px=32"]
        done = run(*command, cwd=tmp_path, api_url=server, expect=3)
        asked = {"preset": "table", "annotations": str(tmp_path / "actions.csv"), "fetch": "download", "retries": 1}
        asked |= {"mirror": address + "/{video}.avi", "workspace": str(tmp_path / "w"), "until": "frames"}
        secrets = {"EDITACTION_MIRROR": mirror, "PREFECT_API_AUTH_STRING": "user:qX7-of-this-test-AUTH"}
        by_worker = subprocess.run(
            [sys.executable, "-c", JOB, json.dumps(asked | {"settings": {"frames.size_px": 32}})],
            env=environment(server) | secrets | {"PREFECT_LOGGING_LEVEL": "INFO"},
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert by_worker.stdout.split() == ["COMPLETED"], by_worker.stderr
    for workspace in ("workspace", "w"):
        [frames] = artifacts_of(tmp_path / workspace, "frames")
        assert frames.manifest["counts"]["kept"] == 1, "the whole address was used"
        assert "not_found" in frames.manifest["counts"]["failed"]
    named = {"flow_runs": {"name": {"like_": "table to frames"}}}
    runs = [
        flow_run["id"]
        for flow_run in post(server, "/flow_runs/filter", named)
        if flow_run["parameters"]["request"]["mirror"] == address + "/{video}.avi"
    ]
    assert len(runs) == 2

    def lines(run_id: str) -> str:
        asked = {"logs": {"flow_run_id": {"any_": [run_id]}}, "limit": 200}
        return "\n".join(line["message"] for line in post(server, "/logs/filter", asked))

    for run_id in runs:  # the command's page has the lines of its stages, as the worker's has
        assert wait_until(lambda: "not_found" in lines(run_id), within_s=30, every_s=0.5), lines(run_id)  # noqa: B023
        assert "segments table: 2 rows in, 2 kept; " in lines(run_id)
    assert "rows in" not in done.stdout + done.stderr, "the terminal has lines of its own"
    database = Path(os.environ["PREFECT_HOME"])
    assert (database / "prefect.db").is_file()
    searched = [path for folder in (tmp_path, database) for path in folder.rglob("*") if path.is_file()]
    assert len(searched) > 20
    assert [str(path) for path in searched if b"qX7-of-this-test-" in path.read_bytes()] == []
    assert "qX7-of-this-test-" not in done.stdout + done.stderr + by_worker.stdout + by_worker.stderr
    for path in tmp_path.rglob("storage/*"):
        json.loads(path.read_text())  # no pickle was written
