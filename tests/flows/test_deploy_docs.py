"""docs/deploy.md survives being pasted: its blocks run as they stand, and the server lives on after an error."""

import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import ROOT
from tests.support.server_api import get

pytestmark = pytest.mark.slow

ENDED_WITH_IT = "\nkill -0 %1 && kill -0 %2\n"


def test_the_blocks_of_the_page_run_as_they_stand(tmp_path: Path) -> None:
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "docs" / "deploy.md").read_text(), flags=re.DOTALL)
    assert len(blocks) == 3
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path / "editaction"
    folder.mkdir()
    for each in ("flows", "tasks", "modeling", "evaluation", "prefect.yaml"):
        (folder / each).symlink_to(ROOT / each)
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "activate").write_text(f"export PATH={Path(os.sys.executable).parent}:$PATH\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment |= {"PORT": str(port), "PREFECT_HOME": str(tmp_path / "home"), "PYTHONPATH": str(folder)}
    ask = f"\nprefect server status --wait --timeout 30; python -c \"import urllib.request as u; u.urlopen('http://127.0.0.1:{port}/api/nowhere')\""
    script = "set -ex\n" + "\n".join(blocks) + "\nset +e\n" + ask + ENDED_WITH_IT
    shell = subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=(tmp_path / "out").open("w"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        assert shell.wait(timeout=280) == 0, (tmp_path / "out").read_text()
        assert get(f"http://127.0.0.1:{port}/api", "/health") is True
        assert "Completed" in (tmp_path / "out").read_text()
    finally:
        os.killpg(shell.pid, signal.SIGKILL)
