"""uint8 RGB pictures of any size -> the input of FID's Inception, in the three ways in use: float [N, 3, 299, 299].

A FID without the name of its resize means nothing: between two of these single features differ by more than one of
their standard deviations. Sources: pytorch-fid 0.3.0, torch-fidelity 0.4.0 (as the TensorFlow graph), clean-fid 0.1.35.
"""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from evaluation.metrics.inception import SIDE_PX, Inception, load_inception
from modeling.data.images import Picture

RESIZES: dict[str, str] = {
    "pytorch_fid": "pytorch-fid's resize: bilinear, half-pixel centres, no antialiasing",
    "torch_fidelity": "torch-fidelity's resize: TensorFlow 1's bilinear",
    "clean_fid": "clean-fid's resize: Pillow's bicubic on floats",
}
"""Each resize, with the words that are printed beside every number."""
BATCH = 16


def resized(picture: Picture, resize: str) -> Tensor:
    """Return a picture [H, W, 3] squashed to float [3, 299, 299] in units of 0 to 255, not rounded."""
    if resize == "clean_fid":
        return _pillow_bicubic(picture)
    levels = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1).float()
    if resize == "torch_fidelity":
        return _tensorflow_bilinear(levels)
    shrunk = functional.interpolate(levels[None] / 255, (SIDE_PX, SIDE_PX), mode="bilinear", align_corners=False)
    return shrunk[0] * 255


def _pillow_bicubic(picture: Picture) -> Tensor:
    channels = [Image.fromarray(picture[:, :, channel].astype(np.float32)) for channel in range(3)]
    shrunk = [np.asarray(channel.resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC)) for channel in channels]
    return torch.from_numpy(np.stack(shrunk)).clamp(0, 255)


def _tensorflow_bilinear(levels: Tensor) -> Tensor:
    """Position out * in / 299, in float32: no half-pixel shift; the right neighbour stops at the edge."""
    _, height, width = levels.shape
    top, bottom, down = _neighbours(height)
    left, right, across = _neighbours(width)
    above, below = levels[:, top], levels[:, bottom]
    above = above[:, :, left] + (above[:, :, right] - above[:, :, left]) * across
    below = below[:, :, left] + (below[:, :, right] - below[:, :, left]) * across
    return above + (below - above) * down[:, None]


def _neighbours(side: int) -> tuple[Tensor, Tensor, Tensor]:
    position = torch.arange(SIDE_PX, dtype=torch.float32) * (side / SIDE_PX)
    lower = position.long()
    return lower, (lower + 1).clamp(max=side - 1), position - lower


def to_inception_input(pictures: Sequence[Picture], resize: str) -> Tensor:
    """Return float [N, 3, 299, 299]: 2 x - 1 on x / 255 for pytorch_fid, else (x - 128) / 128."""
    levels = torch.stack([resized(picture, resize) for picture in pictures])
    return 2 * (levels / 255) - 1 if resize == "pytorch_fid" else (levels - 128) / 128


__all__ = ["InceptionFeatures", "load_inception", "resized", "to_inception_input"]


class InceptionFeatures:
    """FID's Inception behind one of the resizes, as a `FeatureNetwork`."""

    def __init__(self, network: Inception, known: str, resize: str) -> None:
        """`known`: the name of the file of weights, from `load_inception`."""
        if resize not in RESIZES:
            raise ValueError(f"There is no resize {resize!r}; choose {', '.join(RESIZES)}.")
        self.network = network
        self.resize = resize
        self.name = f"Inception of 2015-12-05 ({known}; 2048 features; {RESIZES[resize]})"

    @torch.inference_mode()
    def features(self, pictures: Sequence[Picture]) -> np.ndarray:
        """Return float64 [N, 2048] of uint8 RGB pictures [H, W, 3] of any size."""
        device = next(self.network.parameters()).device
        parts = [
            self.network(to_inception_input(pictures[start : start + BATCH], self.resize).to(device)).double().cpu()
            for start in range(0, len(pictures), BATCH)
        ]
        return torch.cat(parts).numpy() if parts else np.empty((0, 2_048))
