"""Training loses no finished step when its reader is gone, or when it is stopped in the middle of a long step."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from modeling.config import ObjectiveConfig, TrainConfig
from modeling.runs.checkpoint_names import checkpoints
from modeling.runs.watcher import Watcher
from tests.support.tiny_pipeline import SIZE_PX, tiny_pipeline, write_examples

ROOT = Path(__file__).resolve().parents[2]
QUICK = TrainConfig(
    size_px=SIZE_PX,
    batch_size=2,
    num_steps=6,
    precision="fp32",
    checkpoint_every=500,
    flip_probability=0.0,
    objective=ObjectiveConfig(lambda_action=0.1),
)
SLOW_BATCH = 500
"""Examples of a step: so many that a step takes seconds, longer than the grace of these tests."""
GRACE_S = 0.2
"""The grace of these tests; elsewhere it is STEP_GRACE_S."""
SAVING_S = 20.0
"""Seconds that a small checkpoint may take on a busy machine."""
SHORT_GRACE = f"""
import sys
from modeling import train
from modeling.runs.watcher import Watcher
train.Watcher = lambda write: Watcher(write, step_grace_s={GRACE_S})
sys.exit(train.main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with a start and shards."""
    folder = tmp_path_factory.mktemp("home")
    tiny_pipeline().save_pretrained(folder / "start")
    write_examples(folder / "shards", count=10)
    return folder


def start(home: Path, out: Path, config: TrainConfig, program: tuple[str, ...] = ("-c", SHORT_GRACE)):
    """Start training; the grace is short by default."""
    out.mkdir()
    (out / "train.json").write_text(json.dumps(asdict(config)))
    command = [sys.executable, *program, "--device", "cpu", "--config", str(out / "train.json")]
    command += ["--shards", str(home / "shards"), "--start-from", str(home / "start"), "--out", str(out)]
    with (out / "stderr.txt").open("w") as errors:
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True)


def read_until(process: subprocess.Popen, phase: str, step: int = 0) -> None:
    """Read the progress of a training until a line of this phase, at this step or a later one."""
    for line in process.stdout:
        told = json.loads(line)
        if told["phase"] == phase and told.get("step", 0) >= step:
            return
    pytest.fail(f"training ended before {phase} {step}")


@pytest.mark.slow
def test_training_that_nobody_reads_goes_on_and_ends_well(home: Path, tmp_path: Path) -> None:
    process = start(home, tmp_path / "out", QUICK, ("-m", "modeling.train"))
    process.stdout.close()
    assert process.wait(timeout=120) == 0
    assert "Broken pipe" not in (tmp_path / "out" / "stderr.txt").read_text()
    assert checkpoints(tmp_path / "out" / "checkpoints")[-1].name == "step-00000006"
    assert (tmp_path / "out" / "pipeline" / "model_index.json").is_file()


def slow(objective: ObjectiveConfig | None = None) -> TrainConfig:
    """Return a config whose steps take longer than the grace."""
    return TrainConfig(**asdict(QUICK) | {"batch_size": SLOW_BATCH, "objective": objective or QUICK.objective})


@pytest.mark.slow
@pytest.mark.parametrize("reader_goes", [True, False])
def test_a_signal_in_a_long_step_ends_it_in_time_with_the_steps_before_it(
    reader_goes: bool, home: Path, tmp_path: Path
) -> None:
    process = start(home, tmp_path / "out", slow())
    read_until(process, "train", step=1)
    if reader_goes:
        process.stdout.close()
    time.sleep(0.3)
    began_at = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=120) == 143
    assert time.monotonic() - began_at < GRACE_S + SAVING_S
    assert checkpoints(tmp_path / "out" / "checkpoints")[-1].name == "step-00000001"
    if not reader_goes:
        assert "saved after step 1" in json.loads(process.stdout.read().splitlines()[-1])["message"]


@pytest.mark.slow
def test_a_signal_in_the_first_long_step_ends_it_in_time_and_says_that_nothing_is_saved(
    home: Path, tmp_path: Path
) -> None:
    process = start(home, tmp_path / "out", slow())
    read_until(process, "texts")
    time.sleep(0.3)
    began_at = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=120) == 130
    assert time.monotonic() - began_at < GRACE_S + SAVING_S
    assert not checkpoints(tmp_path / "out" / "checkpoints")
    assert "no step was finished" in process.stdout.read()


def test_a_reader_who_is_gone_is_told_nothing_more_and_hurts_nobody() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    tries = []

    def write(line: str) -> None:
        tries.append(line)
        os.write(writing, line.encode())

    watcher = Watcher(write)
    watcher.say("train", step=1)
    watcher.tick("latents", 1, 2)
    assert len(tries) == 1
