"""A whole training run: the files that it writes; kills, signals, full disks and NaN lose nothing."""

import json
import math
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionInstructPix2PixPipeline, UNet2DConditionModel
from PIL import Image

from modeling.config import ObjectiveConfig, TrainConfig
from modeling.editors.instruct_pix2pix import Editor
from modeling.runs.checkpoint import Checkpoint, best_checkpoints, load_checkpoint, name_best, save_checkpoint
from modeling.runs.checkpoint_names import checkpoints
from modeling.runs.fine_tuning import TrainOptions, fine_tune
from modeling.runs.watcher import TrainingStopped, Watcher
from modeling.train import main, read_config
from tests.support.tiny_pipeline import SIZE_PX, drawn_pictures, tiny_pipeline, write_examples

ROOT = Path(__file__).resolve().parents[2]
CONFIG = TrainConfig(
    size_px=SIZE_PX,
    batch_size=3,
    num_steps=7,
    learning_rate=1e-3,
    lr_schedule="cosine",
    num_warmup_steps=2,
    max_grad_norm=1.0,
    precision="fp32",
    checkpoint_every=2,
    objective=ObjectiveConfig(lambda_action=0.1),
)
FACTS = {"title": "A tiny editor", "data": "shards/train-1234abcd", "commit": "0123456"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with a start and shards."""
    folder = tmp_path_factory.mktemp("home")
    tiny_pipeline().save_pretrained(folder / "start")
    write_examples(folder / "shards", count=10)
    return folder


@pytest.fixture(scope="module")
def undisturbed(home: Path) -> Path:
    """Return the output of a run that nothing disturbed."""
    out = home / "undisturbed"
    run(home, out)
    return out


def run(home: Path, out: Path, config: TrainConfig = CONFIG, watcher: Watcher | None = None, **options) -> None:
    """Train in this process."""
    options = TrainOptions(device="cpu", **options)
    watcher = watcher or Watcher(lambda line: None)
    fine_tune(config, home / "shards", str(home / "start"), out, options=options, facts=FACTS, watcher=watcher)


class StopsAfter(Watcher):
    """A watcher that gets SIGTERM in a given step."""

    def __init__(self, step: int):
        super().__init__(lambda line: None)
        self._num_questions_left = step + 2  # asked once in each of the two phases of encoding, then in every step

    def stop_requested(self) -> bool:
        """Answer; at the given step, first set the signal."""
        self._num_questions_left -= 1
        if self._num_questions_left == 0:
            self.signal_number = signal.SIGTERM
        return super().stop_requested()


def content(out: Path) -> dict[str, bytes]:
    """Return the bytes of all files of an output folder, except TensorBoard's, which contain times of day."""
    files = [path.relative_to(out) for path in sorted(out.rglob("*")) if path.is_file()]
    return {str(file): (out / file).read_bytes() for file in files if file.parts[0] != "tensorboard"}


def test_what_is_written_loads_in_diffusers_and_edits(undisturbed: Path) -> None:
    pipeline = StableDiffusionInstructPix2PixPipeline.from_pretrained(undisturbed / "pipeline")
    pipeline.set_progress_bar_config(disable=True)
    picture = Image.fromarray(drawn_pictures(1)[0])
    assert pipeline("take cup", image=picture, num_inference_steps=2).images[0].size == (SIZE_PX, SIZE_PX)
    raw = UNet2DConditionModel.from_pretrained(undisturbed / "raw_unet")
    start = tiny_pipeline().unet
    for name, weight in raw.named_parameters():
        average = pipeline.unet.get_parameter(name)
        assert torch.equal(weight, start.get_parameter(name)) == (".attn2." in name)
        assert torch.equal(weight, average) == (".attn2." in name)


def test_the_model_card_tells_config_data_and_losses_and_names_no_place(undisturbed: Path, home: Path) -> None:
    card = (undisturbed / "README.md").read_text(encoding="utf-8")
    beside = (undisturbed / "pipeline" / "README.md").read_text(encoding="utf-8")
    # tests/flows/test_main_job.py runs the snippet; the one here differs by its place alone.
    assert card == beside.replace('".",  # this folder', '"pipeline",  # this folder')
    assert all(word in card.split("---")[1] for word in ("license:", "base_model:", "datasets:"))
    for expected in ("# A tiny editor", "shards/train-1234abcd", "0.1 L_action", '"learning_rate": 0.001', "static"):
        assert expected in card
    assert not [name for name, file_content in content(undisturbed).items() if str(home).encode() in file_content]


def test_every_step_is_logged_once_without_times(undisturbed: Path) -> None:
    entries = [json.loads(line) for line in (undisturbed / "metrics.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in entries] == list(range(1, 8))
    assert {"loss", "static", "action", "reg", "difference", "sigmoid", "gradient_norm", "pool_mean"} <= set(entries[3])
    assert not [name for name in entries[0] if name.endswith("_s")]


@pytest.mark.parametrize("step", [1, 4, 7])
def test_a_run_that_was_stopped_goes_on_bit_for_bit(step: int, home: Path, undisturbed: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingStopped) as stopped:
        run(home, tmp_path, watcher=StopsAfter(step))
    assert stopped.value.exit_status == 143
    assert checkpoints(tmp_path / "checkpoints")[-1].name == f"step-{step:08d}"
    run(home, tmp_path)
    assert content(tmp_path) == content(undisturbed)


def test_a_run_that_died_between_checkpoints_repeats_the_lost_steps_bit_for_bit(
    home: Path, undisturbed: Path, tmp_path: Path
) -> None:
    """SIGKILL leaves an older checkpoint, a log that is ahead of it, a half-written checkpoint, and half a line."""
    with pytest.raises(TrainingStopped):
        run(home, tmp_path, watcher=StopsAfter(4))
    with (tmp_path / "metrics.jsonl").open("a") as log:
        log.write('{"step": 5, "loss": 1.0}\n{"st')
    half = tmp_path / "checkpoints" / ".step-00000006.writing"
    half.mkdir()
    (half / "tensors.safetensors").write_bytes(b"half")
    run(home, tmp_path)
    assert content(tmp_path) == content(undisturbed)


def test_a_finished_run_is_not_trained_again(home: Path, undisturbed: Path) -> None:
    before = content(undisturbed)
    phases: list[str] = []
    run(home, undisturbed, watcher=Watcher(lambda line: phases.append(json.loads(line)["phase"])))
    assert "train" not in phases
    assert phases[-1] == "save"
    assert content(undisturbed) == before


def test_checkpoints_of_another_run_are_not_taken_up(home: Path, undisturbed: Path) -> None:
    with pytest.raises(ValueError, match="another config, start or data"):
        run(home, undisturbed, replace(CONFIG, seed=1))


def test_micro_batches_and_fresh_latents_train_the_same_within_rounding(
    home: Path, undisturbed: Path, tmp_path: Path
) -> None:
    run(home, tmp_path, micro_batch=2, cache="off", gradient_checkpointing=True)
    losses = [
        [json.loads(line)["loss"] for line in (out / "metrics.jsonl").read_text().splitlines()]
        for out in (undisturbed, tmp_path)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_bf16_keeps_fp32_weights_and_comes_near(home: Path, undisturbed: Path, tmp_path: Path) -> None:
    run(home, tmp_path, replace(CONFIG, precision="bf16"))
    losses = [
        [json.loads(line)["loss"] for line in (out / "metrics.jsonl").read_text().splitlines()]
        for out in (undisturbed, tmp_path)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=0.1)
    assert losses[0] != losses[1]
    assert UNet2DConditionModel.from_pretrained(tmp_path / "raw_unet").dtype == torch.float32


def test_three_steps_without_a_finite_loss_restore_once_and_then_stop(home: Path, tmp_path: Path) -> None:
    """No network survives this learning rate; the last good checkpoint stays."""
    hopeless = replace(
        CONFIG, learning_rate=1e30, lr_schedule="constant", num_warmup_steps=0, checkpoint_every=1, max_grad_norm=None
    )
    lines: list[dict] = []
    with pytest.raises(FloatingPointError, match="Lower the learning rate"):
        run(home, tmp_path, hopeless, watcher=Watcher(lambda line: lines.append(json.loads(line))))
    assert [line["phase"] for line in lines].count("restored") == 1
    entries = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines() if line]
    assert entries[-1]["skipped"] >= 3
    assert entries[-1]["loss"] is None
    assert checkpoints(tmp_path / "checkpoints")


def some_checkpoint(step: int, size: int = 10) -> Checkpoint:
    return Checkpoint(
        run="a", num_steps_done=step, tensors={"w": torch.full((size,), float(step))}, state={"num_updates": step}
    )


def test_the_last_checkpoints_are_kept_and_the_newest_is_read(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4):
        save_checkpoint(tmp_path, some_checkpoint(step), keep_last=2)
    assert [path.name for path in checkpoints(tmp_path)] == ["step-00000003", "step-00000004"]
    loaded = load_checkpoint(tmp_path, "a")
    assert loaded.num_steps_done == 4
    assert loaded.state == {"num_updates": 4}
    assert torch.equal(loaded.tensors["w"], torch.full((10,), 4.0))
    assert load_checkpoint(tmp_path / "none", "a") is None


def test_a_full_disk_is_named_and_leaves_the_last_good_checkpoint(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, some_checkpoint(1), keep_last=1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(OSError, match=r"could not be written.*step-00000001.*Make room"):
            save_checkpoint(tmp_path, some_checkpoint(2, size=100_000), keep_last=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    assert load_checkpoint(tmp_path, "a").num_steps_done == 1


def test_checkpoints_named_best_stay_beside_the_last_ones(tmp_path: Path) -> None:
    scores = {1: 0.5, 2: 0.1, 3: 0.4, 4: 0.3, 5: 0.6}
    named = []
    for step, score in scores.items():
        save_checkpoint(tmp_path, some_checkpoint(step), keep_last=1)
        named.append(name_best(tmp_path, step, score, keep=2))
    assert named == [True, True, True, True, False]
    assert best_checkpoints(tmp_path) == {"step-00000002": 0.1, "step-00000004": 0.3}
    save_checkpoint(tmp_path, some_checkpoint(6), keep_last=1)
    assert [path.name[-1] for path in checkpoints(tmp_path)] == ["2", "4", "6"]
    assert load_checkpoint(tmp_path, "a").num_steps_done == 6


def test_an_editor_that_finds_no_room_is_written_later_without_training_again(
    home: Path, undisturbed: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrainingStopped):
        run(home, tmp_path, watcher=StopsAfter(CONFIG.num_steps))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(OSError, match=r"editor could not be written.*without training again"):
            run(home, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "pipeline").exists()
    run(home, tmp_path)
    assert content(tmp_path) == content(undisturbed)


def test_a_config_with_an_unknown_field_is_named(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    path.write_text(json.dumps({"num_stebs": 3}))
    with pytest.raises(ValueError, match=r"train\.json.*num_stebs"):
        read_config(path)
    path.write_text(json.dumps(asdict(CONFIG)))
    assert read_config(path) == CONFIG


def test_what_a_user_can_mend_is_one_line_on_stderr(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    (tmp_path / "train.json").write_text(json.dumps(asdict(CONFIG)))
    arguments = ["--config", str(tmp_path / "train.json"), "--out", str(tmp_path / "out"), "--device", "cpu"]
    try:
        missing = main([*arguments, "--shards", str(tmp_path / "nowhere"), "--start-from", str(home / "start")])
        no_start = main([*arguments, "--shards", str(home / "shards"), "--start-from", str(home / "shards")])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert (missing, no_start) == (1, 1)
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith("modeling.train: ") and "nowhere" in line]
    assert [line for line in lines if line.startswith("modeling.train: ") and "no pipeline could be loaded" in line]


def start_command(home: Path, out: Path, config: TrainConfig) -> subprocess.Popen:
    """Start `python -m modeling.train`."""
    (home / "train.json").write_text(json.dumps(asdict(config)))
    (home / "facts.json").write_text(json.dumps(FACTS))
    command = [sys.executable, "-m", "modeling.train", "--device", "cpu"]
    for name, value in (("config", home / "train.json"), ("facts", home / "facts.json"), ("out", out)):
        command += [f"--{name}", str(value)]
    command += ["--shards", str(home / "shards"), "--start-from", str(home / "start")]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def wait_for_checkpoint(process: subprocess.Popen, out: Path) -> None:
    while not checkpoints(out / "checkpoints"):
        assert process.poll() is None, "the run ended before its first checkpoint"
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_killed_command_started_again_ends_bit_identical(
    number: int, status: int, home: Path, tmp_path: Path
) -> None:
    config = replace(CONFIG, num_steps=60, checkpoint_every=7)
    process = start_command(home, tmp_path / "killed", config)
    wait_for_checkpoint(process, tmp_path / "killed")
    os.kill(process.pid, number)
    assert process.wait(timeout=10) == status
    assert not (tmp_path / "killed" / "pipeline").exists()
    again = start_command(home, tmp_path / "killed", config)
    lines = [json.loads(line) for line in again.communicate(timeout=120)[0].splitlines()]
    assert again.returncode == 0
    assert lines[-1]["phase"] == "save"
    run(home, tmp_path / "whole", config)
    assert content(tmp_path / "killed") == content(tmp_path / "whole")


@pytest.mark.slow
def test_training_teaches_the_editor_what_the_pairs_show(home: Path, tmp_path: Path) -> None:
    """The network learns one pair by heart: the loss falls far below that of predicting nothing."""
    write_examples(tmp_path / "shards", count=1)
    config = replace(
        CONFIG,
        num_steps=60,
        batch_size=8,
        learning_rate=5e-3,
        objective=ObjectiveConfig(lambda_action=0.0, lambda_reg=0.0, freeze="none"),
        flip_probability=0.0,
        checkpoint_every=1000,
    )
    options = TrainOptions(device="cpu")
    watcher = Watcher(lambda line: None)
    fine_tune(
        config, tmp_path / "shards", str(home / "start"), tmp_path / "out", options=options, facts={}, watcher=watcher
    )
    losses = [json.loads(line)["static"] for line in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()]
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:5])
    assert math.isfinite(losses[-1])
    assert Editor.load(tmp_path / "out" / "pipeline", "cpu").num_latent_channels == 4
