"""On a real Prefect server with a password: automations.yaml is loaded as the page says, and strangers get 401."""

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from flows.commands.server import prefect_server
from tests.support.commands import ROOT

pytestmark = pytest.mark.slow

PASSWORD = "user:a-password-of-this-test"
BLOCK = (
    "from prefect.blocks.webhook import Webhook; "
    "print(Webhook(method='POST', url='https://example.org/hook').save('editaction', overwrite=True))"
)


@pytest.fixture
def closed_server(tmp_path: Path) -> Iterator[str]:
    """A server that asks for a password."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PREFECT_API_URL", raising=False)
        patch.setenv("PREFECT_HOME", str(tmp_path / "home"))
        patch.setenv("PREFECT_SERVER_API_AUTH_STRING", PASSWORD)
        with prefect_server(tmp_path / "home") as url:
            yield url


def python(*arguments: str, api_url: str, cwd: Path) -> str:
    environment = os.environ | {"PREFECT_API_URL": api_url, "PREFECT_API_AUTH_STRING": PASSWORD}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_automations_are_loaded_and_the_api_answers_401_without_the_password(
    closed_server: str, tmp_path: Path
) -> None:
    for headers in ({}, {"Authorization": "Basic d3Jvbmc6d3Jvbmc="}):
        request = urllib.request.Request(f"{closed_server}/admin/version", headers=headers)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=30)
        assert refused.value.code == 401
    block = python("-c", BLOCK, api_url=closed_server, cwd=tmp_path).split()[-1]
    text = (ROOT / "automations.yaml").read_text(encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(text.replace("WEBHOOK_BLOCK_ID", block))
    python("-m", "prefect", "automation", "create", "--from-file", "mine.yaml", api_url=closed_server, cwd=tmp_path)
    user, password = PASSWORD.split(":")
    answer = httpx.post(f"{closed_server}/automations/filter", json={}, auth=(user, password), timeout=30)
    there = {each["name"]: each for each in answer.raise_for_status().json()}
    assert set(there) == {
        "editaction failed or crashed",
        "editaction regression",
        "editaction lost heartbeat",
    }
    assert all(each["enabled"] for each in there.values())
    assert there["editaction regression"]["actions"][0]["block_document_id"] == block
    assert there["editaction lost heartbeat"]["actions"][0]["state"] == "CRASHED"
