"""The random choices of a training step: dropout's truth table, guarded flips, all a function of (seed, step)."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from modeling.config import ObjectiveConfig, TrainConfig
from modeling.training.draws import draw_step, dropped, may_flip

CONFIG = TrainConfig(batch_size=512)


def draws(step: int, config: TrainConfig = CONFIG, flippable: bool = True):
    """Return the draws of a step over 700 examples."""
    return draw_step(config, step, flippable=np.full(700, flippable), latent_shape=(4, 2, 2), num_timesteps=1000)


@pytest.mark.parametrize(
    ("sixteenths", "text", "image"),
    [
        (0, True, False),
        (0.99, True, False),
        (1, True, True),
        (1.99, True, True),
        (2, False, True),
        (2.99, False, True),
        (3, False, False),
        (15.9, False, False),
    ],
)
def test_truth_table_of_conditioning_dropout(sixteenths: float, text: bool, image: bool) -> None:
    text_dropped, image_dropped = dropped(np.array([sixteenths / 16]), 1 / 16)
    assert (text_dropped[0], image_dropped[0]) == (text, image)


def test_each_kind_of_dropout_has_its_share_and_none_happens_at_zero() -> None:
    u = (np.arange(10_000) + 0.5) / 10_000
    text, image = dropped(u, 0.05)
    kinds = [(text & ~image).mean(), (text & image).mean(), (~text & image).mean(), (~text & ~image).mean()]
    assert kinds == pytest.approx([0.05, 0.05, 0.05, 0.85])
    assert not np.any(dropped(u, 0.0))
    drawn = [draws(step) for step in range(20)]
    assert np.mean([step_draws.text_dropped.mean() for step_draws in drawn]) == pytest.approx(0.1, abs=0.01)
    assert np.mean([step_draws.image_dropped.mean() for step_draws in drawn]) == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("text", ["open left door", "Turn RIGHT knob", "turn knob anti-clockwise", "leftmost cup"])
def test_sided_instructions_are_never_mirrored(text: str) -> None:
    assert not may_flip(text)


@pytest.mark.parametrize("text", ["open the door", "lift lid", "brighten the room"])
def test_other_instructions_may_be_mirrored(text: str) -> None:
    assert may_flip(text)


def test_flips_come_with_their_probability_and_only_where_allowed() -> None:
    assert draws(0).flips.mean() == pytest.approx(0.5, abs=0.07)
    assert not draws(0, flippable=False).flips.any()
    assert not draws(0, replace(CONFIG, flip_probability=0.0)).flips.any()
    assert draws(0, replace(CONFIG, flip_probability=1.0)).flips.all()


def test_a_steps_draws_do_not_depend_on_what_was_drawn_before_nor_on_the_objective() -> None:
    first = draws(7)
    draws(3)
    again = draws(7, replace(CONFIG, objective=ObjectiveConfig(lambda_action=0.0, freeze="none")))
    for name in ("examples", "flips", "text_dropped", "image_dropped"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    for name in ("timesteps", "noise", "encoder_noise"):
        assert torch.equal(getattr(first, name), getattr(again, name))


def test_draws_differ_between_steps_seeds_and_purposes() -> None:
    here, there, other = draws(0), draws(1), draws(0, replace(CONFIG, seed=1))
    assert not torch.equal(here.noise, there.noise)
    assert not torch.equal(here.noise, other.noise)
    assert not torch.equal(here.noise, here.encoder_noise)
    assert here.noise.std().item() == pytest.approx(1, abs=0.05)
    assert here.timesteps.min() >= 0
    assert 900 < here.timesteps.max() < 1000
