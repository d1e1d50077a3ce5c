"""The next run continues a download that was killed at any step, and no half file has the name of a whole one."""

import json
import random
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tasks.fetching.sites import MPII_ARCHIVE
from tests.support.http_server import Behaviour, serving

SIZE = 300_000


def kill_everywhere(reader: str, files: dict[str, Path], video_id: str, folder: Path) -> list[dict[str, Any]]:
    with serving(Behaviour(files=files)) as url:
        command = [sys.executable, "-m", "tests.support.killed_downloads", reader, url, str(folder), video_id]
        out = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    rows: list[dict[str, Any]] = json.loads(out)
    return rows


@pytest.mark.parametrize("kind", ["file", pytest.param("archive", marks=pytest.mark.slow)])
def test_a_download_killed_at_any_step_comes_whole_the_next_time(kind: str, tmp_path: Path) -> None:
    """Kills come before the connection, in the body, before the file gets its name, before it is noted, while it is
    unpacked.
    """
    video = tmp_path / "film.mp4"
    video.write_bytes(b"\0\0\0\x18ftypmp42" + random.Random(1).randbytes(SIZE))
    served, reader = {"/film.mp4": video}, "table"
    if kind != "file":
        archive = tmp_path / MPII_ARCHIVE
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(video, "videos/film.mp4")
        served, reader = {f"/{MPII_ARCHIVE}": archive}, "mpii"
    rows = kill_everywhere(reader, served, "film.mp4", tmp_path / "got")
    assert len(rows) > 15
    assert [row["first"] for row in rows] == [-9] * (len(rows) - 1) + [0]
    assert {row["then"] for row in rows} == {0}
    for row in rows:
        assert set(row["left"]) <= {video.stat().st_size}, row
        folder = tmp_path / "got" / str(row["kill_at"])
        [fetched] = folder.rglob("film.mp4")
        assert fetched.read_bytes() == video.read_bytes()
        beside = {path.name for path in folder.rglob("*") if path.is_file()}
        assert beside <= {"film.mp4", ".fetched.json", MPII_ARCHIVE}, "nothing half is left"
