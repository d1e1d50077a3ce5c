"""A command that cannot do its work says in one line what is wrong and what to do. Finished work is not lost."""

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from flows.wiring.presets import STARTING_EDITOR
from tasks.artifacts.artifact import artifacts_of
from tests.support.commands import environment, run, tiny_arguments

CSV = "video,start_s,stop_s,instruction\n"


def one_line(err: str) -> str:
    """Return the only line of a message."""
    lines = [line for line in err.splitlines() if line.strip()]
    assert len(lines) == 1, err
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["run", "--preset", "hd", "--annotations", "a.csv"], 2, "'hd' is not one of"),
        (["run", "--presett", "hc"], 2, "No such option"),
        (["demo", "--until", "training"], 2, "'training' is not one of"),
        (["demo", "--set", "editor.num_stps=1"], 1, "no setting 'editor.num_stps'"),
        (["demo", "--set", "editor.num_steps=0"], 1, "num_steps"),
        (["demo", "--set", "editor.num_steps"], 1, "KEY=VALUE"),
        (["demo", "--methods", "editaction,finetund"], 1, "no method 'finetund'"),
        (["demo", "--processes", "0"], 2, "not in the range"),
        (["run", "--preset", "table"], 1, "--annotations FILE"),
        (["run", "--preset", "table", "--annotations", "missing.csv"], 1, "no annotation file missing.csv"),
        (["demo", "--long-distance", "missing.csv"], 1, "no file missing.csv with a long-distance test set"),
        (
            ["run", "--preset", "hc", "--annotations", __file__, "--more-annotations", "b.csv"],
            1,
            "annotation file b.csv",
        ),
        (["records", "framess"], 1, "no stage 'framess'"),
        (["records", "frames"], 1, "has no finished frames"),
        (["report"], 1, "no finished report"),
        (["demo", "--start", "no/such/folder/at/all"], 1, "neither a folder with model_index.json"),
        pytest.param(
            *(["edit", "--editor", "missing", "--image", "a.png", "--instruction", "x", "--out", "b.png"], 1, "a.png"),
            marks=pytest.mark.slow,  # it imports torch
        ),
    ],
    ids=lambda value: " ".join(value[:3]) if isinstance(value, list) else None,
)
def test_a_wrong_command_line_is_refused_in_words(arguments: list[str], status: int, says: str, tmp_path: Path) -> None:
    done = run(*arguments, cwd=tmp_path, expect=status)
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow  # it imports torch
@pytest.mark.parametrize("size", [None, "64", [8, 8]])
def test_a_pipeline_without_a_size_of_its_own_is_refused_in_one_line(size: object, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(STARTING_EDITOR, tmp_path / "no_size"))
    config = folder / "unet" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"sample_size": size}))
    Image.new("RGB", (32, 32)).save(tmp_path / "in.png")
    arguments = ["--editor", str(folder), "--image", "in.png", "--instruction", "open fridge", "--steps", "2"]
    done = run("edit", *arguments, "--out", "out.png", cwd=tmp_path, expect=1)
    line = one_line(done.stderr)
    assert str(folder) in line
    assert "sample_size" in line
    assert not (tmp_path / "out.png").exists()


def test_status_of_an_empty_workspace_says_so(tmp_path: Path) -> None:
    assert "Nothing in workspace yet" in run("status", cwd=tmp_path).stdout


@pytest.mark.parametrize("in_the_way", ["workspace", pytest.param("workspace/segments", marks=pytest.mark.slow)])
def test_a_file_in_the_place_of_a_folder_is_named(in_the_way: str, tmp_path: Path) -> None:
    table = tmp_path / "actions.csv"
    table.write_text(CSV + "a.mp4,0,1,open fridge\n")
    (tmp_path / in_the_way).parent.mkdir(exist_ok=True)
    (tmp_path / in_the_way).write_text("not a folder")
    done = run(
        *["run", "--preset", "table", "--annotations", str(table), "--videos", str(tmp_path), "--until", "segments"],
        cwd=tmp_path,
        expect=1,
        # The workspace is checked before any server is reached; a closed port would be reported.
        api_url="http://127.0.0.1:9/api" if in_the_way == "workspace" else None,
    )
    assert in_the_way in one_line(done.stderr)


