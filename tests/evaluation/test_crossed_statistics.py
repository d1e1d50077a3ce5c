"""Intervals over scenes and seeds, compared with one-way formulas, and by simulation where both vary."""

import numpy as np
import pytest
from scipy import stats

from evaluation.statistics.crossed import (
    crossed_variance,
    estimate_over_seeds,
    paired_difference,
    share_estimate,
    with_seeds,
)
from evaluation.statistics.intervals import share_interval


def drawn(rng, n, m, scene, seed, rest):
    """Return an [n, m] table with effects of these standard deviations and mean 0."""
    return scene * rng.standard_normal((n, 1)) + seed * rng.standard_normal((1, m)) + rest * rng.standard_normal((n, m))


@pytest.mark.parametrize(("scene", "seed"), [(0.4, 0.03), (0.1, 0.1), (0.0, 0.05), (0.4, 0.0)])
def test_the_interval_holds_the_truth_in_about_95_of_100_studies(scene, seed):
    """The interval may be too wide, but never much too narrow, whether scenes, seeds or both vary."""
    rng = np.random.default_rng(0)
    holds = []
    for _ in range(600):
        estimate = paired_difference(drawn(rng, 60, 5, scene, seed, 0.3), np.zeros((60, 5)))
        holds.append(estimate.low <= 0 <= estimate.high)
    assert 0.92 <= np.mean(holds) <= 1.0


def test_counting_scenes_alone_would_claim_too_much():
    """The crossed interval is made for this case: seeds differ, and many scenes do not replace missing seeds."""
    rng = np.random.default_rng(1)
    naive, crossed = [], []
    for _ in range(300):
        table = drawn(rng, 200, 5, 0.1, 0.1, 0.3)
        by_scene = table.mean(axis=1)
        half = 1.96 * by_scene.std(ddof=1) / np.sqrt(len(by_scene))
        naive.append(abs(by_scene.mean()) <= half)
        estimate = paired_difference(table, np.zeros_like(table))
        crossed.append(estimate.low <= 0 <= estimate.high)
    assert np.mean(naive) < 0.6 < 0.92 <= np.mean(crossed)


def test_with_one_seed_the_paired_test_is_students_over_scenes():
    rng = np.random.default_rng(2)
    first, second = rng.random((40, 1)), rng.random((40, 1))
    expected = stats.ttest_rel(first[:, 0], second[:, 0])
    estimate = paired_difference(first, second)
    assert estimate.p == pytest.approx(expected.pvalue)
    assert (estimate.low, estimate.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_seeds_that_differ_in_all_scenes_alike_are_students_over_seeds():
    per_seed = np.array([0.1, 0.3, 0.2, 0.25, 0.05])
    table = np.tile(per_seed, (50, 1))
    estimate = paired_difference(table, np.zeros_like(table))
    assert estimate.p == pytest.approx(stats.ttest_1samp(per_seed, 0).pvalue)


def test_the_share_of_one_seed_is_wilsons_and_ends_stay_within_0_and_1():
    table = np.zeros((30, 1))
    table[:29] = 1
    expected = share_interval(29, 30)
    estimate = share_estimate(table)
    assert (estimate.low, estimate.high, estimate.num_seeds) == (expected.low, expected.high, 1)
    rng = np.random.default_rng(3)
    nearly = (rng.random((30, 3)) < 0.97).astype(float)
    assert share_estimate(nearly).high <= 1
    assert share_estimate(np.zeros((30, 3))).high == share_interval(0, 30).high


def test_no_difference_at_all_is_no_finding():
    same = np.ones((10, 3))
    estimate = paired_difference(same, same)
    assert (estimate.mean, estimate.low, estimate.high, estimate.p) == (0, 0, 0, 1)
    assert crossed_variance(same) == (0, np.inf)


@pytest.mark.parametrize("shape", [(1, 3), (4, 0), (0, 2)])
def test_a_table_of_next_to_nothing_is_refused(shape):
    with pytest.raises(ValueError, match="cannot be judged"):
        share_estimate(np.zeros(shape))


def test_over_seeds_alone_the_interval_is_students_of_the_seeds_shares_whatever_the_scenes_do():
    table = np.repeat(np.array([[1, 0, 1], [0, 0, 1]]), 50, axis=0)  # shares of the seeds: 0.5, 0, 1
    estimate = estimate_over_seeds(table)
    assert (estimate.mean, estimate.num_scenes, estimate.num_seeds) == (0.5, 100, 3)
    assert (estimate.low, estimate.high) == (0, 1)
    near = np.zeros((100, 3))
    near[:40], near[40:42, 1], near[40:44, 2] = 1, 1, 1  # 0.40, 0.42, 0.44
    estimate = estimate_over_seeds(near)
    assert estimate.mean == pytest.approx(0.42)
    assert estimate.high - estimate.mean == pytest.approx(4.3027 * 0.02 / np.sqrt(3), rel=1e-4)
    assert estimate.high - estimate.mean < share_estimate(near).high - estimate.mean
    with pytest.raises(ValueError, match="One seed"):
        estimate_over_seeds(near[:, :1])


def test_two_seeds_that_agree_by_chance_do_not_pass_for_many_degrees_of_freedom():
    """Seeds matter most: of two, one in eight pairs agrees so well that the scenes alone would set the interval."""
    rng = np.random.default_rng(4)
    holds = []
    for _ in range(400):
        difference = paired_difference(drawn(rng, 60, 2, 0.4, 0.3, 0.1), np.zeros((60, 2)))
        holds.append(difference.low <= 0 <= difference.high)
    assert 0.93 <= np.mean(holds) <= 0.98


def test_of_the_seeds_own_part_and_of_both_the_wider_interval_counts():
    variance, freedom = with_seeds(4.0, 3.0, 1.0, freedom=50, num_seeds=2)
    assert (variance, freedom) == (2.0, 1.0), "12.7 sqrt(2) is more than the interval of both at 3.9 degrees of freedom"
    variance, freedom = with_seeds(4.0, 3.0, 1.0, freedom=50, num_seeds=6)
    assert (variance, freedom) == (6.0, pytest.approx(36 / (16 / 50 + 9 / 5 + 1 / 250)))
