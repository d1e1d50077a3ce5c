"""Ways to fit a step into memory or to make it faster, with the same result: micro-batches, 8-bit moments,
compiling.
"""

import importlib.util
import json
import shutil
from dataclasses import replace

import pytest
import torch

from modeling.data.loader import Examples
from modeling.editors.instruct_pix2pix import Editor
from modeling.runs.fine_tuning import TrainOptions, make_batches, make_trainer
from modeling.runs.micro_batch import gradients_that_fit
from modeling.runs.watcher import Watcher
from modeling.training.trainer import Trainer
from tests.modeling.test_trainer import CONFIG, make, weights
from tests.support.tiny_pipeline import tiny_pipeline, tiny_unet, write_examples

SEVEN = replace(CONFIG, batch_size=7, seed=3)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    return Examples(write_examples(tmp_path_factory.mktemp("shards"), count=12))


def run_out_of_memory(editor: Editor, *, above_rows: int) -> None:
    """Let the network run out of memory, as torch does, for more than `num_rows` rows; c and c' are two rows."""

    def check(unet: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if len(inputs[0]) > above_rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    editor.unet.register_forward_pre_hook(check)


def fit_steps(trainer: Trainer, batches, num_steps: int) -> list[dict]:
    """Do steps and return what the watcher was told."""
    told: list[dict] = []
    watcher = Watcher(lambda line: told.append(json.loads(line)))
    for step in range(num_steps):
        trainer.move(step, gradients_that_fit(trainer, batches, step, watcher))
    return told


def test_micro_batches_are_halved_until_a_step_fits_and_the_result_is_theirs(examples: Examples) -> None:
    trainer, batches, editor = make(SEVEN, examples)
    run_out_of_memory(editor, above_rows=4)
    told = fit_steps(trainer, batches, 3)
    assert [(line["phase"], line["step"], line["micro_batch"]) for line in told] == [
        ("micro_batch", 1, 4),
        ("micro_batch", 1, 2),
    ]
    given, given_batches, given_editor = make(SEVEN, examples, micro_batch=2)
    assert not fit_steps(given, given_batches, 3)
    assert all(torch.equal(weight, weights(given_editor)[name]) for name, weight in weights(editor).items())
    whole, whole_batches, whole_editor = make(SEVEN, examples)
    fit_steps(whole, whole_batches, 3)
    for name, weight in weights(whole_editor).items():
        torch.testing.assert_close(weight, weights(editor)[name], rtol=0, atol=2e-4)


def test_memory_that_runs_out_in_a_later_micro_batch_leaves_no_gradient_behind(examples: Examples) -> None:
    """The first micro-batch of the failed try left its gradient; this gradient must not count twice."""
    trainer, batches, editor = make(SEVEN, examples, micro_batch=4)
    calls: list[int] = []

    def fail_once(unet: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        calls.append(len(inputs[0]))
        if len(calls) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    editor.unet.register_forward_pre_hook(fail_once)
    fit_steps(trainer, batches, 1)
    assert calls == [8, 6, 4, 4, 4, 2]
    given, given_batches, given_editor = make(SEVEN, examples, micro_batch=2)
    fit_steps(given, given_batches, 1)
    assert all(torch.equal(weight, weights(given_editor)[name]) for name, weight in weights(editor).items())


def test_an_example_that_does_not_fit_alone_is_said_in_words(examples: Examples) -> None:
    trainer, batches, editor = make(SEVEN, examples)
    before = weights(editor)
    run_out_of_memory(editor, above_rows=1)
    with pytest.raises(
        ValueError, match=r"Step 1 does not fit into the memory of cpu with 1 .*--gradient-checkpointing"
    ):
        fit_steps(trainer, batches, 1)
    assert all(torch.equal(weight, before[name]) for name, weight in weights(editor).items())


def test_all_moments_are_there_before_the_first_step_and_come_back_from_a_checkpoint(examples: Examples) -> None:
    trainer, batches, _ = make(SEVEN, examples)
    moments = {name: tensor for name, tensor in trainer.tensors().items() if name.startswith("exp_avg")}
    assert len(moments) == 2 * len([name for name in trainer.tensors() if name.startswith("weight/")])
    assert not any(moment.any() for moment in moments.values())
    fit_steps(trainer, batches, 2)
    saved, state = {name: tensor.clone() for name, tensor in trainer.tensors().items()}, trainer.state()
    again, _, _ = make(SEVEN, examples)
    again.restore(saved, state)
    trainer.step(batches, 2)
    again.step(batches, 2)
    assert all(torch.equal(tensor, again.tensors()[name]) for name, tensor in trainer.tensors().items())


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is not None, reason="bitsandbytes is installed")
def test_8_bit_moments_without_bitsandbytes_are_refused_with_the_way_out(examples: Examples) -> None:
    with pytest.raises(ValueError, match=r"pip install -e '\.\[8bit\]', or set adam_bits to 32"):
        make(replace(SEVEN, adam_bits=8), examples)


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")
def test_8_bit_moments_come_near_and_resume_bit_for_bit(examples: Examples) -> None:
    config = replace(SEVEN, adam_bits=8)
    (trainer, batches, editor), (plain, plain_batches, plain_editor) = make(config, examples), make(SEVEN, examples)
    fit_steps(trainer, batches, 2)
    fit_steps(plain, plain_batches, 2)
    for name, weight in weights(plain_editor).items():
        torch.testing.assert_close(weights(editor)[name], weight, rtol=0, atol=1e-3)
    saved, state = {name: tensor.clone() for name, tensor in trainer.tensors().items()}, trainer.state()
    again, _, _ = make(config, examples)
    again.restore(saved, state)
    trainer.step(batches, 2)
    again.step(batches, 2)
    assert all(torch.equal(tensor, again.tensors()[name]) for name, tensor in trainer.tensors().items())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile wants a C++ compiler on a CPU")
def test_compiled_training_and_its_frozen_copy_give_the_same_losses(examples: Examples) -> None:
    """The second step's loss depends on the first one's gradients."""
    losses = []
    for compiled in (False, True):
        pipeline = tiny_pipeline()
        pipeline.unet = tiny_unet(attention_in_the_middle_alone=True)
        editor, options = Editor(pipeline), TrainOptions(device="cpu", compile=compiled)
        batches = make_batches(editor, examples, CONFIG, options, Watcher(lambda line: None))
        trainer = make_trainer(editor, CONFIG, options)
        losses.append([trainer.step(batches, step)["loss"] for step in (1, 2)])
        assert all(network._compiled_call_impl is not None for network in (trainer.unet, trainer._frozen)) == compiled
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