def test_a_workspace_is_not_made_by_asking_about_it(tmp_path: Path) -> None:
    run("status", cwd=tmp_path)
    run("demo", "--plan", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_bad_rows_and_bad_videos_are_counted_and_the_rest_is_done(tmp_path: Path, server: str) -> None:
    run("kitchen", "--out", "k", "--style", "epic", "--videos", "2", cwd=tmp_path)
    videos = tmp_path / "k" / "videos"
    good, truncated = sorted(videos.iterdir())
    truncated.write_bytes(truncated.read_bytes()[: truncated.stat().st_size // 2])
    (videos / "empty.mp4").write_bytes(b"")
    (videos / "page.mp4").write_text("<html><body>404</body></html>")
    rows = [
        f"{good.name},1.0,1.6,open fridge",
        f"{truncated.name},1.0,1.6,open fridge",
        "missing.mp4,1.0,2.0,open fridge",
        "empty.mp4,1.0,2.0,open fridge",
        "page.mp4,1.0,2.0,open fridge",
        "../../x,1.0,2.0,open fridge",
        f"{good.name},5.0,4.0,open fridge",
        f"{good.name},five,6.0,open fridge",
        f"{good.name},2.0,3.0,",
    ]
    (tmp_path / "actions.csv").write_text(CSV + "\n".join(rows) + "\n")
    own = ["run", "--preset", "table", "--annotations", "actions.csv", "--videos", str(videos), "--until", "frames"]
    done = run(*own, cwd=tmp_path, api_url=server, expect=3)
    assert "Traceback" not in done.stderr
    segments, frames = (
        artifacts_of(tmp_path / "workspace", stage)[-1].manifest["counts"] for stage in ("segments", "frames")
    )
    assert segments["input"] == len(rows)
    assert segments["failed"] == {"bad_times": 2, "no_instruction": 1, "unsafe_video_id": 1}
    assert frames["input"] == segments["kept"] == 5
    assert frames["failed"]["video_missing"] == 1
    assert frames["failed"]["not_a_video"] == 1
    assert frames["failed"]["empty_file"] == 1
    assert frames["kept"] + sum(frames["failed"].values()) == 5
    assert frames["kept"] >= 1


@pytest.mark.slow
def test_a_full_disk_ends_in_one_line_and_a_rerun_with_room_goes_on(tmp_path: Path, server: str) -> None:
    """A limit on file size stands for a full disk: it needs no mounting, and the same calls fail."""
    run("demo", "--until", "segments", *tiny_arguments(), cwd=tmp_path, api_url=server)
    kitchen = artifacts_of(tmp_path / "workspace", "kitchen")[0].manifest["finished_at"]
    done = subprocess.run(
        [sys.executable, "-m", "flows.commands.cli", "demo", "--until", "shards", *tiny_arguments()],
        cwd=tmp_path,
        env=environment(server),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )
    assert done.returncode == 1
    assert "make room" in one_line(done.stderr)
    run("demo", "--until", "shards", *tiny_arguments(), cwd=tmp_path, api_url=server)
    assert artifacts_of(tmp_path / "workspace", "kitchen")[0].manifest["finished_at"] == kitchen


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="mounting a small disk needs root")
def test_a_small_disk_that_is_really_full_is_named(tmp_path: Path, server: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small disk is not allowed here")
    try:
        # Only up to the shards, because training first checks its room on the disk and would refuse this one.
        arguments = ("demo", *tiny_arguments(), "--until", "shards", "--workspace", str(disk))
        done = run(*arguments, cwd=tmp_path, api_url=server, expect=1)
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert "No space left" in done.stderr or "make room" in done.stderr
    assert "Traceback" not in done.stderr
