"""The account of a step's memory: computed at Stable Diffusion's size, and measured on a miniature."""

from pathlib import Path

import pytest
import torch

from modeling.config import TrainConfig
from modeling.editors.instruct_pix2pix import Editor
from modeling.measuring.memory_account import (
    GIB,
    STABLE_DIFFUSION,
    Choice,
    account,
    choice_for,
    sizes_of,
    total_gib,
)
from modeling.training.ema import MovingAverage
from modeling.training.trainer import Trainer
from tests.support.tiny_pipeline import SIZE_PX, drawn_pictures, tiny_pipeline

PAPER = TrainConfig()


def test_the_papers_preset_fits_20_gib_without_and_16_with_the_proposed_flags() -> None:
    assert total_gib(PAPER, STABLE_DIFFUSION, Choice(micro_batch=1)) < 20
    choice = choice_for(PAPER, STABLE_DIFFUSION, 16)
    assert choice is not None
    assert "--gradient-checkpointing" in choice.flags
    assert choice_for(PAPER, STABLE_DIFFUSION, 4) is None


def test_with_encoders_on_the_device_it_is_what_was_counted_before() -> None:
    """It is 20.6 GiB at one example and 23.0 at four, with autocast and CUDA."""
    assert total_gib(PAPER, STABLE_DIFFUSION, Choice(micro_batch=1), cached=False) == pytest.approx(20.6, abs=0.3)
    assert total_gib(PAPER, STABLE_DIFFUSION, Choice(micro_batch=4), cached=False) == pytest.approx(23.0, abs=0.5)


def test_the_account_counts_what_a_trainer_holds(tmp_path: Path) -> None:
    config = TrainConfig(size_px=SIZE_PX, batch_size=2, precision="fp32")
    tiny_pipeline().save_pretrained(tmp_path)
    sizes = sizes_of(tmp_path, config)
    trainer = Trainer(Editor.load(tmp_path, "cpu"), config)
    tensors = trainer.tensors()
    counted = account(config, sizes, Choice(), cuda=False)
    assert sum(weight.numel() for weight in trainer.unet.parameters()) == sizes.unet
    for kind, name in (("average/", "average"), ("exp_avg", "moments"), ("weight/", "gradients")):
        held = sum(tensor.nbytes for key, tensor in tensors.items() if key.startswith(kind))
        assert held / GIB == pytest.approx(counted[name])


def test_an_average_elsewhere_is_the_same_average() -> None:
    """Here both lie in main memory. The branch for two devices moves one weight at a time."""
    weights = [torch.nn.Parameter(torch.randn(5, 3)), torch.nn.Parameter(torch.randn(4))]
    beside, elsewhere = MovingAverage(weights, 0.9), MovingAverage(weights, 0.9, torch.device("cpu"))
    for _ in range(3):
        for weight in weights:
            weight.data.add_(torch.randn_like(weight))
        beside.update()
        elsewhere.update()
    assert all(torch.equal(a, b) for a, b in zip(beside.average, elsewhere.average, strict=True))
    assert all(a.data_ptr() != w.data_ptr() for a, w in zip(elsewhere.average, weights, strict=True))


def test_encoders_that_were_moved_encode_and_decode_the_same() -> None:
    editor = Editor(tiny_pipeline())
    pictures = torch.from_numpy(drawn_pictures(2)).permute(0, 3, 1, 2).float() / 127.5 - 1
    before = (editor.encode_text(["take cup"]), editor.encode_condition(pictures), editor.encode_target(pictures)[0])
    editor.put_encoders("cpu")
    after = (editor.encode_text(["take cup"]), editor.encode_condition(pictures), editor.encode_target(pictures)[0])
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
