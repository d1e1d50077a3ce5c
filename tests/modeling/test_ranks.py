"""Several processes train as one: the same batch, gradients, losses and checkpoints, within rounding."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from modeling.config import TrainConfig
from modeling.data.loader import Examples
from modeling.editors.instruct_pix2pix import Editor
from modeling.runs.checkpoint_names import checkpoints
from modeling.runs.fine_tuning import TrainOptions, fine_tune, make_batches
from modeling.runs.watcher import Watcher
from modeling.training.batches import Batches
from modeling.training.ranks import Ranks, join_ranks
from tests.support.rank_gradients import CASES, CONFIG, gradients
from tests.support.tiny_pipeline import tiny_pipeline, write_examples

ROOT = Path(__file__).resolve().parents[2]
LAUNCHER = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
WEIGHTS = "diffusion_pytorch_model.safetensors"
RUN = replace(CONFIG, num_steps=40, checkpoint_every=4, max_grad_norm=1.0)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with a start and shards."""
    folder = tmp_path_factory.mktemp("home")
    tiny_pipeline().save_pretrained(folder / "start")
    write_examples(folder / "shards", count=10)
    return folder


def launch(*arguments: str) -> subprocess.Popen:
    """Start a module in two processes."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([*LAUNCHER, "-m", *arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(("count", "batch_size"), [(1, 7), (2, 7), (3, 7), (7, 7), (4, 64)])
def test_every_row_of_a_batch_belongs_to_one_process(count: int, batch_size: int) -> None:
    parts = [Ranks(index=index, count=count).rows(batch_size) for index in range(count)]
    assert [row for part in parts for row in range(batch_size)[part]] == list(range(batch_size))
    sizes = [part.stop - part.start for part in parts]
    assert min(sizes) >= 1
    assert max(sizes) - min(sizes) <= 1


def test_more_processes_than_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="batch of 3 cannot be divided among 4"):
        Ranks(index=0, count=4).rows(3)


def test_the_processes_parts_are_the_whole_batch_in_its_order(home: Path) -> None:
    """Samples, noise, texts and negatives do not depend on the number of processes or the micro-batch."""
    editor, examples = Editor(tiny_pipeline()), Examples(home / "shards")

    def batches(ranks: Ranks, micro_batch: int) -> Batches:
        options = TrainOptions(device="cpu", micro_batch=micro_batch)
        return make_batches(editor, examples, CONFIG, options, Watcher(lambda line: None), ranks)

    (whole,) = batches(Ranks(), 0).parts(batches(Ranks(), 0).draw(5))
    for count, micro_batch in ((2, 0), (2, 2), (7, 1)):
        made = [batches(Ranks(index=index, count=count), micro_batch) for index in range(count)]
        parts = [part for rank_batches in made for part in rank_batches.parts(rank_batches.draw(5))]
        assert len(parts) == sum(rank_batches.num_parts for rank_batches in made)
        for name in ("noisy", "goal", "condition", "timesteps", "text", "other_text", "has_contrast"):
            assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(whole, name)), name


def test_a_process_that_no_launcher_started_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert join_ranks("cpu") == Ranks(index=0, count=1, device=torch.device("cpu"))


@pytest.mark.parametrize(
    ("device", "variable", "message"), [("cuda:1", "", "share out the GPUs"), ("cpu", "ACCELERATE_USE_FSDP", "fsdp")]
)
def test_what_several_processes_cannot_do_is_refused_before_they_join(
    device: str, variable: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    if variable:
        monkeypatch.setenv(variable, "true")
    with pytest.raises(ValueError, match=message):
        join_ranks(device)


@pytest.mark.slow
def test_two_processes_have_the_gradient_of_one(home: Path, tmp_path: Path) -> None:
    """Masked means divide by the count of the whole batch, though its halves have different numbers of contrasts."""
    process = launch("tests.support.rank_gradients", str(home / "shards"), str(tmp_path))
    process.communicate(timeout=300)
    assert process.returncode == 0
    for case in CASES:
        expected, _ = gradients(home / "shards", case, Ranks())
        first, second = (load_file(tmp_path / f"{case}-{index}.safetensors") for index in range(2))
        assert first.keys() == second.keys() == expected.keys()
        for name, gradient in expected.items():
            assert torch.equal(first[name], second[name]), name
            torch.testing.assert_close(first[name], gradient, rtol=1e-3, atol=1e-5)


def losses(out: Path) -> list[float]:
    """Return the logged losses in order."""
    entries = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in entries] == list(range(1, len(entries) + 1))
    return [entry["loss"] for entry in entries]


def train_alone(home: Path, out: Path, config: TrainConfig) -> None:
    fine_tune(
        config,
        home / "shards",
        str(home / "start"),
        out,
        options=TrainOptions(device="cpu"),
        facts={},
        watcher=Watcher(lambda line: None),
    )


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes(home: Path, tmp_path: Path) -> None:
    """Two processes begin, SIGTERM to their launcher ends them, and one continues: the losses of one undisturbed
    process.
    """
    (tmp_path / "train.json").write_text(json.dumps(asdict(RUN)))
    arguments = {"config": tmp_path / "train.json", "shards": home / "shards", "start-from": home / "start"}
    arguments |= {"out": tmp_path / "out", "device": "cpu"}
    command = [str(part) for name, value in arguments.items() for part in (f"--{name}", value)]
    process = launch("modeling.train", *command)
    while not checkpoints(tmp_path / "out" / "checkpoints"):
        assert process.poll() is None, "the run ended before its first checkpoint"
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    told = [json.loads(line) for line in process.communicate(timeout=60)[0].splitlines()]
    assert process.returncode != 0
    assert [line["phase"] for line in told].count("stopped") == 1
    steps_done = int(checkpoints(tmp_path / "out" / "checkpoints")[-1].name.removeprefix("step-"))
    assert len(losses(tmp_path / "out")) == steps_done < RUN.num_steps
    train_alone(home, tmp_path / "out", RUN)
    train_alone(home, tmp_path / "alone", RUN)
    assert losses(tmp_path / "out") == pytest.approx(losses(tmp_path / "alone"), rel=2e-3)
    own, other = (load_file(tmp_path / folder / "raw_unet" / WEIGHTS) for folder in ("out", "alone"))
    for name, weight in own.items():
        torch.testing.assert_close(weight, other[name], rtol=0, atol=5e-3)
