"""The deployments of prefect.yaml on a server: a worker runs them, the API retries them, cron schedules them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from prefect.exceptions import PrefectHTTPStatusError

from tasks.artifacts.artifact import Artifact, artifacts_of
from tasks.stages import STAGES
from tests.support.commands import ROOT, TINY, run, wait_until
from tests.support.server_api import get, post

pytestmark = pytest.mark.slow

FLOWS = {"build_dataset", "choose_long_distance", "choose_lambdas", "fine_tune", "evaluate", "reproduce", "nightly"}


OF_MAIN_JOB = [name for name, stage in STAGES.items() if stage.in_main_job and name != "edits"]
ONE_EACH = sorted([*(f"{name}:demo" for name in OF_MAIN_JOB), "edits:demo-editaction", "edits:demo-start"])
"""Task runs of a main job: one for each artifact."""


def prefect(*arguments: str, api_url: str, expect: int = 0) -> str:
    """Run the `prefect` command in the project's folder, as the README says."""
    done = subprocess.run(
        [sys.executable, "-m", "prefect", *arguments],
        cwd=ROOT,
        env=os.environ | {"PREFECT_API_URL": api_url, "EDITACTION_HOME": str(ROOT), "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == expect, f"prefect {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def worker_logs(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Run a worker for each queue, cpu and gpu; give the files of their logs."""
    folder = tmp_path_factory.mktemp("workers")
    prefect("work-pool", "create", "local", "--type", "process", api_url=server)
    prefect("--no-prompt", "deploy", "--all", api_url=server)
    workers = []
    for queue in ("cpu", "gpu"):
        log = (folder / f"{queue}.log").open("w")
        command = ["prefect", "worker", "start", "--pool", "local", "--work-queue", queue]
        told = {"PREFECT_API_URL": server, "PREFECT_WORKER_QUERY_SECONDS": "2", "PREFECT_LOGGING_LEVEL": "INFO"}
        worker = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=os.environ | told | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0,
        )
        workers.append(worker)
    yield {queue: folder / f"{queue}.log" for queue in ("cpu", "gpu")}
    for worker in workers:
        os.killpg(worker.pid, signal.SIGTERM)
    for worker in workers:
        try:
            worker.wait(timeout=2)  # a worker of Prefect waits longer than that for nothing
        except subprocess.TimeoutExpired:
            os.killpg(worker.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def deployed(server: str, worker_logs: dict[str, Path]) -> str:
    """Run a server with all deployments and two process workers."""
    return server


def start_run(api_url: str, deployment: str, request: dict[str, Any]) -> str:
    """Ask for a run of a deployment; return the run's id."""
    described = get(api_url, f"/deployments/name/{deployment}")
    created = post(api_url, f"/deployments/{described['id']}/create_flow_run", {"parameters": {"request": request}})
    return str(created["id"])


def state_of(api_url: str, run_id: str) -> dict[str, Any]:
    return get(api_url, f"/flow_runs/{run_id}")["state"] or {}


def wait_for_end(api_url: str, run_id: str, *, within_s: float = 300) -> dict[str, Any]:
    ends = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
    assert wait_until(lambda: state_of(api_url, run_id).get("type") in ends, within_s=within_s, every_s=0.5)
    return state_of(api_url, run_id)


def runs_in(api_url: str, workspace: Path) -> list[dict[str, Any]]:
    """Return every flow run that worked in a workspace."""
    runs = post(api_url, "/flow_runs/filter", {})
    return [
        flow_run for flow_run in runs if flow_run["parameters"].get("request", {}).get("workspace") == str(workspace)
    ]


def task_states(api_url: str, run_id: str) -> dict[str, list[str]]:
    """Return the names of the states of a run's task runs, by the name of the task; those of subflows are included."""
    runs, frontier = [run_id], [run_id]
    while frontier:
        tasks = post(api_url, "/task_runs/filter", {"task_runs": {"flow_run_id": {"any_": frontier}}})
        parents = [task["id"] for task in tasks]
        children = (
            post(api_url, "/flow_runs/filter", {"flow_runs": {"parent_task_run_id": {"any_": parents}}})
            if parents
            else []
        )
        frontier = [child["id"] for child in children]
        runs += frontier
    states: dict[str, list[str]] = {}
    for task in post(api_url, "/task_runs/filter", {"task_runs": {"flow_run_id": {"any_": runs}}, "limit": 200}):
        states.setdefault(task["name"].split(":")[0], []).append(task["state_name"])
    return states


def test_every_flow_is_deployed_and_nightly_is_scheduled_at_its_cron_times(deployed: str) -> None:
    deployments = post(deployed, "/deployments/filter", {})
    flows = {flow["id"]: flow["name"] for flow in post(deployed, "/flows/filter", {})}
    assert {flows[deployment["flow_id"]] for deployment in deployments} == FLOWS
    nightly = next(deployment for deployment in deployments if flows[deployment["flow_id"]] == "nightly")

    def scheduled() -> list[dict[str, Any]]:
        task_runs = post(
            deployed,
            "/flow_runs/filter",
            {"flow_runs": {"deployment_id": {"any_": [nightly["id"]]}, "state": {"type": {"any_": ["SCHEDULED"]}}}},
        )
        return list(task_runs)

    assert wait_until(lambda: len(scheduled()) >= 2, within_s=120, every_s=1)
    times = [datetime.fromisoformat(run["expected_start_time"].replace("Z", "+00:00")) for run in scheduled()]
    assert {(when.hour, when.minute, when.utcoffset().total_seconds()) for when in times} == {(2, 15, 0.0)}
    assert len(set(times)) == len(times)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "'request' is a required property"),
        ({"request": {}}, "'preset' is a required property"),
        ({"request": {"preset": "dem"}}, "'dem' is not one of"),
        ({"request": {"preset": "demo"}, "reqest": 1}, "'reqest' was unexpected"),
        ({"request": {"preset": "demo", "settings": {"editor.num_steps": 0}}}, "0 is less than the minimum of 1"),
    ],
)
def test_a_run_that_cannot_be_is_refused_when_it_is_made(
    deployed: str, parameters: dict[str, Any], message: str
) -> None:
    deployment = get(deployed, "/deployments/name/reproduce/reproduce")
    with pytest.raises(PrefectHTTPStatusError) as refused:
        post(deployed, f"/deployments/{deployment['id']}/create_flow_run", {"parameters": parameters})
    assert message in refused.value.response.json()["detail"]


def test_reproduce_runs_to_its_end_by_a_worker_and_then_finds_everything_cached(deployed: str, tmp_path: Path) -> None:
    request = {"preset": "demo", "workspace": str(tmp_path / "workspace"), "settings": TINY}
    out = prefect(
        "deployment",
        "run",
        "reproduce/reproduce",
        "--param",
        f"request={json.dumps(request)}",
        "--watch",
        api_url=deployed,
    )
    assert "Completed" in out
    assert len(artifacts_of(tmp_path / "workspace", "report")) == 1
    [only] = runs_in(deployed, tmp_path / "workspace")
    assert only["parent_task_run_id"] is None
    asked = {"task_runs": {"flow_run_id": {"any_": [only["id"]]}}, "limit": 200}

    def names() -> list[str]:
        return sorted(task_run["name"] for task_run in post(deployed, "/task_runs/filter", asked))

    assert wait_until(lambda: names() == ONE_EACH, within_s=60, every_s=1), names()
    again = start_run(deployed, "reproduce/reproduce", request)
    assert wait_for_end(deployed, again)["type"] == "COMPLETED"

    def cached() -> set[str]:
        return {name for name, seen in task_states(deployed, again).items() if "Cached" in seen}

    # The states of task runs reach the database some time after the flow has ended.
    wait_until(lambda: "report" in cached(), within_s=60, every_s=1)
    assert cached() >= {
        "kitchen",
        "frames",
        "editor",
        "scores",
        "report",
    }


def test_a_failed_run_retried_through_the_api_does_only_the_failed_work(deployed: str, tmp_path: Path) -> None:
    run("kitchen", "--out", "k", "--style", "mpii", "--videos", "3", cwd=tmp_path)
    broken = sorted((tmp_path / "k" / "videos").iterdir())[0]
    whole = broken.read_bytes()
    broken.write_bytes(b"no video")
    request = {
        "preset": "lc",
        "annotations": str(tmp_path / "k" / "annotations.mat"),
        "videos": str(tmp_path / "k" / "videos"),
        "workspace": str(tmp_path / "workspace"),
        "start": str(ROOT / "modeling" / "starting_editor"),
        "until": "splits",
        "settings": {"splits.num_test": 5},
    }
    workspace = tmp_path / "workspace"
    run_id = start_run(deployed, "reproduce/reproduce", request)
    failed = wait_for_end(deployed, run_id)
    assert failed["type"] == "FAILED"
    assert "frames" in failed["message"]
    frozen, small = watched(deployed, request)
    broken.write_bytes(whole)
    time.sleep(3)  # a retry less than a second after the end would race with the worker's own report
    answer = post(deployed, f"/flow_runs/{run_id}/set_state", {"state": {"type": "SCHEDULED", "name": "AwaitingRetry"}})
    assert answer["status"] == "ACCEPT"
    assert wait_until(lambda: state_of(deployed, run_id).get("type") == "COMPLETED", within_s=300, every_s=1)
    frames = artifacts_of(workspace, "frames")[-1]
    assert frames.manifest["items"] == {"total": 3, "run": 1}
    assert frames.num_failed == 0
    assert len(artifacts_of(workspace, "segments")) == 1
    # The watched folder has grown, but the test set that was frozen before has not changed.
    splits, grown = watched(deployed, request)
    assert grown.manifest["counts"]["kept"] > small.manifest["counts"]["kept"]
    assert splits.path != frozen.path
    assert (Artifact.read(frozen.path), Artifact.read(small.path)) == (frozen, small)
    assert artifacts_of(workspace, "editor") == []


def watched(api_url: str, request: dict[str, Any]) -> tuple[Artifact, Artifact]:
    """Run the watched folder's deployment once; return the splits and shards that it has made."""
    deployment = get(api_url, "/deployments/name/build_dataset/watched-folder")
    assert [(schedule["schedule"]["interval"], schedule["active"]) for schedule in deployment["schedules"]] == [
        (900.0, False)
    ]
    assert deployment["parameters"]["allow_failed"] is True
    request = {name: value for name, value in request.items() if name != "until"}
    run_id = start_run(api_url, "build_dataset/watched-folder", request)
    ended = wait_for_end(api_url, run_id)
    assert ended["type"] == "COMPLETED", ended
    workspace = Path(request["workspace"])
    return artifacts_of(workspace, "splits")[-1], artifacts_of(workspace, "shards")[-1]


def test_runs_go_to_the_queue_of_their_kind_and_its_worker(
    deployed: str, worker_logs: dict[str, Path], tmp_path: Path
) -> None:
    asked = {"preset": "demo", "until": "segments", "settings": {"kitchen.num_videos": 1}}
    deployments = {"cpu": "build_dataset/build-dataset", "gpu": "fine_tune/fine-tune"}
    runs = {
        kind: start_run(deployed, name, asked | {"workspace": str(tmp_path / kind)})
        for kind, name in deployments.items()
    }
    assert {kind: wait_for_end(deployed, run)["type"] for kind, run in runs.items()} == dict.fromkeys(runs, "COMPLETED")
    for kind, run_id in runs.items():
        assert get(deployed, f"/flow_runs/{run_id}")["work_queue_name"] == kind
        assert [queue for queue, log in worker_logs.items() if run_id in log.read_text()] == [kind]
