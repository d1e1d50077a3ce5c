"""Training as a stage: a process of its own that is watched, ends with us, and can be continued."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from modeling.config import TrainConfig
from modeling.runs.fine_tuning import TrainOptions, fine_tune
from modeling.runs.watcher import Watcher
from tasks.artifacts.artifact import Artifact, Outside
from tasks.artifacts.building import StageFailed, watching
from tasks.config import RunOptions, ShardsConfig, SplitsConfig
from tasks.editor import editor, parse_progress
from tasks.shards import shards
from tasks.splits import splits
from tests.support.drawn_frames import draw_frames
from tests.support.tiny_pipeline import SIZE_PX, tiny_pipeline
from tests.support.watchers import ProgressLog, watched

CONFIG = TrainConfig(size_px=SIZE_PX, batch_size=2, num_steps=4, precision="fp32", checkpoint_every=2)
OPTIONS = RunOptions(device="cpu")
MANY_STEPS = 60
"""Steps of a run that is interrupted."""


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    folder = tmp_path_factory.mktemp("somewhere") / "tiny-start"
    tiny_pipeline().save_pretrained(folder)
    return Outside(location=str(folder), digest="tiny")


@pytest.fixture(scope="module")
def sharded(tmp_path_factory):
    workspace = tmp_path_factory.mktemp("shards")
    frames = draw_frames(workspace, num_pairs=10)
    split = splits.run(workspace, "t", SplitsConfig(num_test=2), frames=frames.path)
    return shards.run(workspace, "t", ShardsConfig(), frames=frames.path, splits=split.path)


def train(workspace, start, sharded, config=CONFIG, processes=1):
    options = replace(OPTIONS, processes=processes)
    return editor.run(workspace, "tiny", config, options=options, shards=sharded.path, start=start)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, start, sharded):
    """Return a run that nothing interrupted."""
    return train(tmp_path_factory.mktemp("undisturbed"), start, sharded, replace(CONFIG, num_steps=MANY_STEPS))


def content_of(artifact):
    return {entry.name: entry.sha256 for entry in artifact.files()}


@pytest.mark.slow
def test_a_trained_editor_is_there_with_its_log_and_card_and_no_trace_of_the_machine(tmp_path, start, sharded):
    with watched() as log:
        artifact = train(tmp_path, start, sharded)
    assert {"pipeline/model_index.json", "metrics.jsonl", "README.md", "train.json"} <= content_of(artifact).keys()
    assert any(name.startswith("raw_unet/") for name in content_of(artifact))
    assert len((artifact.path / "metrics.jsonl").read_text().splitlines()) == CONFIG.num_steps
    assert list(artifact.records()) == [{"editor": "tiny", "num_examples": 8, "num_steps": 4}]
    assert (log.seen[0], log.seen[-1]) == (("editor", 0, 4), ("editor", 4, 4))
    card = (artifact.path / "README.md").read_text()
    assert sharded.digest in card
    assert sharded.manifest["key"] in card
    assert artifact.manifest["commit"] in card
    assert "tiny-start" in card
    for path in artifact.path.rglob("*"):
        if path.suffix in (".json", ".jsonl", ".md") and path.name != "manifest.json":
            assert str(tmp_path) not in path.read_text()
            assert Path(start.location).parent.name not in path.read_text()


@pytest.mark.slow
def test_an_unusable_start_ends_in_trainings_own_words(tmp_path, start, sharded):
    with pytest.raises(StageFailed, match=r"^editor: training ended with status 1\. [^\n]*/none"):
        train(tmp_path, replace(start, location=str(tmp_path / "none")), sharded)


@pytest.mark.slow
def test_a_training_that_was_killed_says_by_which_signal_and_goes_on_later(tmp_path, start, sharded):
    class Killer(ProgressLog):
        def progressed(self, stage, label, done, total, note):
            for pid in trainings(tmp_path) if done > 2 else ():
                os.kill(pid, signal.SIGKILL)

    config = replace(CONFIG, num_steps=MANY_STEPS)
    token = watching.set(Killer())
    try:
        with pytest.raises(StageFailed) as failed:
            train(tmp_path, start, sharded, config)
    finally:
        watching.reset(token)
    assert str(failed.value).startswith("editor: training was killed by signal 9, perhaps out of memory. ")
    assert "goes on from its last checkpoint" in str(failed.value)
    with watched() as log:
        train(tmp_path, start, sharded, config)
    assert log.seen[1][1] > 1, "training began anew"


def test_lines_that_are_no_progress_are_passed_over():
    assert parse_progress('{"phase": "train", "step": 3}\n') == {"phase": "train", "step": 3}
    assert [parse_progress(line) for line in ("Loading ...\n", "7\n", "\n", '{"phase": \n')] == [{}] * 4


RUN_STAGE = """
    import signal, sys
    signal.signal(signal.SIGINT, signal.default_int_handler)  # some shells start background jobs without it
    from tests.tasks.test_editor_stage import CONFIG, train
    from dataclasses import replace
    from pathlib import Path
    from tasks.artifacts.artifact import Artifact, Outside
    workspace, start, sharded, num_steps, processes = sys.argv[1:]
    config = replace(CONFIG, num_steps=int(num_steps))
    start = Outside(location=start, digest="tiny")
    train(Path(workspace), start, Artifact.read(Path(sharded)), config, int(processes))
