"""The main job from end to end on a tiny drawn kitchen: cached, continued, repaired, killed, interrupted."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from evaluation.kitchen.judge import judge
from modeling.data.images import read_image
from modeling.data.loader import Examples
from tasks.annotations.goals import join_goals
from tasks.artifacts.artifact import artifacts_of, read_records
from tasks.artifacts.keyed_hash import picture_seed
from tasks.stages import STAGES
from tests.support.commands import children_of, ended, environment, is_running, run, start, tiny_arguments, wait_until

pytestmark = pytest.mark.slow

DEMO = ["demo", *tiny_arguments()]


def artifacts(workspace: Path) -> dict[str, str]:
    """Return every finished artifact's folder and content digest."""
    return {
        f"{artifact.path.parent.name}/{artifact.path.name}": artifact.digest
        for stage in STAGES
        for artifact in artifacts_of(workspace, stage)
    }


def bytes_of(workspace: Path, stage: str) -> dict[str, str]:
    """Return the SHA-256 of every tar, picture and table of a stage's artifacts."""
    return {
        str(path.relative_to(workspace)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((workspace / stage).rglob("*"))
        if path.suffix in (".tar", ".parquet", ".png", ".safetensors") and "checkpoints" not in path.parts
    }


def finished_at(workspace: Path) -> dict[str, str]:
    """Return when each artifact was finished. A stage that ran again has a new time."""
    return {
        artifact.manifest["stage"] + "/" + artifact.path.name: artifact.manifest["finished_at"]
        for stage in STAGES
        for artifact in artifacts_of(workspace, stage)
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, server: str) -> Path:
    """Return the folder of a tiny demo that ran to its end without disturbance."""
    folder = tmp_path_factory.mktemp("undisturbed")
    run(*DEMO, cwd=folder, api_url=server)
    return folder


@pytest.fixture
def copy(undisturbed: Path, tmp_path: Path) -> Path:
    """Return a copy of that folder to disturb; files keep their times, as with `cp -a`."""
    shutil.copytree(undisturbed, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_the_demo_ends_with_a_report_and_every_row_accounted_for(undisturbed: Path) -> None:
    described = json.loads(run("status", "--json", cwd=undisturbed).stdout)
    states = {row["stage"]: row["state"] for row in described["artifacts"]}
    assert set(states) == {name for name, stage in STAGES.items() if stage.in_main_job}
    assert set(states.values()) == {"done"}
    for row in described["artifacts"]:
        rejected = sum(row["filtered"].values()) + sum(row["failed"].values())
        assert row["input"] == row["kept"] + rejected, row["stage"]
    report = Path(run("report", cwd=undisturbed).stdout.strip())
    assert "drawn kitchen" in report.read_text().lower()


def test_the_cards_snippet_gets_the_oracles_counts_of_the_report(undisturbed: Path, tmp_path: Path) -> None:
    """The pipeline lies elsewhere with the report's card in it, as it is published; the card is all that is read."""
    workspace, published = undisturbed / "workspace", tmp_path / "elsewhere"
    one = {stage: artifacts_of(workspace, stage)[-1] for stage in ("kitchen", "editor", "shards", "scores", "report")}
    shutil.copytree(one["editor"].path / "pipeline", published)
    shutil.copytree(one["report"].path / "card", published, dirs_exist_ok=True)
    rows = [row for row in one["shards"].records() if row["split"] != "train"]
    tested = Examples(sorted({one["shards"].file(row["shard"]) for row in rows}))
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    scenes = []
    for example in tested:
        picture = tmp_path / "in" / f"{example.segment_id}.png"
        picture.write_bytes(example.source_file)
        seed = picture_seed(0, example.segment_id)
        asked = {"picture": str(picture), "instruction": example.instruction, "seed": seed}
        scenes.append({"name": example.segment_id, **asked})
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.card_edits", str(tmp_path / "out")],
        cwd=published,
        env=environment(None),
        input=json.dumps(scenes),
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    goals = join_goals(rows, list(read_records(one["kitchen"].path / "goals.jsonl")))
    verdicts = {name: judge(goal, read_image(tmp_path / "out" / f"{name}.png")) for name, goal in goals.items()}
    (table,) = json.loads((one["scores"].path / "scores.json").read_text())["splits"]
    (told,) = [row for row in table["rows"] if row["editor"] == "editaction"]
    assert len(verdicts) == table["num_pairs"] == 10
    for verdict, measure in (("carried_out", "carried_out_percent"), ("kept", "kept_percent")):
        share = 100 * sum(getattr(seen, verdict) for seen in verdicts.values()) / len(verdicts)
        assert share == pytest.approx(told[measure]["mean"]), measure
    (edits,) = [
        artifact for artifact in artifacts_of(workspace, "edits") if artifact.manifest["label"] == "demo-editaction"
    ]
    for row in edits.records():
        ours = read_image(edits.file(row["image"])).astype(int)
        assert np.abs(ours - read_image(tmp_path / "out" / f"{row['segment_id']}.png")).max() <= 2


def test_an_unchanged_rerun_runs_nothing_and_needs_no_server(undisturbed: Path) -> None:
    before = finished_at(undisturbed / "workspace")
    again = run(*DEMO, cwd=undisturbed)
    assert again.stdout.count("Cached") == len(before)
    assert "Prefect server" not in again.stdout
    assert finished_at(undisturbed / "workspace") == before


def test_a_changed_config_reruns_its_stage_and_the_descendants_only(copy: Path, server: str) -> None:
    before = finished_at(copy / "workspace")
    run("demo", *tiny_arguments(edits__sampling__text_guidance=2.0), cwd=copy, api_url=server)
    new = set(finished_at(copy / "workspace").items()) - set(before.items())
    assert {name.split("/")[0] for name, _ in new} == {"edits", "scores", "report"}


@pytest.mark.parametrize(("stage", "pattern"), [("shards", "*.tar"), ("frames", "*.png"), ("scores", "scores.json")])
def test_a_deleted_file_is_rebuilt_to_the_same_bytes_and_nothing_else_is(
    copy: Path, server: str, stage: str, pattern: str
) -> None:
    workspace = copy / "workspace"
    before, times = artifacts(workspace), finished_at(workspace)
    next((workspace / stage).rglob(pattern)).unlink()
    assert "damaged" in run("status", cwd=copy).stdout
    run(*DEMO, cwd=copy, api_url=server)
    assert artifacts(workspace) == before
    changed = {name for name, when in finished_at(workspace).items() if when != times[name]}
    assert {name.split("/")[0] for name in changed} == {stage}


def test_the_plan_says_what_would_run_and_runs_nothing(copy: Path) -> None:
    before = finished_at(copy / "workspace")
    planned = run("demo", "--plan", *tiny_arguments(editor__seed=1), cwd=copy).stdout
    states = {line.split()[0]: line.split()[2] for line in planned.splitlines()[1:] if line.strip()}
    assert states["shards"] == "Cached"
    assert states["editor"] == "build"
    assert states["scores"] == "waits"
    assert finished_at(copy / "workspace") == before


KILLED_IN = [
    "kitchen",
    "segments",
    "videos",
    "frames",
    "splits",
    "shards",
    "editor",
    "edits",
    "classifier",
    "scores",
    "report",
]


def test_kill_9_in_every_stage_and_reruns_give_the_same_bytes_and_numbers(
    undisturbed: Path, tmp_path: Path, server: str
) -> None:
    workspace = tmp_path / "workspace"
    for stage in KILLED_IN:
        _kill_in(stage, workspace, tmp_path, server)
    run(*DEMO, cwd=tmp_path, api_url=server)
    whole = undisturbed / "workspace"
    for stage in ("frames", "shards", "editor", "edits"):
        assert bytes_of(workspace, stage) == bytes_of(whole, stage), stage
    assert without_report(artifacts(workspace)) == without_report(artifacts(whole))


def without_report(digests: dict[str, str]) -> dict[str, str]:
    """Compare without the report, which says how many seconds each stage took."""
    return {name: digest for name, digest in digests.items() if not name.startswith("report/")}


def _kill_in(stage: str, workspace: Path, folder: Path, server: str) -> None:
    """Run the demo. Kill it, and all processes that it started, while the stage is being built."""
    wait_s = {"kitchen": 0.5, "frames": 1.0, "editor": 6.0, "edits": 1.0, "classifier": 4.0}.get(stage, 0.0)
    for attempt in range(6):
        process = start(*DEMO, cwd=folder, api_url=server)
        with ended(process):
            _step_until(lambda: any(path.is_dir() for path in (workspace / stage).glob("*")), process)
            os.killpg(process.pid, signal.SIGCONT)
            time.sleep(wait_s / 2**attempt)
            children = children_of(process.pid)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert wait_until(lambda left=children: not any(map(is_running, left)), within_s=20), (
            "a child outlived its parent"
        )
        if any((workspace / stage).glob("*.partial")):
            return
        shutil.rmtree(workspace / stage)  # the stage was finished before the kill came: try once more
    raise AssertionError(f"{stage} was never killed in its middle")


def _step_until(begun: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Let the command run a few milliseconds at a time until `begun`, because some stages are very short."""
    while not begun():
        assert process.poll() is None, "the command ended before the stage was begun"
        os.killpg(process.pid, signal.SIGCONT)
        time.sleep(0.005)
        os.killpg(process.pid, signal.SIGSTOP)


# Each stage gets one signal. Training, which saves its work, gets both. Every case starts a server of its own.
@pytest.mark.parametrize(
    ("stage", "sent"), [("frames", "ctrl-c"), ("editor", "ctrl-c"), ("editor", "sigterm"), ("edits", "sigterm")]
)
def test_ctrl_c_and_sigterm_end_the_command_with_one_line_and_no_process_left(
    undisturbed: Path, tmp_path: Path, stage: str, sent: str
) -> None:
    """The command starts its own server, as on a user's machine."""
    workspace = tmp_path / "workspace"
    order = list(STAGES)
    for before in order[: order.index(stage)]:
        if (undisturbed / "workspace" / before).exists():
            shutil.copytree(undisturbed / "workspace" / before, workspace / before)
    # Sampling takes long here, so that the signal comes in the middle of it.
    process = start("demo", *tiny_arguments(edits__sampling__num_steps=600), cwd=tmp_path)
    with ended(process):
        assert wait_until(lambda: any((workspace / stage).glob("*.partial")), within_s=240, every_s=0.005)
        time.sleep({"editor": 6.0, "edits": 3.0}.get(stage, 0.3))
        children = children_of(process.pid)
        began = time.monotonic()
        if sent == "ctrl-c":
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.terminate()
        _, err = process.communicate(timeout=30)
        took = time.monotonic() - began
    assert process.returncode == (130 if sent == "ctrl-c" else 143), err
    assert took < 15  # within 10 s when nothing else runs
    lines = [line for line in err.splitlines() if line.strip()]
    assert "goes on from here" in lines[0]
    # A training says in one more line what is saved.
    assert len(lines) == 1 or (stage == "editor" and len(lines) == 2 and "saved" in lines[1]), err
    assert wait_until(lambda: not any(map(is_running, children)), within_s=10), "a process was left behind"


def test_a_failed_video_is_counted_and_is_the_only_one_redone(copy: Path, server: str) -> None:
    workspace = copy / "workspace"
    kitchen = next((workspace / "kitchen").glob("*-*"))
    suffix = ".mat"
    videos = copy / "videos"
    shutil.copytree(kitchen / "videos", videos)
    annotations = copy / f"annotations{suffix}"
    shutil.copy(kitchen / f"annotations{suffix}", annotations)
    broken = sorted(videos.iterdir())[1]
    whole = broken.read_bytes()
    broken.write_bytes(b"<html>not found</html>")
    own = ["run", "--preset", "lc", "--annotations", str(annotations), "--videos", str(videos), "--workspace", "own"]
    own += ["--start", "modeling/starting_editor", "--until", "frames"]
    first = run(*own, cwd=copy, api_url=server, expect=3)
    assert "not_a_video" in run("status", "--workspace", "own", cwd=copy).stdout
    assert "records STAGE --rejected" in first.stdout
    broken.write_bytes(whole)
    run(*own, cwd=copy, api_url=server)
    newest = artifacts_of(copy / "own", "frames")[-1]
    assert newest.manifest["items"] == {"total": 3, "run": 1}
    assert newest.num_failed == 0


def test_the_head_camera_kitchen_runs_through_too(tmp_path: Path, server: str) -> None:
    arguments = tiny_arguments(splits__num_long_distance=3, kitchen__num_videos=4)
    run("run", "--preset", "demo-hc", *arguments, cwd=tmp_path, api_url=server)
    splits = {json.loads(line)["split"] for line in run("records", "splits", cwd=tmp_path).stdout.splitlines()}
    assert splits == {"train", "test10", "long3"}


def test_a_command_on_a_pipe_that_closes_leaves_nothing_behind(undisturbed: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m flows.commands.cli records frames | head -n 1",
        shell=True,
        cwd=undisturbed,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout)["source_frame_index"] >= 0
    assert "Traceback" not in done.stderr
