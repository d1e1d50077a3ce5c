"""A Prefect server with a password: automations.yaml, loaded as the page says, calls a webhook. Strangers get 401."""

import base64
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.commands.server import prefect_server
from tests.support.commands import ROOT, wait_until
from tests.support.receiver import receiving

pytestmark = pytest.mark.slow

PASSWORD = "user:a-password-of-this-test"
BLOCK = (
    "from prefect.blocks.webhook import Webhook; "
    "print(Webhook(method='POST', url='{url}').save('editaction', overwrite=True))"
)


@pytest.fixture(scope="module")
def closed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a server that asks for a password."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PREFECT_API_URL", raising=False)
        patch.setenv("PREFECT_HOME", str(home))
        patch.setenv("PREFECT_SERVER_API_AUTH_STRING", PASSWORD)
        # seconds between two searches for lost runs
        patch.setenv("PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY", "PT1S")
        with prefect_server(home) as url:
            yield url


def python(*arguments: str, api_url: str, cwd: Path) -> str:
    environment = os.environ | {"PREFECT_API_URL": api_url, "PREFECT_API_AUTH_STRING": PASSWORD}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


FLOWS = """
import json, sys

if __name__ == "__main__":
    from flows.commands.server import set_environment

    set_environment()
    from pathlib import Path

    from flows.build_dataset import build_dataset
    from flows.nightly import tell_regression
    from flows.wiring.request import Request

    if sys.argv[1] == "regression":
        tell_regression(Path("w"), 'REGRESSION of demo: kept fell by "12" points.')
    build_dataset(Request(**json.loads(sys.argv[2])), return_state=True)
"""
"""Run a flow on the server. `regression`: emit first the event of a night whose editor got worse."""


def has_heartbeat(api_url: str) -> bool:
    """Tell whether the server has a heartbeat of a run; the server notices the loss only of a run that had one."""
    request = urllib.request.Request(
        f"{api_url}/events/filter",
        data=json.dumps({"filter": {"event": {"name": ["prefect.flow-run.heartbeat"]}}, "limit": 1}).encode(),
        headers={
            "Authorization": "Basic " + base64.b64encode(PASSWORD.encode()).decode(),
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return bool(json.load(answer)["events"])


def test_strangers_get_401(closed_server: str) -> None:
    for headers in ({}, {"Authorization": "Basic d3Jvbmc6d3Jvbmc="}):
        request = urllib.request.Request(f"{closed_server}/admin/version", headers=headers)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=30)
        assert refused.value.code == 401


def test_failed_crashed_and_lost_runs_and_regressions_reach_the_webhook(closed_server: str, tmp_path: Path) -> None:
    with receiving() as receiver:
        block = python("-c", BLOCK.format(url=receiver.url), api_url=closed_server, cwd=tmp_path).split()[-1]
        text = (ROOT / "automations.yaml").read_text(encoding="utf-8").replace("WEBHOOK_BLOCK_ID", block)
        assert text.count("within: 90") == 1
        (tmp_path / "mine.yaml").write_text(text.replace("within: 90", "within: 10"))
        python("-m", "prefect", "automation", "create", "--from-file", "mine.yaml", api_url=closed_server, cwd=tmp_path)
        lost = {"preset": "demo", "workspace": str(tmp_path / "w"), "until": "segments"}
        drawing = subprocess.Popen(
            [sys.executable, "-c", FLOWS, "lost", json.dumps(lost)],
            cwd=tmp_path,
            env=os.environ
            | {"PREFECT_API_URL": closed_server, "PREFECT_API_AUTH_STRING": PASSWORD}
            | {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"},
            process_group=0,
        )
        assert wait_until(lambda: any((tmp_path / "w" / "kitchen").glob("*.partial")), within_s=180)
        assert wait_until(lambda: has_heartbeat(closed_server), within_s=60)
        os.killpg(drawing.pid, signal.SIGKILL)
        drawing.wait()
        failed = {"preset": "table", "annotations": "nowhere.csv", "workspace": "w2"}
        python("-c", FLOWS, "regression", json.dumps(failed), api_url=closed_server, cwd=tmp_path)
        bodies = receiver.bodies
        assert wait_until(lambda: len(bodies) >= 3, within_s=120, every_s=0.2), bodies
    by_event = {body["event"]: body for body in bodies}
    assert by_event["prefect.flow-run.Crashed"] == {
        "event": "prefect.flow-run.Crashed",
        "run": "demo to segments",
        "message": "No heartbeat for 90 s.",
    }
    assert "There is no annotation file nowhere.csv" in by_event["prefect.flow-run.Failed"]["message"]
    assert by_event["editaction.regression"]["verdict"] == 'REGRESSION of demo: kept fell by "12" points.'
    assert len(bodies) == 3, bodies
