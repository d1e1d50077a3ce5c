"""Two sets of pictures -> Fréchet distance of their features. uint8 [N, H, W, 3] -> float64 [N, d] -> one number.

FID = |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))      Heusel et al. 2017, arXiv:1706.08500, Eq. 6; S with n - 1.
Two numbers are comparable only with the same feature network, the same resize and the same N. `FeatureNetwork` names
the first two; every report shows N beside the number (small sets score far above 0 by their size alone).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from evaluation.metrics.features import finite
from evaluation.metrics.weights import find_weights
from modeling.data.images import Picture, squash

Features = NDArray[np.float64]

MAX_SVD_SAMPLES = 3_000
"""Up to this many pictures the trace comes from singular values, above from the eigenvalues of S1 S2."""
STAND_IN_PX = 48
"""Side of the pictures for the random network."""
STAND_IN_SEED = 20_241_203
"""Seed of the random network's weights; it never changes."""


class FeatureNetwork(Protocol):
    """The interface of a network for FID."""

    name: str
    """Name, weights and preprocessing; printed beside every FID."""

    def features(self, pictures: Sequence[Picture]) -> Features:
        """Return float64 [N, d] of uint8 RGB pictures [H, W, 3]."""
        ...


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Mean and covariance of a set of features."""

    mean: Features
    """[d]"""
    centred: Features
    """(X - mean) / sqrt(n - 1), [n, d]: its Gram matrix is the unbiased covariance."""

    @property
    def covariance(self) -> Features:
        """[d, d], divided by n - 1."""
        return self.centred.T @ self.centred


def moments(features: Features) -> Moments:
    """Return the moments of features [n, d]; ValueError for fewer than two pictures, or NaN."""
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"Features of shape {features.shape} have no covariance: FID needs [n, d] with n >= 2.")
    exact = finite(features)
    mean = exact.mean(axis=0)
    return Moments(mean=mean, centred=(exact - mean) / np.sqrt(len(exact) - 1))


def fid(first: Features, second: Features) -> float:
    """Return the Fréchet distance of two feature sets [n, d] and [m, d]; 0 for equal sets."""
    one, other = moments(first), moments(second)
    if max(len(first), len(second)) <= MAX_SVD_SAMPLES:
        trace_root = trace_of_root_by_svd(one, other)
    else:
        trace_root = trace_of_root_by_eigenvalues(one, other)
    distance = np.sum((one.mean - other.mean) ** 2) + np.sum(one.centred**2) + np.sum(other.centred**2)
    # Rounding can take the difference of equal traces below 0.
    return max(0.0, float(distance - 2 * trace_root))


def trace_of_root_by_svd(one: Moments, other: Moments) -> float:
    """Return tr((S1 S2)^(1/2)) as the nuclear norm of A B^T with A^T A = S1, B^T B = S2.

    Exact for the singular covariances of fewer pictures than features, where a matrix square root is slow and
    inaccurate (at n = 500, d = 2048: 0.1 s against 56 s). With more pictures than features the [d, d] triangles of A
    and B do.
    """
    first, second = (_triangle(distribution.centred) for distribution in (one, other))
    return float(np.linalg.svd(first @ second.T, compute_uv=False).sum())


def _triangle(factor: Features) -> Features:
    """Return a factor [min(n, d), d] with the same Gram matrix [d, d]."""
    num_rows, num_columns = factor.shape
    return np.asarray(np.linalg.qr(factor, mode="r")) if num_rows > num_columns else factor


def trace_of_root_by_eigenvalues(one: Moments, other: Moments) -> float:
    """Return tr((S1 S2)^(1/2)) as the sum of the roots of the eigenvalues of S1 S2, which are real and >= 0."""
    eigenvalues = np.linalg.eigvals(one.covariance @ other.covariance)
    return float(np.sqrt(np.maximum(eigenvalues.real, 0)).sum())


class StandInNetwork(nn.Module):
    """A small convolutional network with fixed random weights: no published figure is comparable with its FID.

    48 x 48 pictures -> three layers of strided 3 x 3 convolutions with ReLU -> 128 features: the means of the first
    two layers and the coarse 2 x 2 map of the last, so that both texture and layout count.
    """

    WIDTHS = (16, 32, 20)

    def __init__(self) -> None:
        super().__init__()
        self.name = f"fixed-random-conv (seed {STAND_IN_SEED}, 128 features, {STAND_IN_PX} px LANCZOS)"
        rng = np.random.default_rng(STAND_IN_SEED)
        self.layers = nn.ModuleList()
        num_in = 3
        for num_out in self.WIDTHS:
            layer = nn.Conv2d(num_in, num_out, 3, stride=2, padding=1, bias=False)
            weights = rng.standard_normal(layer.weight.shape) * np.sqrt(2 / (9 * num_in))
            layer.weight = nn.Parameter(torch.from_numpy(weights.astype(np.float32)), requires_grad=False)
            self.layers.append(layer)
            num_in = num_out
        self.eval()

    def forward(self, pixels: Tensor) -> Tensor:
        """Float [B, 3, 48, 48] in [-1, 1] -> [B, 128]."""
        maps = []
        for layer in self.layers:
            pixels = functional.relu(layer(pixels))
            maps.append(pixels)
        parts = [layer_map.mean(dim=(2, 3)) for layer_map in maps[:2]]
        parts.append(functional.adaptive_avg_pool2d(maps[2], 2).flatten(1))
        return torch.cat(parts, dim=1)

    @torch.inference_mode()
    def features(self, pictures: Sequence[Picture]) -> Features:
        """Return float64 [N, 128] of uint8 RGB pictures [H, W, 3] of any size."""
        batches = []
        for start in range(0, len(pictures), 64):
            batch = np.stack([squash(picture, STAND_IN_PX) for picture in pictures[start : start + 64]])
            pixels = torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 127.5 - 1
            batches.append(self(pixels).double().numpy())
        return np.concatenate(batches) if batches else np.empty((0, 128))


def feature_network(
    kind: str, weights: str | None = None, resize: str = "pytorch_fid", setting: str = "scores.fid_weights"
) -> FeatureNetwork:
    """Return the network that a config names; ValueError when its weights are missing.

    fixed-random: the random network. inception: the paper's, from the file `weights`, after one of three resizes.
    efficientnet: EfficientNet-Lite0, from its package or a file. dinov2: a folder or a hub id.
    """
    network_weights = find_weights(kind, weights, setting)
    if network_weights is None:
        return StandInNetwork()
    if kind == "inception":
        from evaluation.metrics.inception_inputs import InceptionFeatures, load_inception

        return InceptionFeatures(*load_inception(Path(network_weights.location)), resize)
    if kind == "efficientnet":
        from evaluation.metrics.efficientnet import EfficientNetFeatures

        return EfficientNetFeatures.load(Path(network_weights.location))
    if kind == "dinov2":
        from evaluation.metrics.dinov2 import DinoFeatures

        return DinoFeatures.load(network_weights.location)
    raise ValueError(f"There are no features {kind!r}; choose fixed-random, inception, efficientnet or dinov2.")
