"""The interval of a share, compared with scipy, and the spread over seeds."""

import numpy as np
import pytest
from scipy import stats

from evaluation.statistics.intervals import share_interval, spread


@pytest.mark.parametrize(("num_true", "num_all"), [(0, 10), (1, 10), (7, 10), (10, 10), (170, 240)])
def test_the_interval_of_a_share_is_wilsons(num_true, num_all):
    expected = stats.binomtest(num_true, num_all).proportion_ci(method="wilson")
    interval = share_interval(num_true, num_all)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("num_true", "num_all"), [(0, 0), (-1, 5), (6, 5)])
def test_a_share_of_nothing_or_of_too_much_is_refused(num_true, num_all):
    with pytest.raises(ValueError, match="no share"):
        share_interval(num_true, num_all)


def test_the_spread_over_seeds_divides_by_n_minus_1_and_is_unknown_for_one_seed():
    of_three = spread([1.0, 2.0, 4.0])
    assert of_three.mean == pytest.approx(7 / 3)
    assert of_three.variance == pytest.approx(np.var([1, 2, 4], ddof=1))
    assert of_three.std == pytest.approx(np.std([1, 2, 4], ddof=1))
    alone = spread([3.0])
    assert (alone.mean, alone.std, alone.variance, alone.num_seeds) == (3.0, None, None, 1)
    with pytest.raises(ValueError, match="at least one seed"):
        spread([])
