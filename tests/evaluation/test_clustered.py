"""Intervals clustered by video, paired differences, Holm's correction, and the differences that n pairs can show."""

import numpy as np
import pytest
from scipy import stats

from evaluation.statistics.clustered_mean import clustered_mean
from evaluation.statistics.crossed import crossed_variance
from evaluation.statistics.paired_tests import difference_mean, differences, holm
from evaluation.statistics.videos import Videos, shared_part


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def test_with_one_pair_a_video_it_is_student_s_interval(rng):
    values = rng.normal(3, 2, size=25)
    mean = clustered_mean(values, range(25))
    expected = stats.t.interval(0.95, 24, values.mean(), values.std(ddof=1) / 5)
    assert (mean.low, mean.high) == pytest.approx(expected)
    assert mean.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


def test_equal_videos_of_equal_pairs_count_as_so_many_values(rng):
    of_video = rng.normal(size=9)
    mean = clustered_mean(np.repeat(of_video, 40), np.repeat(np.arange(9), 40))
    expected = stats.t.interval(0.95, 8, of_video.mean(), of_video.std(ddof=1) / 3)
    assert (mean.low, mean.high) == pytest.approx(expected)
    assert (mean.num_pairs, mean.num_videos) == (360, 9)


def test_unequal_videos_follow_the_formula():
    mean = clustered_mean([1.0, 2, 3, 10], ["a", "a", "b", "c"])
    totals = np.array([1 + 2 - 8, 3 - 4, 10 - 4])
    assert mean.error == pytest.approx(np.sqrt((totals**2 / (1 - np.array([2, 1, 1]) / 4)).sum() / 16))


def test_training_seeds_go_through_the_crossed_estimate(rng):
    values = rng.normal(size=(12, 4)) + rng.normal(size=(1, 4))
    mean = clustered_mean(values, range(12))
    variance, freedom = crossed_variance(values)
    assert (mean.error**2, mean.freedom) == pytest.approx((variance, freedom))


def test_pairs_without_a_value_are_left_out_and_no_value_is_none():
    assert clustered_mean([1.0, np.nan, 3.0], ["a", "b", "c"]).num_pairs == 2
    assert clustered_mean([np.nan], ["a"]) is None


def test_one_pair_says_nothing_of_others():
    single = clustered_mean([0.5], ["a"], bounds=(0, 1))
    assert (single.low, single.high) == (0, 1)


@pytest.mark.parametrize("sizes", [(1, 9), (3, 3, 3), (1, 2, 15, 4), (5, 1, 1, 1, 1, 12)])
def test_variance_and_freedom_are_bell_and_mccaffrey_s_as_their_matrices_give_them(rng, sizes):
    """For least squares on a constant: A_g = (I - H_gg)^(-1/2), and the freedom under Omega = s^2 I + t^2 blocks."""
    place = np.repeat(np.arange(len(sizes)), sizes)
    values = rng.normal(size=len(place)) + 2 * rng.normal(size=len(sizes))[place]
    n, hat = len(place), np.full((len(place), len(place)), 1 / len(place))
    residual = (np.eye(n) - hat) @ values
    adjusted = []
    for number in range(len(sizes)):
        of_video = place == number
        ends, vectors = np.linalg.eigh(np.eye(of_video.sum()) - hat[np.ix_(of_video, of_video)])
        whole = np.zeros(n)
        whole[of_video] = vectors @ np.diag(ends**-0.5) @ vectors.T @ np.ones(of_video.sum()) / n
        adjusted.append(whole)
    mean = clustered_mean(values, place)
    assert mean.error**2 == pytest.approx(sum((weights_of_pairs @ residual) ** 2 for weights_of_pairs in adjusted))
    within, shared = shared_part(values, Videos(list(place)))
    omega = within * np.eye(n) + shared * (place[:, None] == place[None])
    lever = (np.eye(n) - hat) @ np.array(adjusted).T
    inner = lever.T @ omega @ lever
    assert mean.freedom == pytest.approx(np.trace(inner) ** 2 / np.trace(inner @ inner))


