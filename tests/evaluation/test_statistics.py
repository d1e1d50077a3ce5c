"""Intervals and spreads, against scipy and by simulation."""

import numpy as np
import pytest
from scipy import stats

from evaluation.statistics.intervals import (
    bootstrap_error_interval,
    bootstrap_interval,
    mean_interval,
    share_interval,
    spread,
)


def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize(("num_true", "num_all"), [(0, 10), (1, 10), (7, 10), (10, 10), (170, 240)])
def test_the_interval_of_a_share_is_wilsons(num_true, num_all):
    expected = stats.binomtest(num_true, num_all).proportion_ci(method="wilson")
    interval = share_interval(num_true, num_all)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("num_true", "num_all"), [(0, 0), (-1, 5), (6, 5)])
def test_a_share_of_nothing_or_of_too_much_is_refused(num_true, num_all):
    with pytest.raises(ValueError, match="no share"):
        share_interval(num_true, num_all)


def test_the_bootstrap_of_a_mean_agrees_with_scipys():
    values = rng().normal(3, 2, size=200)
    ours = bootstrap_interval(values, rng(), 4_000)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=4_000, method="percentile", rng=1).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.03)


def test_seeds_of_a_pair_do_not_count_as_pairs():
    """Ten equal seeds say no more than one."""
    values = rng().normal(size=50)
    one = bootstrap_interval(values, rng(), 500)
    ten = bootstrap_interval(np.repeat(values[:, None], 10, axis=1), rng(), 500)
    assert (ten.low, ten.high) == pytest.approx((one.low, one.high))


def test_shares_take_wilson_when_all_seeds_agree_and_the_bootstrap_when_not():
    outcomes = rng().random((40, 1)) < 0.7
    expected = share_interval(int(outcomes.sum()), 40)
    assert mean_interval(outcomes, rng(), 300) == expected
    assert mean_interval(np.repeat(outcomes, 3, axis=1), rng(), 300) == expected
    varied = np.concatenate([outcomes, ~outcomes], axis=1)
    assert mean_interval(varied, rng(), 300) == bootstrap_interval(varied, rng(), 300)


def test_the_error_interval_lies_around_the_value_and_not_below_zero():
    values = rng().normal(5, 1, size=100)
    interval = bootstrap_error_interval(lambda drawn: float(values[drawn].mean()), 5.0, 100, rng(), 500)
    error = values.std(ddof=0) / 10
    assert interval.high - 5.0 == pytest.approx(1.96 * error, rel=0.15)
    near_zero = bootstrap_error_interval(lambda drawn: float(values[drawn].mean()), 0.01, 100, rng(), 50)
    assert near_zero.low == 0


def test_the_spread_over_seeds_divides_by_n_minus_1_and_is_unknown_for_one_seed():
    of_three = spread([1.0, 2.0, 4.0])
    assert of_three.mean == pytest.approx(7 / 3)
    assert of_three.variance == pytest.approx(np.var([1, 2, 4], ddof=1))
    assert of_three.std == pytest.approx(np.std([1, 2, 4], ddof=1))
    alone = spread([3.0])
    assert (alone.mean, alone.std, alone.variance, alone.num_seeds) == (3.0, None, None, 1)
    with pytest.raises(ValueError, match="at least one seed"):
        spread([])