"""


@contextmanager
def stage_in_a_process(workspace, start, sharded, processes=1):
    stage = subprocess.Popen(
        [
            *(sys.executable, "-c", textwrap.dedent(RUN_STAGE)),
            *(str(workspace), start.location, str(sharded.path), str(MANY_STEPS), str(processes)),
        ],
        start_new_session=True,
    )
    try:
        yield stage
    finally:
        stage.kill()
        stage.wait()


def wait_for(condition, within_s=300):
    give_up_at = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.02)


def trainings(workspace):
    """Return the ids of the running training processes that write below `workspace`."""
    process_ids = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue
            if "modeling.train" in command and any(str(workspace) in word for word in command):
                process_ids.append(int(entry.name))
    return process_ids


@pytest.mark.slow
@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT])
def test_a_stage_that_is_ended_leaves_no_training_and_is_taken_up_to_the_same_end(
    signal_number, tmp_path, start, sharded, undisturbed
):
    with stage_in_a_process(tmp_path, start, sharded) as stage:
        wait_for(lambda: list((tmp_path).glob("editor/*/checkpoints/step-*/state.json")))
        stage.send_signal(signal_number)
        wait_for(lambda: stage.poll() is not None and not trainings(tmp_path), within_s=30)
    with watched() as log:
        resumed = train(tmp_path, start, sharded, replace(CONFIG, num_steps=MANY_STEPS))
    assert log.seen[1][1] > 1, "training began anew"
    assert content_of(undisturbed) == content_of(resumed)


@pytest.mark.slow
def test_a_finished_training_goes_on_to_more_steps_as_if_it_had_been_so_long_from_the_start(
    undisturbed, tmp_path, start, sharded
):
    longer = replace(CONFIG, num_steps=MANY_STEPS + 4)
    with watched() as log:
        further = train(undisturbed.path.parents[1], start, sharded, longer)
    assert further.path != undisturbed.path
    assert further.manifest["facts"]["further"] == f"goes on after the {MANY_STEPS} steps of {undisturbed.path.name}"
    assert all(step > MANY_STEPS for _, step, _ in log.seen[1:])
    in_one = {"options": TrainOptions(device="cpu"), "facts": {}, "watcher": Watcher(lambda line: None)}
    fine_tune(longer, sharded.path / "train", start.location, tmp_path / "whole", **in_one)
    for name in ("raw_unet", "pipeline/unet"):
        files = [folder / name / "diffusion_pytorch_model.safetensors" for folder in (further.path, tmp_path / "whole")]
        assert files[0].read_bytes() == files[1].read_bytes(), name
    assert content_of(undisturbed) == content_of(Artifact.read(undisturbed.path)), "the shorter one stays as it is"


@pytest.mark.slow
def test_looks_at_fixed_examples_lie_beside_the_editor_and_are_no_part_of_it(tmp_path, start, sharded):
    options = replace(OPTIONS, validate_every=2)
    seen = editor.run(tmp_path / "seen", "tiny", CONFIG, options=options, shards=sharded.path, start=start)
    assert {path.name for path in (seen.path / "validation").glob("*.png")} == {
        "step-00000002.png",
        "step-00000004.png",
    }
    assert content_of(train(tmp_path / "unseen", start, sharded)) == content_of(seen)


@pytest.mark.slow
@pytest.mark.parametrize("killed", ["stage", "launcher"])
def test_several_processes_train_and_leave_none_behind(killed, tmp_path, start, sharded):
    with stage_in_a_process(tmp_path, start, sharded, processes=2) as stage:
        wait_for(lambda: list(tmp_path.glob("editor/*/checkpoints/step-*/state.json")))
        launcher, *ranks = sorted(trainings(tmp_path))
        assert len(ranks) == 2
        os.kill({"stage": stage.pid, "launcher": launcher}[killed], signal.SIGKILL)
        wait_for(lambda: stage.poll() is not None and not trainings(tmp_path), within_s=30)
    with watched() as log:
        resumed = train(tmp_path, start, sharded, replace(CONFIG, num_steps=MANY_STEPS))
    assert log.seen[1][1] > 1, "training began anew"
    assert len((resumed.path / "metrics.jsonl").read_text().splitlines()) == MANY_STEPS


@pytest.mark.slow
def test_what_went_wrong_in_several_processes_is_said_in_trainings_own_words(tmp_path, start, sharded):
    with pytest.raises(StageFailed, match=r"status 1\. A batch of 2 cannot be divided among 3 processes"):
        train(tmp_path, start, sharded, processes=3)


@pytest.mark.slow
def test_a_damaged_result_is_written_again_without_training_again(tmp_path, start, sharded):
    whole = train(tmp_path, start, sharded)
    content = content_of(whole)
    for name in ("metrics.jsonl", "pipeline/model_index.json"):
        (whole.path / name).write_text("altered")
    with watched() as log:
        again = train(tmp_path, start, sharded)
    assert content == content_of(again)
    assert log.seen == [("editor", 0, 4)]
