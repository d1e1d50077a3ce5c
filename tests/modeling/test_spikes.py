"""The run does not learn from a loss far above all recent ones.

When such losses stay, it goes back once, then stops.
"""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from modeling.config import ObjectiveConfig, TrainConfig
from modeling.data.loader import Examples
from modeling.editors.instruct_pix2pix import Editor
from modeling.runs.fine_tuning import TrainOptions, make_batches
from modeling.runs.saver import Saver
from modeling.runs.steps import do_steps
from modeling.runs.watcher import Watcher
from modeling.training.batches import Batches
from modeling.training.ranks import Ranks
from modeling.training.spikes import MIN_RECENT, NUM_RECENT, SpikeDetector
from modeling.training.trainer import Trainer
from tests.support.tiny_pipeline import SIZE_PX, tiny_pipeline, write_examples

CONFIG = TrainConfig(
    size_px=SIZE_PX,
    batch_size=2,
    num_steps=60,
    learning_rate=1e-4,
    precision="fp32",
    checkpoint_every=10,
    objective=ObjectiveConfig(lambda_action=0.0, lambda_reg=0.0),
)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    return Examples(write_examples(tmp_path_factory.mktemp("shards"), count=6))


def make(examples: Examples, config: TrainConfig = CONFIG) -> tuple[Trainer, Batches, Editor]:
    editor = Editor(tiny_pipeline())
    batches = make_batches(editor, examples, config, TrainOptions(device="cpu"), Watcher(lambda line: None))
    return Trainer(editor, config), batches, editor


class Amplified:
    """Multiply the U-Net's prediction by `factor` inside a `with` block."""

    def __init__(self, editor: Editor, factor: float):
        self._editor, self._factor = editor, factor

    def __enter__(self) -> None:
        self._handle = self._editor.unet.conv_out.register_forward_hook(lambda _, __, output: output * self._factor)

    def __exit__(self, *_: object) -> None:
        self._handle.remove()


def test_nothing_is_a_spike_before_there_is_enough_to_compare_with() -> None:
    detector = SpikeDetector(3.0)
    for number in range(MIN_RECENT):
        assert detector.limit == math.inf
        detector.recent.append(0.1 * (number % 5))
    assert detector.limit == pytest.approx(3 * 0.4)


def test_the_largest_recent_loss_counts_until_it_is_long_past() -> None:
    detector = SpikeDetector(2.0)
    detector.restore([5.0] + [1.0] * (NUM_RECENT - 1))
    assert detector.limit == 10.0
    detector.recent.append(1.0)
    assert detector.limit == 2.0


def test_without_a_ratio_there_are_no_spikes() -> None:
    detector = SpikeDetector(None)
    detector.restore([1.0] * NUM_RECENT)
    assert detector.limit == math.inf
    with pytest.raises(ValueError, match="spike_ratio"):
        TrainConfig(spike_ratio=1.0)


def test_a_spike_is_skipped_and_counted_and_not_compared_with(examples: Examples) -> None:
    trainer, batches, editor = make(examples)
    for step in range(MIN_RECENT):
        trainer.step(batches, step)
    before = {name: tensor.clone() for name, tensor in trainer.tensors().items()}
    recent = trainer.state()["recent_losses"]
    with Amplified(editor, 100.0):
        entry = trainer.step(batches, MIN_RECENT)
    assert math.isfinite(entry["loss"])
    assert (entry["skip_reason"], entry["skipped"], trainer.num_skipped_in_a_row) == ("loss_spike", 1, 1)
    assert all(torch.equal(tensor, before[name]) for name, tensor in trainer.tensors().items())
    assert trainer.state()["recent_losses"] == recent
    entry = trainer.step(batches, MIN_RECENT + 1)
    assert "skip_reason" not in entry
    assert trainer.num_skipped_in_a_row == 0


def test_a_resumed_trainer_compares_with_the_same_losses(examples: Examples) -> None:
    trainer, batches, _ = make(examples)
    for step in range(3):
        trainer.step(batches, step)
    again, _, _ = make(examples)
    again.restore(trainer.tensors(), json.loads(json.dumps(trainer.state())))
    assert again.state() == trainer.state()
    assert len(again.state()["recent_losses"]) == 3


def test_three_spikes_in_a_row_go_back_once_and_then_stop(examples: Examples, tmp_path: Path) -> None:
    trainer, batches, editor = make(examples)
    saver = Saver(tmp_path, "abcdefabcdef", Ranks(), 2)
    first = replace(CONFIG, num_steps=25)
    trainer.config = first
    saver.begin(trainer)
    told: list[dict] = []
    watcher = Watcher(lambda line: told.append(json.loads(line)))
    do_steps(trainer, batches, 0, saver, watcher)
    trainer.config = CONFIG
    told.clear()
    with Amplified(editor, 100.0), pytest.raises(FloatingPointError, match="Steps 26 to 28: losses far above"):
        do_steps(trainer, batches, 25, saver, watcher)
    assert [(line["phase"], line["step"]) for line in told if line["phase"] != "train"] == [
        *(("skipped", step) for step in (26, 27, 28)),
        ("restored", 25),
        *(("skipped", step) for step in (26, 27, 28)),
    ]
