"""A text-to-image model, and the base class of the methods that edit with one.

Pictures are squashed, encoded to the mean of their latents times the scaling factor, changed by the method, decoded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from modeling.data.images import Picture, squash, to_tensor
from modeling.editors.instruct_pix2pix import Editor, default_batch_size
from modeling.editors.interface import OnProgress, check_lengths, no_pictures
from modeling.editors.prompts import all_prompts
from modeling.editors.settings import EditPrecision, MethodConfig

_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, kw_only=True)
class Texts:
    """Embedded texts of a batch of edits."""

    empty: Tensor
    """The empty text: [1, L, D]."""
    source: Tensor
    """Descriptions of the source pictures, or the empty text: [B, L, D]."""
    target: Tensor
    """Descriptions of the edited pictures: [B, L, D]."""

    def empties(self) -> Tensor:
        """Return the empty text for each edit: [B, L, D]."""
        return self.empty.expand_as(self.target)

    @property
    def has_source(self) -> bool:
        """True where any source text is not empty."""
        return not torch.equal(self.source, self.empty.expand_as(self.source))


def predict(
    unet: UNet2DConditionModel, latents_BCHW: Tensor, time: int, text_BLD: Tensor, precision: EditPrecision = "fp32"
) -> Tensor:
    """Return the U-Net's output in fp32: [B, C, H, W]."""
    device = latents_BCHW.device
    with torch.autocast(device.type, _TYPES[precision], enabled=precision != "fp32"):
        times = torch.tensor(time, device=device)
        output: Tensor = unet(latents_BCHW, times, encoder_hidden_states=text_BLD, return_dict=False)[0]
    return output.float()


class TextToImage(Editor):
    """The parts of a Stable Diffusion pipeline; its U-Net takes latents alone."""

    def _fit_input(self) -> None:
        taken = self.unet.conv_in.in_channels
        if taken != self.num_latent_channels:
            raise ValueError(
                f"This method draws from text alone and wants a U-Net of {self.num_latent_channels} input channels; "
                f"this one has {taken}. Give a text-to-image start: stable-diffusion-v1-5/stable-diffusion-v1-5, say."
            )

    def texts(self, instructions: Sequence[str], config: MethodConfig) -> Texts:
        """Make the texts of instructions by the prompt policy, and embed them."""
        prompts = all_prompts(instructions, config.prompt_policy)
        embedded = self.encode_text(
            ["", *(prompt.source for prompt in prompts), *(prompt.target for prompt in prompts)]
        )
        empty, source, target = embedded.clone().split([1, len(prompts), len(prompts)])
        return Texts(empty=empty, source=source, target=target)

    def encode_source(self, images: Sequence[Picture] | Picture, size_px: int) -> Tensor:
        """Return the scaled means of pictures' latents: fp32 [B, C, H, W]."""
        pictures = np.stack([squash(image, size_px) for image in images])
        return self.encode_target(to_tensor(pictures))[0].clone()


class TextToImageEditor:
    """A method around a text-to-image model; the methods fill in `check` and `edit_latents`."""

    is_deterministic = True
    """True where the method draws no noise."""
    one_by_one = False
    """True where every picture needs a batch of its own."""

    def __init__(self, model: TextToImage):
        self.model = model

    def check(self, config: Any) -> None:
        """Raise ValueError when the method cannot run on this model with these settings."""
        raise NotImplementedError

    def edit_latents(self, source_BCHW: Tensor, texts: Texts, seeds: Sequence[int], config: Any) -> Tensor:
        """Return the edited latents of a batch: fp32 [B, C, H, W]."""
        raise NotImplementedError

    def edit(
        self,
        images: Sequence[Picture] | Picture,
        instructions: Sequence[str],
        seeds: Sequence[int],
        config: Any,
        *,
        batch_size: int | None = None,
        on_progress: OnProgress | None = None,
    ) -> Picture:
        """Edit pictures of any sizes: uint8 [N, size_px, size_px, 3]. `batch_size` changes nothing beyond rounding."""
        check_lengths(images, instructions, seeds)
        self.model.latent_shape(config.size_px)
        self.check(config)
        all_prompts(instructions, config.prompt_policy)
        # Each picture has up to four rows in the U-Net's batch; an editor has two.
        size = 1 if self.one_by_one else batch_size or max(1, default_batch_size(config.size_px) // 2)
        edited = [no_pictures(config.size_px)]
        for first in range(0, len(images), size):
            rows = slice(first, first + size)
            source = self.model.encode_source(images[rows], config.size_px)
            texts = self.model.texts(instructions[rows], config)
            edited.append(self.model.decode(self.edit_latents(source, texts, list(seeds[rows]), config)))
            if on_progress is not None:
                on_progress(min(first + size, len(images)), len(images))
        return np.concatenate(edited)


def guided(none: Tensor, full: Tensor, scale: float) -> Tensor:
    """Return none + scale (full - none), classifier-free guidance (arXiv:2207.12598)."""
    return none + scale * (full - none)


def noise_for(seeds: Sequence[int], shape: Sequence[int], device: torch.device) -> Tensor:
    """Return standard normal noise of `shape` for each seed: fp32 [B, *shape]; the same on every device."""
    draws = [torch.randn(*shape, generator=torch.Generator().manual_seed(int(seed))) for seed in seeds]
    return torch.stack(draws).to(device)
