"""The blocks of docs/deploy.md run when they are pasted, and the server still works after errors.

Where Debian's PostgreSQL is installed, the page's block for it runs first, and the server uses that database.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.support.commands import ROOT, wait_until
from tests.support.postgres import postgres, postgres_programs
from tests.support.server_api import get, post

PAGE = ROOT / "docs" / "deploy.md"


@dataclass(frozen=True, kw_only=True)
class Pasted:
    """The page's blocks, run in one shell. Their server and worker still run."""

    api_url: str
    folder: Path
    status: int
    out: str
    database: dict[str, str]
    """The environment with which psql reaches the server's database; empty with SQLite."""


def blocks_of(section: str) -> list[str]:
    text = PAGE.read_text(encoding="utf-8").split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)


@pytest.fixture(scope="module")
def pasted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pasted]:
    folder = tmp_path_factory.mktemp("pasted") / "editaction"
    folder.mkdir()
    for part in ("flows", "tasks", "modeling", "evaluation", "prefect.yaml"):
        (folder / part).symlink_to(ROOT / part)
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "activate").write_text(f"export PATH={Path(sys.executable).parent}:$PATH\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment |= {"PORT": port, "PREFECT_HOME": str(folder / "home"), "PYTHONPATH": str(folder)}
    programs = postgres_programs()
    with postgres(programs) if programs is not None else nullcontext({}) as database:
        blocks = [*(blocks_of("PostgreSQL") if database else ()), *blocks_of("Server, pool, deployments, worker")]
        out = folder / "out"
        shell = subprocess.Popen(
            ["bash", "-ec", "\n".join(blocks)],
            cwd=folder,
            env=environment | database | {"PREFECT_WORKER_QUERY_SECONDS": "2"},
            stdin=subprocess.DEVNULL,
            stdout=out.open("w"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = shell.wait(timeout=400)
            yield Pasted(
                api_url=f"http://127.0.0.1:{port}/api",
                folder=folder,
                status=status,
                out=out.read_text(),
                database=database,
            )
        finally:
            os.killpg(shell.pid, signal.SIGKILL)  # the server and the worker, which outlive the shell


@pytest.mark.slow
def test_the_blocks_of_the_page_run_as_they_stand(pasted: Pasted) -> None:
    assert pasted.status == 0, pasted.out
    assert "Completed" in pasted.out


@pytest.mark.slow
def test_a_server_that_logs_errors_lives_on_and_so_does_its_worker(pasted: Pasted) -> None:
    log = pasted.folder / "server.log"
    times = {"history_start": "2020-01-01T00:00:00Z", "history_end": "9999-12-31T23:59:59Z"}
    beyond = times | {"history_interval_seconds": 1e11}  # the interval ends after the last date that exists
    for _ in range(3):
        assert httpx.post(f"{pasted.api_url}/flow_runs/history", json=beyond, timeout=60).status_code == 500
    assert wait_until(lambda: log.read_text().count("Traceback (most recent call last)") >= 3, within_s=20)
    deployment = get(pasted.api_url, "/deployments/name/build_dataset/build-dataset")
    request = {"preset": "demo", "until": "segments", "settings": {"kitchen.num_videos": 2}}
    made = post(
        pasted.api_url, f"/deployments/{deployment['id']}/create_flow_run", {"parameters": {"request": request}}
    )

    def is_taken() -> bool:
        return get(pasted.api_url, f"/flow_runs/{made['id']}")["state"]["type"] in ("RUNNING", "COMPLETED")

    assert wait_until(is_taken, within_s=120, every_s=0.5), (pasted.folder / "worker.log").read_text()


@pytest.mark.slow
def test_with_postgresql_the_runs_are_there(pasted: Pasted) -> None:
    if not pasted.database:
        pytest.skip("no PostgreSQL here: apt-get install postgresql")
    asked = ["psql", "--dbname", "prefect", "-tAc", "SELECT count(*) FROM flow_run WHERE state_type = 'COMPLETED'"]
    done = subprocess.run(asked, env=os.environ | pasted.database, capture_output=True, text=True, check=True)
    assert int(done.stdout) >= 1
    assert not (pasted.folder / "home" / "prefect.db").exists()


def test_units_and_image_start_what_the_page_starts() -> None:
    """The tests above run the page's own commands."""
    shown = "\n".join(blocks_of("Server, pool, deployments, worker")).replace("${PORT:-4200}", "4200")
    folder = PAGE.parent / "deploy"
    for unit, of in (("editaction-server.service", "server"), ("editaction-worker.service", "worker")):
        text = (folder / unit).read_text(encoding="utf-8")
        [command] = re.findall(r"^ExecStart=%h/editaction/\.venv/bin/(.*)$", text, flags=re.MULTILINE)
        assert command.startswith(f"prefect {of} start ")
        assert f"nohup {command} > {of}.log" in shown
    lines = (folder / "Dockerfile").read_text(encoding="utf-8").splitlines()
    [command] = [json.loads(line.removeprefix("CMD ")) for line in lines if line.startswith("CMD ")]
    assert f"nohup {' '.join(command)} > worker.log" in shown
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [install] = [line for line in lines if "pip install" in line]
    assert "-c constraints.txt -e ." in install
    assert (ROOT / "constraints.txt").is_file()
    assert f"FROM python:{project['requires-python'].removeprefix('>=')}-slim" in lines
