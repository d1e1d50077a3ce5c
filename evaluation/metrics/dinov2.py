"""Pictures -> features of DINOv2 (normed class token) through transformers: a folder, or a hub id that is fetched.

Source: Oquab et al. 2023, arXiv:2304.07193. Unlike the reference: the picture is squashed to a square (the project's
one geometry), by Pillow's bicubic, where the reference crops its centre. Pixels by ImageNet's mean and deviation.
"""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from transformers import Dinov2Model

from modeling.data.images import Picture
from modeling.editors.checking import BROKEN, check_weights, first_line

SIDE_PX, BATCH = 224, 16
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class DinoFeatures:
    """A Dinov2Model as a `FeatureNetwork`."""

    def __init__(self, network: Dinov2Model, name: str) -> None:
        self.network = network.eval()
        patch_px = int(network.config.patch_size)
        self.side_px = max(patch_px, SIDE_PX // patch_px * patch_px)
        width = network.config.hidden_size
        self.name = f"DINOv2 ({name}; {width} features; {self.side_px} px bicubic)"

    @classmethod
    def load(cls, location: str) -> "DinoFeatures":
        """Read a folder or fetch a hub id; safetensors alone."""
        try:
            network = Dinov2Model.from_pretrained(location, use_safetensors=True)
            check_weights(location, network=network)
        except BROKEN as error:
            if isinstance(error, ValueError) and str(error).startswith(location):
                raise
            raise ValueError(f"{location}: no DINOv2 could be loaded ({first_line(error)}).") from error
        return cls(network, location.rstrip("/").rsplit("/", 1)[-1])

    @torch.inference_mode()
    def features(self, pictures: Sequence[Picture]) -> np.ndarray:
        """Return float64 [N, d] of uint8 RGB pictures [H, W, 3] of any size."""
        parts = [self._batch(pictures[start : start + BATCH]) for start in range(0, len(pictures), BATCH)]
        return np.concatenate(parts) if parts else np.empty((0, self.network.config.hidden_size))

    def _batch(self, pictures: Sequence[Picture]) -> np.ndarray:
        size = (self.side_px, self.side_px)
        squashed = [np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)) for picture in pictures]
        pixels = (np.stack(squashed).astype(np.float32) / 255 - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
        tensor = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(self.network.device)
        return np.asarray(self.network(pixel_values=tensor).pooler_output.double().cpu().numpy())
