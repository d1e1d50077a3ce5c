"""Distances pair by pair, what is kept outside the change, and FID and KID as values of pairs."""

import numpy as np
import pytest
import torch

from evaluation.metrics.by_pair import fid_by_pair, kid_by_pair
from evaluation.metrics.fid import fid
from evaluation.metrics.kid import paired_kid
from evaluation.metrics.preservation import changed_region, is_unchanged, psnr_outside, ssim_map, ssim_outside
from evaluation.metrics.similarity import nearer_to_truth, paired_distance


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture
def scene(rng):
    """Return an input and a truth in which a square has moved."""
    before = rng.integers(60, 190, size=(96, 96, 3), dtype=np.uint8)
    truth = before.copy()
    truth[20:40, 20:40] = 255
    return before, truth


def test_distance_is_that_of_directions():
    first, second = np.array([[1.0, 0], [1, 0], [2, 0], [0, 0]]), np.array([[3.0, 0], [0, 2], [-1, 0], [1, 1]])
    assert paired_distance(first, second) == pytest.approx([0, 1, 2, 1])


def test_a_copy_is_never_nearer_to_the_truth_and_the_truth_always(rng):
    inputs, truths = rng.normal(size=(30, 8)), rng.normal(size=(30, 8))
    truths[0] = inputs[0]
    base = paired_distance(inputs, truths)
    copies = paired_distance(inputs + 1e-9 * rng.normal(size=inputs.shape), truths)
    assert np.nansum(nearer_to_truth(copies, base)) == 0
    assert np.nanmean(nearer_to_truth(paired_distance(truths, truths), base)) == 1
    assert np.isnan(nearer_to_truth(copies, base)[0])


def test_outside_the_change_a_copy_and_the_truth_are_exact_and_noise_has_its_own_psnr(scene, rng):
    before, truth = scene
    region = changed_region(before, truth)
    assert region[20:40, 20:40].all()
    assert not region[60:, 60:].any()
    for edit in (before, truth):
        assert psnr_outside(edit, before, region) == 60
        assert ssim_outside(edit, before, region) == pytest.approx(1, abs=1e-6) or edit is truth
    noisy = np.where(rng.random(before.shape) < 0.5, before + 5, before - 5).astype(np.uint8)
    assert psnr_outside(noisy, before, region) == pytest.approx(10 * np.log10(255**2 / 25))
    damaged = truth.copy()
    damaged[70:90, 70:90] = 0
    assert psnr_outside(damaged, before, region) < 25
    assert ssim_outside(damaged, before, region) < 0.95


def test_where_the_whole_picture_changes_nothing_is_said_of_its_rest(scene):
    before, _ = scene
    region = changed_region(before, np.zeros_like(before))
    assert region.all()
    assert np.isnan(psnr_outside(before, before, region))
    assert np.isnan(ssim_outside(before, before, region))


def test_ssim_is_torchmetrics_away_from_the_border(rng):
    from torchmetrics.functional.image import structural_similarity_index_measure

    first = rng.integers(0, 256, (64, 64)).astype(np.float64)
    second = np.clip(first + rng.normal(0, 20, first.shape), 0, 255)
    _, expected = structural_similarity_index_measure(
        torch.from_numpy(first)[None, None],
        torch.from_numpy(second)[None, None],
        data_range=255.0,
        return_full_image=True,
    )
    similarity = ssim_map(first, second)
    assert np.allclose(similarity[12:-12, 12:-12], expected[0, 0].numpy()[12:-12, 12:-12], atol=1e-4)


def test_an_edit_that_does_nothing_is_told_from_one_that_acts(scene, rng):
    before, truth = scene
    region = changed_region(before, truth)
    through_a_codec = np.clip(before.astype(int) + rng.integers(-4, 5, before.shape), 0, 255).astype(np.uint8)
    assert is_unchanged(before, before, truth, region) == 1
    assert is_unchanged(through_a_codec, before, truth, region) == 1
    assert is_unchanged(truth, before, truth, region) == 0
    assert np.isnan(is_unchanged(before, before, before, changed_region(before, before)))


def drawn_pairs(rng, num_pairs):
    first = rng.normal(size=(num_pairs, 6)) @ np.diag([3, 2, 1, 1, 0.5, 0.2])
    return first, 0.8 * first + 0.5 + 0.6 * rng.normal(size=first.shape)


def test_values_of_pairs_have_the_metric_as_their_mean(rng):
    first, second = drawn_pairs(rng, 80)
    assert fid_by_pair(first, second).mean() == pytest.approx(fid(first, second))
    assert kid_by_pair(first, second).mean() == pytest.approx(paired_kid(first, second))
    assert (fid_by_pair(first, first) == 0).all()


def test_the_spread_of_the_values_is_the_spread_of_the_metric_over_draws(rng):
    """The standard error from one set, compared with the standard deviation over 300 sets."""
    fids, kids, errors = [], [], []
    for _ in range(300):
        first, second = drawn_pairs(rng, 80)
        by_fid, by_kid = fid_by_pair(first, second), kid_by_pair(first, second)
        fids.append(by_fid.mean())
        kids.append(by_kid.mean())
        errors.append((by_fid.std(ddof=1) / 80**0.5, by_kid.std(ddof=1) / 80**0.5))
    fid_error, kid_error = np.mean(errors, axis=0)
    assert fid_error == pytest.approx(np.std(fids), rel=0.2)
    assert kid_error == pytest.approx(np.std(kids), rel=0.2)


def test_the_derivative_of_fid_is_the_difference_that_a_weight_makes(rng):
    """There are fewer pairs than features in the small set.

    In the large set one pair weighs little, so pair 3 is added again and the change is compared with the prediction.
    """
    first, second = drawn_pairs(rng, 400)
    values = fid_by_pair(first, second)
    twice = [*range(400), 3]
    moved = fid(first[twice], second[twice]) - fid(first, second)
    assert moved == pytest.approx((values[3] - values.mean()) / 401, rel=0.1)
