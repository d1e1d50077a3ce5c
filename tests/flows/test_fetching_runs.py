"""The command fetches videos, survives kill -9 in the middle of one, and names the videos that it could not get."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.support.clips import X264, encode, remux
from tests.support.commands import ended, run, start, wait_until
from tests.support.http_server import Behaviour, serving

pytestmark = pytest.mark.slow

TABLE = (
    "video,start_s,stop_s,instruction\nlong.mp4,0.2,1.0,open door\nlong.mp4,5.0,6.5,take cup\nnone.mp4,0,1,wash cup\n"
)


def test_a_download_goes_on_after_kill_9_and_ranges_give_the_same_frames(tmp_path: Path, server: str) -> None:
    part = encode(tmp_path / "part.mp4", [*X264, "keyint=15:bframes=2:b-adapt=0:qp=3"], num_frames=250)
    video = remux(part, tmp_path / "long.mp4", before=["-stream_loop", "5"])
    (tmp_path / "actions.csv").write_text(TABLE)
    behaviour = Behaviour(files={"/long.mp4": video}, bytes_per_s=1e6)
    with serving(behaviour) as url:
        command = ["run", "--preset", "table", "--annotations", "actions.csv", "--mirror", url, "--until", "frames"]
        growing = tmp_path / "workspace" / "downloads" / "table" / "videos" / "long.mp4.part"
        process = start(*command, "--fetch", "download", cwd=tmp_path, api_url=server)
        with ended(process):
            assert wait_until(lambda: growing.is_file() and growing.stat().st_size > 1e6, within_s=240)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        behaviour.bytes_per_s = None
        assert not growing.with_suffix("").exists()
        run(*command, "--fetch", "download", cwd=tmp_path, api_url=server, expect=3)
        assert growing.with_suffix("").read_bytes() == video.read_bytes()
        assert behaviour.ranges_of("/long.mp4")[1] >= "bytes=1"
        assert behaviour.num_sent < video.stat().st_size + 1_500_000
        again = run(*command, "--fetch", "ranges", cwd=tmp_path, api_url=server, expect=3)
    assert "not_found" in run("records", "videos", "--rejected", cwd=tmp_path).stdout
    assert "failed rows" in again.stdout
    rows = [json.loads(line) for line in run("records", "frames", cwd=tmp_path).stdout.splitlines()]
    assert [(row["source_frame_index"], row["edited_frame_index"]) for row in rows] == [(5, 25), (125, 162)]
    assert len(list((tmp_path / "workspace" / "frames").glob("table-*/manifest.json"))) == 1
