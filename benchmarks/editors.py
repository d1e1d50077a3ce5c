"""Editors with Stable Diffusion's architecture and random weights, for speed: at its own size, and with every width
divided by 5 or 20.

A fifth keeps the proportions of U-Net, autoencoder and text encoder, and so of their costs; a twentieth keeps the
layers; `tiny` is for trying a benchmark.
"""

from dataclasses import dataclass
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    EulerAncestralDiscreteScheduler,
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel

from modeling.small_editor.pipeline import build_tokenizer


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Widths and depths of an editor; its latents have 4 channels and an eighth of the picture's side."""

    unet: tuple[int, int, int, int]
    """Channels of the U-Net at each resolution; cross-attention in the first three."""
    num_heads: int
    """Attention heads in the U-Net."""
    vae: tuple[int, int, int, int]
    """Channels of the autoencoder at each resolution."""
    num_groups: int
    """Groups of the norms; divides all channels."""
    layers_per_block: int
    """Residual blocks at each resolution, of both."""
    text_width: int
    """Width of the text encoder and of cross-attention."""
    text_layers: int
    """Number of blocks of the text encoder."""
    vocabulary: int
    """Number of tokens that the text encoder can embed."""


SIZES = {
    "sd15": Sizes(
        unet=(320, 640, 1280, 1280),
        num_heads=8,
        vae=(128, 256, 512, 512),
        num_groups=32,
        layers_per_block=2,
        text_width=768,
        text_layers=12,
        vocabulary=49_408,
    ),
    "fifth": Sizes(
        unet=(64, 128, 256, 256),
        num_heads=8,
        vae=(24, 48, 96, 96),
        num_groups=8,
        layers_per_block=2,
        text_width=160,
        text_layers=12,
        vocabulary=2_000,
    ),
    "twentieth": Sizes(
        unet=(16, 32, 64, 64),
        num_heads=1,
        vae=(8, 16, 24, 24),
        num_groups=4,
        layers_per_block=2,
        text_width=40,
        text_layers=12,
        vocabulary=2_000,
    ),
    "tiny": Sizes(
        unet=(8, 8, 16, 16),
        num_heads=2,
        vae=(4, 4, 8, 8),
        num_groups=4,
        layers_per_block=1,
        text_width=16,
        text_layers=1,
        vocabulary=2_000,
    ),
}
"""By name: Stable Diffusion 1.5, its widths divided by 5 or 20 (rounded to what the norms want), next to none."""
WORDS = ("take", "put", "open", "close", "wash", "the", "cup", "plate", "knife", "door", "tap", "onion", "from", "on")
"""Words that the tokenizer knows as one token each."""
NOISE: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
"""Stable Diffusion's noise schedule."""
_NO_CHECKER: dict[str, Any] = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}


def make_pipeline(name: str, *, seed: int = 0) -> StableDiffusionInstructPix2PixPipeline:
    """Make an editor of a size as a diffusers pipeline, with the sampler of InstructPix2Pix; weights from `seed`."""
    scheduler = EulerAncestralDiscreteScheduler(**NOISE)
    pipeline = StableDiffusionInstructPix2PixPipeline(**_parts(name, seed, 8), scheduler=scheduler, **_NO_CHECKER)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def make_text_to_image(name: str, *, seed: int = 0) -> StableDiffusionPipeline:
    """Make a text-to-image model of a size, with DDIM; weights from `seed`."""
    scheduler = DDIMScheduler(**NOISE, clip_sample=False, set_alpha_to_one=False)
    pipeline = StableDiffusionPipeline(**_parts(name, seed, 4), scheduler=scheduler, **_NO_CHECKER)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _parts(name: str, seed: int, in_channels: int) -> dict[str, Any]:
    sizes = SIZES[name]
    tokenizer = build_tokenizer(WORDS, max_tokens=77)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return {
            "vae": _autoencoder(sizes).eval(),
            "text_encoder": _text_encoder(sizes, len(tokenizer)).eval(),
            "tokenizer": tokenizer,
            "unet": make_unet(sizes, in_channels=in_channels).eval(),
        }


def make_unet(sizes: Sizes, *, in_channels: int = 8) -> UNet2DConditionModel:
    """Make the U-Net; its weights come from torch's current generator and lie on its current device."""
    return UNet2DConditionModel(
        sample_size=64,
        in_channels=in_channels,
        out_channels=4,
        block_out_channels=sizes.unet,
        layers_per_block=sizes.layers_per_block,
        cross_attention_dim=sizes.text_width,
        attention_head_dim=sizes.num_heads,
        norm_num_groups=sizes.num_groups,
    )


def _autoencoder(sizes: Sizes) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=sizes.vae,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=sizes.layers_per_block,
        latent_channels=4,
        norm_num_groups=sizes.num_groups,
    )


def _text_encoder(sizes: Sizes, num_tokens: int) -> CLIPTextModel:
    end = num_tokens - 1
    config = CLIPTextConfig(
        vocab_size=max(sizes.vocabulary, num_tokens),
        hidden_size=sizes.text_width,
        intermediate_size=4 * sizes.text_width,
        num_hidden_layers=sizes.text_layers,
        num_attention_heads=max(1, sizes.text_width // 64),
        max_position_embeddings=77,
        bos_token_id=end - 1,
        eos_token_id=end,
        pad_token_id=end,
    )
    return CLIPTextModel(config)
