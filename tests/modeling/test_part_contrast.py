"""L_action on a part of the steps or timesteps: the other steps run no forward pass for it, and the loss stays
right.
"""

from dataclasses import replace

import pytest
import torch

from modeling.config import ObjectiveConfig
from modeling.data.loader import Examples
from modeling.objective.losses import objective_shares
from modeling.presets import fine_tuned
from tests.modeling.test_trainer import CONFIG, make, weights
from tests.support.tiny_pipeline import write_examples

ACTION = replace(fine_tuned(), lambda_action=0.5, action_temperature=20.0)
DROPPING = replace(CONFIG, batch_size=8, conditioning_dropout=0.2, objective=ACTION)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    return Examples(write_examples(tmp_path_factory.mktemp("shards"), count=12))


def forward_sizes(editor) -> list[int]:
    """Return a list that grows by the batch size of every forward pass."""
    calls: list[int] = []
    editor.unet.register_forward_pre_hook(lambda unet, inputs: calls.append(len(inputs[0])))
    return calls


def test_every_third_step_pays_for_l_action_and_the_others_are_plain_ones(examples):
    config = replace(DROPPING, objective=replace(ACTION, action_every=3))
    trainer, batches, editor = make(config, examples)
    calls = forward_sizes(editor)
    entries = [trainer.step(batches, step) for step in range(1, 7)]
    assert calls == [8, 8, 16, 8, 8, 16]
    assert [entry["action"] > 0 for entry in entries] == [False, False, True] * 2
    assert ["told_apart" in entry for entry in entries] == [False, False, True] * 2
    assert [bool(batches.draw(step).has_contrast.any()) for step in range(4)] == [True, False, False, True]


def test_a_step_without_contrast_is_the_very_step_of_plain_fine_tuning(examples):
    ends = []
    for objective in (replace(ACTION, action_every=3), fine_tuned()):
        trainer, batches, editor = make(replace(DROPPING, objective=objective), examples)
        trainer.step(batches, 1)
        ends.append(weights(editor))
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


@pytest.mark.parametrize("bounds", [(0.5, 1.0), (0.0, 0.3), (0.2, 0.7)])
def test_timesteps_outside_the_bounds_are_neither_counted_nor_computed(bounds, examples):
    low, high = bounds
    objective = replace(ACTION, action_from=low, action_to=high)
    trainer, batches, editor = make(replace(DROPPING, objective=objective), examples)
    whole, everywhere, _ = make(replace(DROPPING, objective=ACTION), examples)
    calls = forward_sizes(editor)
    for step in range(4):
        batch = batches.draw(step)
        (part,), (full,) = batches.parts(batch), everywhere.parts(everywhere.draw(step))
        share = batch.draws.timesteps.numpy() / 1000
        counted = (share >= low) & (share < high) & ~batch.draws.text_dropped
        assert (batch.has_contrast == counted).all()
        errors, reference = trainer.errors(part), whole.errors(full)
        assert calls.pop() == 8 + int(counted.sum())
        torch.testing.assert_close(errors.static, reference.static)
        if counted.any():
            rows = torch.from_numpy(counted)
            torch.testing.assert_close(errors.negative[rows], reference.negative[rows])
            shares = objective_shares(errors, part.has_contrast, objective, batch_size=8, num_contrasts=counted.sum())
            expected = torch.sigmoid(20 * (reference.static - reference.negative))[rows].mean()
            torch.testing.assert_close(shares.action, expected)
        else:
            assert errors.negative is None


@pytest.mark.parametrize("reduction", ["sample", "batch"])
def test_micro_batches_add_up_though_some_have_no_row_that_counts(reduction, examples):
    objective = replace(ACTION, action_from=0.6, action_reduction=reduction)
    ends = []
    for micro_batch in (0, 2):
        trainer, batches, editor = make(replace(DROPPING, objective=objective), examples, micro_batch=micro_batch)
        batch = batches.draw(4)
        parts = list(batches.parts(batch))
        if micro_batch:
            assert {part.other_text is None for part in parts} == {True, False}
        trainer._accumulate_gradients(batches, batch)
        ends.append([weight.grad.clone() for weight in editor.unet.parameters()])
    for whole, in_parts in zip(*ends, strict=True):
        torch.testing.assert_close(whole, in_parts, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"action_every": 0}, "at least 1"),
        ({"action_from": 0.6, "action_to": 0.5}, "in order"),
        ({"action_to": 1.5}, "in order"),
        ({"negatives": "alike"}, "choose one of disjoint, same_verb, same_object"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ObjectiveConfig(**settings)
