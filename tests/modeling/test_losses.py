"""The objective's exact properties, which need no trained weights."""

import math

import pytest
import torch

from modeling.config import ObjectiveConfig
from modeling.objective.losses import Errors, contrast, objective_shares, squared_error
from modeling.presets import LAMBDA_GRID, LAMBDA_GRID_DECIMAL, ablations, editaction, editaction_decimal, fine_tuned


def errors(count: int, seed: int = 0) -> Errors:
    """Return random errors with gradients, as after a forward pass."""
    generator = torch.Generator().manual_seed(seed)
    drawn = (torch.rand(count, generator=generator, requires_grad=True) for _ in range(3))
    return Errors(**dict(zip(("static", "negative", "drift"), drawn, strict=True)))


def whole(made: Errors, config: ObjectiveConfig, mask: torch.Tensor):
    """Return the shares of a batch that is one part."""
    return objective_shares(
        made, mask, config, batch_size=len(made.static), num_contrasts=int(mask.sum()), mean_difference=None
    )


def test_l_action_is_the_papers_quotient_and_one_minus_the_posterior() -> None:
    e_c, e_other = torch.rand(2, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    action = contrast(e_c - e_other, "sigmoid")
    quotient = e_c.exp() / (e_c.exp() + e_other.exp())
    posterior = (-e_c).exp() / ((-e_c).exp() + (-e_other).exp())
    torch.testing.assert_close(action, quotient, rtol=0, atol=1e-15)
    torch.testing.assert_close(action, 1 - posterior, rtol=0, atol=1e-15)


def test_softplus_is_minus_the_log_of_the_posterior() -> None:
    difference = torch.linspace(-5, 5, 21, dtype=torch.float64)
    expected = -torch.log(1 - contrast(difference, "sigmoid"))
    torch.testing.assert_close(contrast(difference, "softplus"), expected)


@pytest.mark.parametrize("form", ["sigmoid", "softplus"])
@pytest.mark.parametrize("reduction", ["sample", "batch"])
def test_l_action_pulls_the_right_error_down_and_the_wrong_one_up(form: str, reduction: str) -> None:
    made = errors(4)
    config = ObjectiveConfig(action_form=form, action_reduction=reduction)
    whole(made, config, torch.ones(4, dtype=torch.bool)).action.backward()
    assert (made.static.grad > 0).all()
    assert (made.negative.grad < 0).all()


@pytest.mark.parametrize("form", ["sigmoid", "softplus"])
def test_huge_errors_stay_finite(form: str) -> None:
    difference = torch.tensor([1e4, -1e4, 89.0], requires_grad=True)
    contrast(difference, form).sum().backward()
    assert torch.isfinite(contrast(difference, form)).all()
    assert torch.isfinite(difference.grad).all()


def test_equal_instructions_give_exactly_one_half() -> None:
    e = torch.rand(8)
    assert (contrast(e - e, "sigmoid") == 0.5).all()


def test_the_temperature_turns_means_into_the_literal_sum() -> None:
    prediction, other, target = torch.randn(3, 5, 4, 8, 8, generator=torch.Generator().manual_seed(0)).double()
    means = squared_error(prediction, target), squared_error(other, target)
    sums = ((prediction - target) ** 2).sum(dim=(1, 2, 3)), ((other - target) ** 2).sum(dim=(1, 2, 3))
    made = Errors(static=means[0], negative=means[1], drift=None)
    config = ObjectiveConfig(action_temperature=4 * 8 * 8)
    expected = torch.sigmoid(sums[0] - sums[1]).mean()
    actual = whole(made, config, torch.ones(5, dtype=torch.bool)).action.double()
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-6)


def test_errors_are_computed_in_fp32_from_bf16_predictions() -> None:
    prediction = torch.full((1, 1, 64, 64), 1.0078125, dtype=torch.bfloat16)
    error = squared_error(prediction, torch.ones_like(prediction))
    assert error.dtype == torch.float32
    assert error.item() == pytest.approx(0.0078125**2)


def test_samples_without_text_count_in_l_static_and_l_reg_but_not_in_l_action() -> None:
    made, mask = errors(4), torch.tensor([True, False, True, False])
    shares = whole(made, ObjectiveConfig(), mask)
    assert shares.static.item() == pytest.approx(made.static.mean().item())
    assert shares.reg.item() == pytest.approx(made.drift.mean().item())
    expected = torch.sigmoid(made.static - made.negative)[[0, 2]].mean().item()
    assert shares.action.item() == pytest.approx(expected)


def test_without_any_contrast_l_action_is_zero() -> None:
    made = errors(3)
    shares = whole(made, ObjectiveConfig(), torch.zeros(3, dtype=torch.bool))
    shares.total(ObjectiveConfig()).backward()
    assert shares.action.item() == 0
    assert torch.isfinite(made.static.grad).all()


@pytest.mark.parametrize("form", ["sigmoid", "softplus"])
@pytest.mark.parametrize("reduction", ["sample", "batch"])
def test_shares_of_parts_add_up_to_the_whole_in_value_and_gradient(form: str, reduction: str) -> None:
    """The parts have unequal numbers of contrasts, so a mean of the parts' means would be wrong."""
    config = ObjectiveConfig(
        lambda_action=0.7, lambda_reg=0.3, action_form=form, action_reduction=reduction, action_temperature=3.0
    )
    mask = torch.tensor([True, False, False, False, True, True, True, False])
    one, parts = errors(8), errors(8)
    whole(one, config, mask).total(config).backward()
    mean = (parts.static - parts.negative)[mask].mean().detach()
    total = 0.0
    for rows in (slice(0, 4), slice(4, 8)):
        part = Errors(static=parts.static[rows], negative=parts.negative[rows], drift=parts.drift[rows])
        shares = objective_shares(part, mask[rows], config, batch_size=8, num_contrasts=4, mean_difference=mean)
        shares.total(config).backward()
        total += shares.total(config).item()
    assert total == pytest.approx(whole(one, config, mask).total(config).item(), rel=1e-6)
    for name in ("static", "negative", "drift"):
        torch.testing.assert_close(getattr(parts, name).grad, getattr(one, name).grad, rtol=1e-5, atol=1e-7)


def test_batch_reduction_is_the_sigmoid_of_the_mean_errors() -> None:
    made = errors(6)
    config = ObjectiveConfig(action_reduction="batch", action_temperature=2.0)
    expected = torch.sigmoid(2 * (made.static.mean() - made.negative.mean()))
    (reference,) = torch.autograd.grad(expected, made.static, retain_graph=True)
    actual = whole(made, config, torch.ones(6, dtype=torch.bool)).action
    (gradient,) = torch.autograd.grad(actual, made.static)
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(gradient, reference)


def test_both_readings_of_the_papers_grid_increase_and_hold_the_chosen_weights() -> None:
    for grid, chosen in ((LAMBDA_GRID, editaction()), (LAMBDA_GRID_DECIMAL, editaction_decimal())):
        assert list(grid) == sorted(grid)
        assert any(math.isclose(chosen.lambda_action, value) for value in grid)
        assert any(math.isclose(chosen.lambda_reg, value) for value in grid)


def test_each_ablation_lacks_one_part_and_the_baseline_all() -> None:
    rows = ablations()
    assert rows["without_action"].lambda_action == 0 < rows["without_action"].lambda_reg
    assert rows["without_reg"].lambda_reg == 0 < rows["without_reg"].lambda_action
    assert rows["without_freezing"].freeze == "none" != rows["without_reg"].freeze
    baseline = fine_tuned()
    assert (baseline.lambda_action, baseline.lambda_reg, baseline.freeze) == (0, 0, "none")
