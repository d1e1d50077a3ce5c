"""The account of a step's memory: computed at Stable Diffusion's size, and measured on a miniature."""

from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch.profiler import ProfilerActivity, profile

from benchmarks.step_memory import MIB, peak_mib, peak_of
from modeling.config import TrainConfig
from modeling.editors.instruct_pix2pix import Editor
from modeling.measuring.memory_account import (
    CUDA_GIB,
    GIB,
    RESERVE_GIB,
    STABLE_DIFFUSION,
    Choice,
    account,
    choice_for,
    sizes_of,
    total_gib,
)
from modeling.objective.losses import Shares
from modeling.training.diagnostics import gradient_norms
from modeling.training.ema import MovingAverage
from modeling.training.trainer import Trainer
from tests.support.tiny_pipeline import SIZE_PX, drawn_pictures, tiny_pipeline, tiny_unet

PAPER = TrainConfig()


def test_the_papers_preset_fits_20_gib_without_and_16_with_the_proposed_flags() -> None:
    assert total_gib(PAPER, STABLE_DIFFUSION, Choice(micro_batch=1)) < 20
    choice = choice_for(PAPER, STABLE_DIFFUSION, 16)
    assert choice is not None
    assert choice.flags == "--micro-batch 4 --gradient-checkpointing --ema-on cpu", "and no package more than installed"
    assert total_gib(PAPER, STABLE_DIFFUSION, choice) <= 16 - RESERVE_GIB
    fastest = Choice(micro_batch=4)
    tight = total_gib(PAPER, STABLE_DIFFUSION, fastest) + RESERVE_GIB / 2
    assert choice_for(PAPER, STABLE_DIFFUSION, tight) != fastest, "a proposal leaves the reserve free"
    assert account(PAPER, STABLE_DIFFUSION, choice)["CUDA"] == CUDA_GIB, "the context is counted"
    assert choice_for(PAPER, STABLE_DIFFUSION, 4) is None


def test_a_checkpointed_pass_keeps_no_converted_weights_and_one_set_of_gradients() -> None:
    """Counted by torch's profiler on a U-Net whose weights outweigh its activations."""
    unet = tiny_unet()
    wide = dict(unet.config) | {"block_out_channels": (64, 128), "cross_attention_dim": 64}
    unet = UNet2DConditionModel.from_config(wide).train()
    unet.enable_gradient_checkpointing()
    weights = [*unet.parameters()]
    size = sum(weight.nbytes for weight in weights)
    for weight in weights:
        weight.grad = torch.zeros_like(weight)
    taken = peak_mib(unet, 1, torch.bfloat16, 64, side=8) * MIB
    assert taken < 0.75 * size / 2, "all weights in bf16 would be half of `size`"
    unet.disable_gradient_checkpointing()
    shares = Shares(**{name: sum((weight * 2).sum() for weight in weights) for name in ("static", "action", "reg")})
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        gradient_norms(shares, weights, scale=1.0)
    assert peak_of(profiled) < 1.5 * size, "the gradients of one loss go before those of the next are there"


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
