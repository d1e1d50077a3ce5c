"""FID: closed forms, and the same number by singular values, by eigenvalues and by torchmetrics."""

import numpy as np
import pytest
import torch

from evaluation.metrics import fid as fid_file
from evaluation.metrics.fid import StandInNetwork, feature_network, fid, moments
from evaluation.metrics.fid import trace_of_root_by_eigenvalues as by_eigenvalues
from evaluation.metrics.fid import trace_of_root_by_svd as by_svd


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_a_set_has_distance_zero_to_itself_in_any_order(rng):
    features = rng.normal(size=(50, 8))
    assert fid(features, features) == pytest.approx(0, abs=1e-9)
    assert fid(features, rng.permutation(features)) == pytest.approx(0, abs=1e-9)


def test_in_one_dimension_it_is_the_closed_form_with_unbiased_deviations(rng):
    first, second = rng.normal(1, 2, size=(40, 1)), rng.normal(-1, 0.5, size=(30, 1))
    expected = (first.mean() - second.mean()) ** 2 + (first.std(ddof=1) - second.std(ddof=1)) ** 2
    assert fid(first, second) == pytest.approx(expected)


def test_moving_a_set_adds_the_squared_length_of_the_move(rng):
    features, move = rng.normal(size=(60, 5)), np.array([1.0, -2.0, 0.5, 0.0, 3.0])
    assert fid(features, features + move) == pytest.approx(move @ move)


def test_turning_both_sets_changes_nothing(rng):
    first, second = rng.normal(size=(50, 6)), rng.normal(1, 2, size=(70, 6))
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    assert fid(first @ turn, second @ turn) == pytest.approx(fid(first, second))


@pytest.mark.parametrize(("num_first", "num_second", "width"), [(200, 300, 64), (20, 30, 64), (20, 300, 64)])
def test_singular_values_and_eigenvalues_agree_also_for_singular_covariances(rng, num_first, num_second, width):
    one, other = moments(rng.normal(size=(num_first, width))), moments(rng.normal(0.3, 1.5, size=(num_second, width)))
    assert by_svd(one, other) == pytest.approx(by_eigenvalues(one, other), rel=1e-6)


def test_large_sets_take_the_eigenvalues_and_give_the_same(rng, monkeypatch):
    first, second = rng.normal(size=(90, 6)), rng.normal(1, 2, size=(80, 6))
    small = fid(first, second)
    monkeypatch.setattr(fid_file, "MAX_SVD_SAMPLES", 50)
    monkeypatch.setattr(fid_file, "trace_of_root_by_svd", None)
    assert fid(first, second) == pytest.approx(small)


def test_torchmetrics_gives_the_same_on_the_stand_in(rng):
    torchmetrics = pytest.importorskip("torchmetrics.image.fid")
    pictures = [rng.integers(0, 256, (40, 48, 48, 3), dtype=np.uint8), rng.integers(0, 200, (30, 48, 48, 3), np.uint8)]
    network = StandInNetwork()
    network.num_features = 128
    metric = torchmetrics.FrechetInceptionDistance(feature=network, normalize=True)
    for number, batch in enumerate(pictures):
        metric.update(torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 127.5 - 1, real=number == 0)
    ours = fid(*(network.features(list(batch)) for batch in pictures))
    assert ours == pytest.approx(float(metric.compute()), rel=1e-3)


def test_fewer_than_two_pictures_have_no_distance():
    with pytest.raises(ValueError, match="n >= 2"):
        fid(np.zeros((1, 4)), np.zeros((5, 4)))


def test_the_stand_in_is_the_same_network_every_time_and_sees_colour_and_layout(rng):
    picture = rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)
    first, again = (feature_network("fixed-random", None).features([picture]) for _ in range(2))
    assert first.shape == (1, 128)
    assert first.dtype == np.float64
    np.testing.assert_array_equal(first, again)
    for changed in (picture[::-1], picture[..., ::-1]):
        assert np.abs(StandInNetwork().features([np.ascontiguousarray(changed)]) - first).max() > 0.01


def test_the_stand_in_takes_pictures_of_any_size_and_of_several(rng):
    pictures = [rng.integers(0, 256, (size, size + 7, 3), dtype=np.uint8) for size in (20, 64)]
    assert StandInNetwork().features(pictures).shape == (2, 128)


def test_a_network_that_is_not_there_is_refused_with_what_to_do():
    with pytest.raises(ValueError, match="fixed-random"):
        feature_network("inception", None)
