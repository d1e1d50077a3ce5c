"""Differences of shares: an interval that agrees with p, has a width where no pair differs, and holds the truth."""

import numpy as np
import pytest
from scipy import stats

from evaluation.statistics.clustered_mean import clustered_mean
from evaluation.statistics.clustered_share import share_ends
from evaluation.statistics.paired_tests import difference_mean
from evaluation.statistics.videos import Videos

SHARES = (0.0, 1.0)


def drawn(rng, num_videos, first, second, likeness=0.5):
    """Return two editors' verdicts on the same pairs, and the pairs' videos."""
    place = np.repeat(np.arange(num_videos), rng.integers(1, 16, size=num_videos))
    values = [
        np.sqrt(1 - likeness) * rng.normal(size=len(place)) + np.sqrt(likeness) * rng.normal(size=num_videos)[place]
        for _ in range(2)
    ]
    other = np.sqrt(0.5) * (values[0] + values[1])
    return values[0] < stats.norm.ppf(first), other < stats.norm.ppf(second), place


@pytest.mark.parametrize("bounds", [SHARES, None])
def test_p_is_below_5_percent_exactly_where_0_lies_outside(bounds):
    rng = np.random.default_rng(2)
    outside = 0
    for number in range(200):
        num_videos = 2 + number % 9
        one, two, place = drawn(rng, num_videos, 0.9, rng.choice([0.3, 0.6, 0.9]))
        if number % 5 == 0:  # all pairs differ, and by the same
            one, two = np.ones_like(one), np.zeros_like(two)
        mean = difference_mean(one, two, place, bounds=bounds)
        assert (mean.p < 0.05) == (not mean.low <= 0 <= mean.high)
        outside += mean.p < 0.05
    assert 30 < outside < 170


def test_where_no_pair_differs_the_interval_has_the_width_of_what_was_not_seen():
    """A difference of more would leave no trace in less than 5 of 100 draws; p is 1."""
    verdicts, place = np.tile([1.0, 0.0], 20), np.repeat(np.arange(8), 5)
    mean = difference_mean(verdicts, verdicts, place, bounds=SHARES)
    unseen = 1 - 0.05 ** (1 / 8)
    assert (mean.mean, mean.low, mean.high, mean.p) == (0, pytest.approx(-unseen), pytest.approx(unseen), 1)
    quantiles = stats.t.ppf([0.975, 0.8], mean.freedom).sum()
    assert mean.smallest_visible == pytest.approx(quantiles**2 / 40)


@pytest.mark.parametrize(("num_videos", "is_outside"), [(2, False), (5, False), (6, True), (12, True)])
def test_where_all_pairs_differ_by_the_same_p_is_the_sign_test_s(num_videos, is_outside):
    place = np.repeat(np.arange(num_videos), 3)
    for difference in (1.0, -0.1):
        mean = difference_mean(np.full(len(place), difference), np.zeros(len(place)), place)
        assert mean.p == pytest.approx(stats.binomtest(num_videos, num_videos).pvalue)
        assert is_outside == (not mean.low <= 0 <= mean.high)
        assert (mean.high if difference > 0 else mean.low) == mean.mean == pytest.approx(difference)


def test_the_end_away_from_0_squares_and_adds_those_of_gains_and_losses():
    values, place = np.array([1.0] + [0.0] * 19 + [-1.0]), np.repeat(np.arange(7), 3)
    values[3] = 1.0
    mean = difference_mean(values, np.zeros(21), place, bounds=SHARES)
    by_student = clustered_mean(values, place)
    gains, losses = (share_ends(np.maximum(part, 0)[:, None], Videos(list(place))) for part in (values, -values))
    high = 1 / 21 + np.hypot(gains[1] - 2 / 21, 1 / 21 - losses[0])
    assert high > by_student.high
    assert (mean.low, mean.high) == pytest.approx((by_student.low, high))
    mirrored = difference_mean(-values, np.zeros(21), place, bounds=SHARES)
    assert (mirrored.low, mirrored.high) == pytest.approx((-mean.high, -mean.low))


def test_many_pairs_that_differ_leave_student_s_interval_as_it_is():
    one, two, place = drawn(np.random.default_rng(4), 60, 0.7, 0.4, 0.1)
    mean, by_student = (difference_mean(one, two, place, bounds=bounds) for bounds in (SHARES, None))
    assert mean.low == by_student.low
    assert mean.high == pytest.approx(by_student.high, abs=0.01)
    assert mean.smallest_visible == pytest.approx(by_student.smallest_visible)


def test_one_pair_says_nothing_and_pairs_without_a_value_are_left_out():
    mean = difference_mean([1.0, np.nan], [0.0, 1.0], ["a", "b"], bounds=SHARES)
    assert (mean.num_pairs, mean.freedom, mean.p, mean.smallest_visible) == (1, 0, 1, np.inf)


@pytest.mark.parametrize(("num_videos", "first", "second"), [(4, 0.98, 0.95), (8, 0.98, 0.95), (8, 0.9, 0.8)])
def test_rare_differences_in_few_videos_are_held_too(num_videos, first, second):
    """Student's interval alone holds the first in 70 of 100 draws."""
    rng = np.random.default_rng(6)
    held = 0
    for _ in range(300):
        mean = difference_mean(*drawn(rng, num_videos, first, second), bounds=SHARES)
        held += mean.low <= first - second <= mean.high
    assert held / 300 >= 0.91
