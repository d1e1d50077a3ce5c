"""Features, errors and pictures of which no measure can be taken: an error in words or no value, never a number."""

import numpy as np
import pytest

from evaluation.metrics.by_pair import fid_by_pair, kid_by_pair
from evaluation.metrics.fid import fid
from evaluation.metrics.kid import kid, paired_kid
from evaluation.metrics.preservation import changed_region, is_unchanged, psnr_outside, ssim_outside
from evaluation.metrics.retrieval import told_apart_shares
from evaluation.metrics.similarity import nearer_to_truth, paired_distance

SET_MEASURES = (fid, kid, paired_kid, fid_by_pair, kid_by_pair, paired_distance)


@pytest.mark.parametrize("measure", SET_MEASURES)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_no_numbers_are_refused_with_their_row(measure, value):
    features = np.random.default_rng(0).normal(size=(6, 4))
    broken = features.copy()
    broken[2, 1] = value
    for pair in ((features, broken), (broken, features)):
        with pytest.raises(ValueError, match=r"1 of 6 pictures hold NaN or infinity \(the first: row 2\)"):
            measure(*pair)


def test_two_pairs_and_features_that_are_all_equal_have_plain_values():
    two = np.array([[0.0, 1], [1, 0]])
    assert fid(two, two) == pytest.approx(0, abs=1e-12)
    assert paired_kid(two, two) == pytest.approx(0, abs=1e-12)
    assert fid_by_pair(two, two).tolist() == [0, 0]
    assert kid_by_pair(two, two + 1).mean() == pytest.approx(paired_kid(two, two + 1))
    equal = np.ones((5, 3))
    assert fid(equal, equal) == paired_kid(equal, equal) == 0
    assert fid(equal, 2 * equal) == pytest.approx(3)
    assert fid_by_pair(equal, 2 * equal) == pytest.approx(np.full(5, 3.0))


@pytest.mark.parametrize("measure", [fid, kid, paired_kid, fid_by_pair, kid_by_pair])
def test_one_picture_is_no_set(measure):
    with pytest.raises(ValueError, match="n >= 2"):
        measure(np.ones((1, 3)), np.ones((1, 3)))


def test_what_has_no_distance_is_not_said_to_be_farther():
    nearer = nearer_to_truth(np.array([np.nan, 0.1, 0.5]), np.array([0.3, np.nan, 0.3]))
    assert np.isnan(nearer).tolist() == [True, True, False]
    assert nearer[2] == 0


def test_equal_errors_are_chance_and_errors_that_are_no_numbers_are_left_out():
    rows = [
        {"segment_id": "deaf", "own": 0.5, "disjoint": 0.5, "same_verb": None, "same_object": None},
        {"segment_id": "told", "own": 0.4, "disjoint": 0.5, "same_verb": float("nan"), "same_object": 0.3},
        {"segment_id": "told", "own": float("nan"), "disjoint": 0.5, "same_verb": 0.4, "same_object": 0.3},
    ]
    assert told_apart_shares(rows) == {
        "told_apart": {"deaf": 0.5, "told": 1.0},
        "told_apart_same_verb": {},
        "told_apart_same_object": {"told": 0.0},
    }


def test_an_action_that_changes_nothing_leaves_the_whole_picture_outside_and_no_verdict_on_change():
    before = np.random.default_rng(1).integers(0, 256, size=(20, 30, 3), dtype=np.uint8)
    region = changed_region(before, before)
    assert not region.any()
    assert psnr_outside(before, before, region) == 60
    assert ssim_outside(before, before, region) == pytest.approx(1)
    assert np.isnan(is_unchanged(before, before, before, region))
    everywhere = changed_region(before, 255 - before)
    assert everywhere.mean() > 0.99
    assert np.isnan([psnr_outside(before, before, everywhere), ssim_outside(before, before, everywhere)]).all()


def test_pictures_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match=r"\(20, 30, 3\) and \(20, 20, 3\)"):
        changed_region(np.zeros((20, 30, 3), np.uint8), np.zeros((20, 20, 3), np.uint8))