def test_the_shared_part_is_that_of_the_analysis_of_variance(rng):
    """Equal videos: F = between / within, as scipy has it; videos that do not differ share less than nothing."""
    table = rng.normal(size=(7, 5)) + rng.normal(size=(7, 1))
    within, shared = shared_part(table.ravel(), Videos(list(np.repeat(np.arange(7), 5))))
    assert 1 + 5 * shared / within == pytest.approx(stats.f_oneway(*table).statistic)
    assert within == pytest.approx(table.var(axis=1, ddof=1).mean())
    assert shared_part(np.tile([0.0, 1.0], 6), Videos(list(np.repeat(np.arange(6), 2)))) == (0.5, -0.25)
    assert shared_part(np.array([1.0, 2, 4]), Videos("abc")) == (pytest.approx(7 / 3), 0.0)


def test_few_videos_of_unequal_size_hold_the_truth_too(rng):
    """Four of 300 draws are one standard error; `python -m benchmarks.evaluation` draws many more of every kind."""
    for num_videos, num_seeds in ((6, 1), (12, 2)):
        held = 0
        for _ in range(300):
            place = np.repeat(np.arange(num_videos), rng.integers(1, 16, size=num_videos))
            values = rng.normal(size=(len(place), num_seeds)) + rng.normal(size=num_videos)[place][:, None]
            values += 0.3 * rng.normal(size=num_seeds) * (num_seeds > 1)
            mean = clustered_mean(values, place)
            held += mean.low <= 0 <= mean.high
        assert 0.91 <= held / 300 <= 0.99


def drawn_values(rng, num_videos, per_video, video_spread):
    sizes = rng.integers(1, 2 * per_video, size=num_videos)
    videos = np.repeat(np.arange(num_videos), sizes)
    return rng.normal(size=len(videos)) + video_spread * rng.normal(size=num_videos)[videos], videos


def test_intervals_hold_the_truth_in_93_to_97_of_100_draws_and_naive_ones_do_not(rng):
    held = naive = 0
    for _ in range(1000):
        values, videos = drawn_values(rng, 40, 8, 1.0)
        mean = clustered_mean(values, videos)
        held += mean.low <= 0 <= mean.high
        of_pairs = clustered_mean(values, range(len(values)))
        naive += of_pairs.low <= 0 <= of_pairs.high
    assert 930 <= held <= 970
    assert naive < 700


def test_a_difference_is_taken_pair_by_pair(rng):
    hardness = 10 * rng.normal(size=60)
    first, second = hardness + 1 + 0.1 * rng.normal(size=60), hardness
    difference = difference_mean(first, second, range(60))
    assert difference.low < 1 < difference.high
    assert difference.high - difference.low < 0.1
    assert difference.p == pytest.approx(stats.ttest_rel(first, second).pvalue, abs=1e-12)


def test_holm_is_the_textbook_s():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == pytest.approx([1, 1])


def test_many_editors_that_do_not_differ_are_seldom_told_apart(rng):
    """The chance that at least one of six is called different. Without Holm's correction it would be a quarter."""
    wrong = 0
    for _ in range(300):
        reference = rng.normal(size=40)
        others = {str(number): rng.normal(size=40) for number in range(6)}
        wrong += any(difference.is_shown for difference in differences(others, reference, range(40)).values())
    assert wrong / 300 < 0.1


def test_the_smallest_visible_difference_is_seen_in_four_of_five_draws(rng):
    visible = np.mean([clustered_mean(rng.normal(size=50), range(50)).smallest_visible for _ in range(200)])
    seen = sum(clustered_mean(visible + rng.normal(size=50), range(50)).p < 0.05 for _ in range(500))
    assert 0.75 < seen / 500 < 0.85
