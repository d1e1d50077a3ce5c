"""KID: torchmetrics' number on independent sets. On paired sets the terms i = j are left out, and n does not matter."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from evaluation.metrics.kid import kid, paired_kid


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def test_torchmetrics_gives_the_same_on_independent_sets(rng):
    from torchmetrics.image.kid import KernelInceptionDistance

    class Pass(nn.Module):
        def forward(self, features):
            return features

    first, second = rng.normal(size=(40, 12)), rng.normal(0.3, 1.2, size=(40, 12))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metric = KernelInceptionDistance(feature=Pass(), subsets=1, subset_size=40)
    metric.update(torch.from_numpy(first), real=True)
    metric.update(torch.from_numpy(second), real=False)
    assert float(metric.compute()[0]) == pytest.approx(kid(first, second), rel=1e-5)


def test_both_forms_are_the_sums_written_out(rng):
    first, second = rng.normal(size=(4, 3)), rng.normal(1, 1, size=(4, 3))

    def k(x, y):
        return (x @ y / 3 + 1) ** 3

    pairs = [(i, j) for i in range(4) for j in range(4)]
    apart = [(i, j) for i, j in pairs if i != j]
    within = sum(k(first[i], first[j]) + k(second[i], second[j]) for i, j in apart) / len(apart)
    crossed = sum(k(first[i], second[j]) for i, j in pairs) / len(pairs)
    crossed_apart = sum(k(first[i], second[j]) for i, j in apart) / len(apart)
    assert kid(first, second) == pytest.approx(within - 2 * crossed)
    assert paired_kid(first, second) == pytest.approx(within - 2 * crossed_apart)


def test_on_pairs_the_textbook_form_is_biased_downwards_by_size_and_the_paired_form_is_not(rng):
    """y = x + small noise: the distributions are nearly the same, so the right value is close to 0."""

    def means(num_pairs):
        drawn = []
        for _ in range(60):
            first = rng.normal(size=(num_pairs, 8))
            second = first + 0.1 * rng.normal(size=first.shape)
            drawn.append((kid(first, second), paired_kid(first, second)))
        return np.mean(drawn, axis=0)

    (few_textbook, few_paired), (many_textbook, many_paired) = means(20), means(100)
    assert few_textbook < -0.3
    assert few_textbook < 3 * many_textbook
    assert abs(few_paired) < 0.02
    assert abs(many_paired) < 0.02


def test_equal_sets_score_zero_in_the_paired_form(rng):
    features = rng.normal(size=(10, 4))
    assert paired_kid(features, features) == pytest.approx(0, abs=1e-12)


def test_sets_without_partners_or_with_one_picture_are_refused(rng):
    with pytest.raises(ValueError, match="partner"):
        paired_kid(rng.normal(size=(4, 2)), rng.normal(size=(5, 2)))
    with pytest.raises(ValueError, match="n >= 2"):
        kid(np.zeros((1, 2)), np.zeros((3, 2)))
