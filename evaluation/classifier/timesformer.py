"""A name and a size -> a TimeSformer: a small untrained one, or a published checkpoint with a new head.

Source: Bertasius et al. 2021, arXiv:2102.05095, and its code (github.com/facebookresearch/TimeSformer): divided
attention over space and time, eight frames.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import TimesformerConfig, TimesformerForVideoClassification
from transformers.utils import logging

from evaluation.classifier.checkpoints import load_folder, load_published
from evaluation.classifier.clips import NUM_FRAMES, Clip

PIXEL_MEAN, PIXEL_STD = 0.45, 0.225
"""Mean and deviation of every channel, as for the published checkpoints (not ImageNet's three values): black is -2."""
ChannelOrder = Literal["rgb", "bgr"]

PIXEL_SCALE = 1.7
"""Typical deviation of the normalised values of a bright picture; the patch map divides by it."""
MARK = 0.7
"""Size of the mark in the first frame's time embedding, beside content of deviation 1."""
MAX_DROP_PATH = 0.1
"""Probability that a published checkpoint's last layer is skipped in training; it rises linearly from 0 at the first
layer.
"""


@dataclass(frozen=True, kw_only=True)
class SmallShape:
    """Size of a TimeSformer that is trained from scratch."""

    size_px: int
    """Side of its frames."""
    patch_px: int
    """Side of a patch; divides size_px."""
    width: int
    """Width of a token; a multiple of 32, the width of a head."""
    num_layers: int
    """Number of blocks."""

    def __post_init__(self) -> None:
        if self.size_px % self.patch_px or self.width % 32:
            raise ValueError(
                f"A TimeSformer of {self.size_px} px frames, {self.patch_px} px patches and width {self.width}: "
                "patches must tile the frame, and the width must be a multiple of 32."
            )


class DropPath(nn.Module):
    """Stochastic depth: skips a residual branch for whole samples in training, with a generator of its own."""

    def __init__(self, probability: float, generator: torch.Generator) -> None:
        super().__init__()
        self.probability = probability
        self.generator = generator

    def forward(self, branch: Tensor) -> Tensor:
        """[B, ...] -> the same, samples zeroed with `probability` and the others scaled up; unchanged in eval."""
        if not self.training or self.probability == 0:
            return branch
        kept = torch.rand(len(branch), generator=self.generator) >= self.probability
        scale = kept.to(branch) / (1 - self.probability)
        return branch * scale.view(-1, *[1] * (branch.ndim - 1))


def small_timesformer(shape: SmallShape, num_labels: int, seed: int) -> TimesformerForVideoClassification:
    """Return a small TimeSformer with weights drawn from `seed`."""
    config = TimesformerConfig(
        image_size=shape.size_px,
        patch_size=shape.patch_px,
        num_frames=NUM_FRAMES,
        hidden_size=shape.width,
        num_hidden_layers=shape.num_layers,
        num_attention_heads=shape.width // 32,
        intermediate_size=2 * shape.width,
    )
    config.num_labels = num_labels
    model = TimesformerForVideoClassification(config)
    _draw_weights(model, torch.Generator().manual_seed(seed))
    return model


@torch.no_grad()
def _draw_weights(model: TimesformerForVideoClassification, generator: torch.Generator) -> None:
    """Draw the weights of a small TimeSformer: every attention starts nearly uniform but in `_start_with_change`."""
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1:
            parameter.fill_(1.0 if "layernorm" in name and name.endswith("weight") else 0.0)
            continue
        is_small = name.startswith("classifier") or ("embeddings" in name and "projection" not in name)
        parameter.normal_(0, 0.02 if is_small else parameter[0].numel() ** -0.5, generator=generator)
        if name.endswith("qkv.weight"):
            parameter[: 2 * parameter.shape[1]] *= 0.2
    _start_with_change(dict(model.named_parameters()), model.config.hidden_size, generator)


def _start_with_change(weights: dict[str, Tensor], width: int, generator: torch.Generator) -> None:
    """Let the first attention over time subtract the first frame, so that training begins with the changes.

    A mark in the first frame's time embedding draws every query's attention there; value and output maps are the
    identity. Without it 2 000 clips of the kitchen leave the classifier at chance for five epochs.
    """
    mark = torch.sign(torch.randn(width, generator=generator))
    weights["timesformer.embeddings.patch_embeddings.projection.weight"] /= PIXEL_SCALE
    weights["timesformer.embeddings.time_embeddings"][0, 0] += MARK * mark
    first = "timesformer.encoder.layer.0.temporal_"
    query, key, value = weights[f"{first}attention.attention.qkv.weight"].chunk(3)
    head = torch.full((width,), 32**-0.5)
    query.zero_()
    weights[f"{first}attention.attention.qkv.bias"][:width] = head
    key.copy_(torch.outer(head, mark) * (32 / width) ** 0.5)
    value.copy_(torch.eye(width))
    weights[f"{first}attention.output.dense.weight"].copy_(torch.eye(width))
    # The layer norm divides a marked token by this deviation; times it, and with the mark added back, an unchanged
    # frame cancels.
    weights[f"{first}dense.weight"].copy_(-((1 + MARK**2) ** 0.5) * torch.eye(width))
    weights[f"{first}dense.bias"].copy_(MARK * mark)


def published_timesformer(
    start: str, num_labels: int, seed: int, *, size_px: int | None = None, num_heads: int | None = None
) -> TimesformerForVideoClassification:
    """Load a published checkpoint (original .pyth, hub folder or hub id) and give it a new head for `num_labels`.

    `size_px` is checked against it, and so is the number of frames: four of 224 px would pass silently, grouped
    wrongly. Skipped layers are put in by hand: the config's drop_path_rate refuses 0.1.
    """
    model = load_published(start, num_heads)
    config = model.config
    if config.num_frames != NUM_FRAMES or (size_px is not None and config.image_size != size_px):
        raise ValueError(
            f"classifier.start: {start} sees {config.num_frames} frames of {config.image_size} px; clips here have "
            f"{NUM_FRAMES} of {size_px or config.image_size} px. Set classifier.size_px, or take another checkpoint."
        )
    config.num_labels = model.num_labels = num_labels
    model.classifier = nn.Linear(config.hidden_size, num_labels)
    generator = torch.Generator().manual_seed(seed)
    head = model.classifier
    assert isinstance(head, nn.Linear)
    nn.init.normal_(head.weight, 0, 0.02, generator=generator)
    nn.init.zeros_(head.bias)
    layers = model.timesformer.encoder.layer
    for layer, probability in zip(layers, np.linspace(0, MAX_DROP_PATH, len(layers)), strict=True):
        layer.drop_path = DropPath(float(probability), generator)
    return model


@contextmanager
def _no_bars() -> Iterator[None]:
    """Keep transformers from drawing its own progress bars for files that take no time."""
    was_enabled = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_enabled:
            logging.enable_progress_bar()


def save_timesformer(model: TimesformerForVideoClassification, folder: Path) -> None:
    """Write config and weights (safetensors) into `folder`."""
    with _no_bars():
        model.cpu().save_pretrained(folder)


def load_timesformer(folder: Path) -> TimesformerForVideoClassification:
    """Read what `save_timesformer` wrote, with the checks of any folder: a workspace may come from somebody else."""
    return load_folder(folder)


def to_model_input(clips: Sequence[Clip] | NDArray[np.uint8], channel_order: ChannelOrder) -> Tensor:
    """Return float [B, 8, 3, H, W], (pixel / 255 - 0.45) / 0.225, from B clips uint8 RGB [8, H, W, 3]."""
    pixels = torch.from_numpy(np.ascontiguousarray(np.stack(list(clips)))).permute(0, 1, 4, 2, 3)
    if channel_order == "bgr":
        pixels = pixels.flip(2)
    return (pixels.float() / 255 - PIXEL_MEAN) / PIXEL_STD
