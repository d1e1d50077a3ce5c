"""Settings that make no sense are refused when a config is made; one line names each of them."""

import math

import pytest

from modeling.config import SamplingConfig, TrainConfig
from modeling.data.images import FILE_FORMATS, decode_image
from modeling.editing.requests import plan_requests
from tasks.config import EditsConfig

NONSENSE = {
    "ema_decay": [1.0, 2, -0.1, math.nan],
    "adam_beta1": [1.0, -1],
    "adam_beta2": [1.5],
    "learning_rate": [0, -1e-4, math.inf, math.nan],
    "max_grad_norm": [0.0, math.nan],
    "weight_decay": [-0.1, math.inf],
    "num_warmup_steps": [-1],
    "seed": [-1],
    "flip_probability": [1.1, -0.5, math.nan],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in NONSENSE.items() for value in values])
def test_a_training_setting_out_of_its_range_is_named(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"^{name} is "):
        TrainConfig(**{name: value})


def test_the_ends_of_the_ranges_are_allowed() -> None:
    TrainConfig(ema_decay=0.0, adam_beta1=0.0, weight_decay=0.0, num_warmup_steps=0, flip_probability=1.0, seed=0)


@pytest.mark.parametrize("scale", [math.nan, math.inf])
def test_guidance_is_a_finite_number(scale: float) -> None:
    with pytest.raises(ValueError, match="guidance"):
        SamplingConfig(text_guidance=scale)


@pytest.mark.parametrize("seeds", [(), (-1,), (0, 0)])
def test_seeds_of_edits_are_from_0_and_distinct(seeds: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"edits\.seeds"):
        EditsConfig(seeds=seeds)


@pytest.mark.parametrize("seed", [-1, 10**18, 99999999999999999999])
def test_a_seed_that_torch_cannot_take_is_one_line(tmp_path, seed: int) -> None:
    with pytest.raises(ValueError, match="Seeds are"):
        plan_requests(tmp_path / "a.png", "open fridge", tmp_path / "b.png", [seed])


def test_an_instruction_in_another_encoding_is_one_line(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"is no UTF-8 text"):
        plan_requests(tmp_path / "a.png", b"take K\xfcche".decode("utf-8", "surrogateescape"), tmp_path / "b.png", [0])


@pytest.mark.parametrize("content", [b"GIF89a" + bytes(40), b"II*\0" + bytes(40), b"nothing of the kind"])
def test_a_file_of_another_format_is_told_without_the_names_of_objects(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"^x\.gif: not a readable picture \(of no format that is read\)\. Use an "):
        decode_image(content, name="x.gif", formats=FILE_FORMATS)
