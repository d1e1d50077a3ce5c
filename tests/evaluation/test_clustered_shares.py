"""Intervals of shares that are clustered by video, compared with closed forms, exact probabilities and draws."""

import numpy as np
import pytest
from scipy import stats

from evaluation.statistics.clustered_mean import clustered_mean
from evaluation.statistics.clustered_share import wilson


def ends(values, videos):
    mean = clustered_mean(values, videos, bounds=(0, 1))
    return mean.low, mean.high


@pytest.mark.parametrize(("num_right", "num_all"), [(7, 10), (49, 50), (1, 50), (5, 10)])
def test_with_one_pair_a_video_it_is_wilson_s_interval(num_right, num_all):
    values = [1.0] * num_right + [0.0] * (num_all - num_right)
    expected = stats.binomtest(num_right, num_all).proportion_ci(method="wilson")
    assert ends(values, range(num_all)) == pytest.approx((expected.low, expected.high), abs=1e-5)


@pytest.mark.parametrize("num_videos", [2, 4, 25])
def test_where_all_pairs_are_right_it_begins_where_five_of_100_draws_look_so(num_videos):
    videos = np.repeat(np.arange(num_videos), 5)
    low, high = ends(np.ones(len(videos)), videos)
    assert (low**num_videos, high) == (pytest.approx(0.05), 1)
    assert ends(np.zeros(len(videos)), videos) == pytest.approx((0, 1 - low))
    assert ends(np.ones((len(videos), 3)), videos) == (low, high), "of three training seeds too"


def test_videos_whose_pairs_are_alike_are_worth_one_pair_each():
    """Seven of ten videos, six pairs each; below, the share of the videos that are right as a whole bounds it."""
    low, high = ends(np.repeat([1.0] * 7 + [0.0] * 3, 6), np.repeat(np.arange(10), 6))
    assert low == pytest.approx(stats.binomtest(7, 10).proportion_ci(method="exact").low)
    assert high == pytest.approx(wilson(0.7, 10, stats.norm.ppf(0.975))[1], abs=1e-5)
    mirrored = ends(np.repeat([0.0] * 7 + [1.0] * 3, 6), np.repeat(np.arange(10), 6))
    assert mirrored == pytest.approx((1 - high, 1 - low))


def test_the_likeness_is_drawn_to_1_by_a_fifth_of_a_video():
    """Six videos of five pairs, four of them with failures; r by analysis of variance, as scipy has its F."""
    table = np.array([[1.0] * right + [0.0] * (5 - right) for right in (5, 4, 3, 5, 2, 4)])
    ratio = float(stats.f_oneway(*table).statistic)
    likeness = (4 * (ratio - 1) / (ratio - 1 + 5) + 0.2) / 4.2
    effect = 1 + 4 * likeness
    low, high = ends(table.ravel(), np.repeat(np.arange(6), 5))
    quantile = stats.t.ppf(0.975, 4 * effect / (effect - 1))
    assert low == pytest.approx(wilson(23 / 30, 30 / effect, quantile)[0])
    assert high == pytest.approx(wilson(23 / 30, 30 / effect, stats.norm.ppf(0.975))[1], abs=1e-5)


def test_videos_of_which_none_differs_share_nothing_and_all_pairs_count():
    """Every one of 20 videos has one of two: the likeness is -1 + 0.2 / 20, which counts as 0."""
    low, high = ends(np.tile([1.0, 0.0], 20), np.repeat(np.arange(20), 2))
    expected = stats.binomtest(20, 40).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-5)


def test_equal_shares_between_0_and_1_are_worth_one_pair_a_video():
    low, high = ends(np.full(9, 0.25), np.repeat(np.arange(3), 3))
    expected = wilson(0.25, 3, stats.norm.ppf(0.975))
    assert (low, high) == pytest.approx(expected, abs=1e-5)


def test_one_video_that_fails_leaves_what_the_share_of_clean_videos_allows():
    """Of 20 videos 19 are clean, so at least 75.1 % of all are, and the share of right pairs is not less."""
    values = np.array([0.0] * 60 + [1.0] * 76)
    low, _ = ends(values, np.repeat(np.arange(20), [60] + [4] * 19))
    assert low == pytest.approx(stats.binomtest(19, 20).proportion_ci(method="exact").low)


def test_failures_more_lower_both_ends_but_for_a_hair():
    """Pairs that become more alike may raise the lower end by a point; without the bound by clean videos, by ten."""
    videos = np.repeat(np.arange(8), 6)
    of_high_shares = np.array([ends(np.arange(48) >= number, videos) for number in range(24)])
    assert np.diff(of_high_shares, axis=0).max() < 0.015


def test_training_seeds_that_differ_widen_it():
    rng = np.random.default_rng(3)
    of_one = rng.random((60, 1)) < 0.8
    videos = np.repeat(np.arange(12), 5)
    same = ends(np.repeat(of_one, 2, axis=1), videos)
    other = np.concatenate([of_one, of_one & (rng.random((60, 1)) < 0.8)], axis=1)
    assert same == pytest.approx(ends(of_one, videos))
    wide = ends(other, videos)
    assert wide[1] - wide[0] > 2 * (same[1] - same[0])


def test_clean_videos_say_nothing_of_training_seeds_that_were_not_drawn():
    """One of three seeds fails in 10 of 20 videos: by clean videos alone the share would be 27.2 % at least."""
    shares = np.ones((100, 3))
    shares[:50, 0] = 0
    low, _ = ends(shares, np.repeat(np.arange(20), 5))
    assert 0 < low < stats.binomtest(10, 20).proportion_ci(method="exact").low


def test_where_few_draws_are_possible_the_coverage_is_one_of_their_sums():
    """Ten videos of one pair, a share of 98 %: the draws 10, 9, ... of 10 are held or not, whatever the interval."""
    held = [
        bool(low <= 0.98 <= high)
        for low, high in (ends([1.0] * right + [0.0] * (10 - right), range(10)) for right in range(11))
    ]
    chances = stats.binom.pmf(range(11), 10, 0.98)
    assert float(chances[held].sum()) == pytest.approx(0.984, abs=5e-4)
    assert chances[10] == pytest.approx(0.817, abs=5e-4)


@pytest.mark.parametrize(
    ("share", "likeness", "num_videos", "sizes"),
    [
        (0.9, 0.5, 4, (1, 15)),
        (0.95, 0.5, 10, (20, 80)),
        (0.95, 0.9, 10, (20, 80)),
        (0.5, 0.5, 8, (1, 15)),
        (0.9, 0.1, 20, (1, 15)),
    ],
)
def test_few_and_large_videos_hold_the_truth(share, likeness, num_videos, sizes):
    """Four of 300 draws are one standard error; the estimate by likeness alone held large videos' in 87 of 100."""
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(300):
        place = np.repeat(np.arange(num_videos), rng.integers(*sizes, size=num_videos))
        values = np.sqrt(1 - likeness) * rng.normal(size=len(place))
        low, high = ends(values + np.sqrt(likeness) * rng.normal(size=num_videos)[place] < stats.norm.ppf(share), place)
        held += low <= share <= high
    assert 0.92 <= held / 300 <= 0.98
