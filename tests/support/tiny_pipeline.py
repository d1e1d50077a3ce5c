"""A complete InstructPix2Pix pipeline with tiny random weights, and shards of drawn pictures, for tests."""

from pathlib import Path

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    EulerAncestralDiscreteScheduler,
    StableDiffusionInstructPix2PixPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from modeling.data.images import encode_png
from modeling.data.tars import write_shard
from tasks.artifacts.artifact import Outside
from tests.support.drawn_examples import example

WORDS = (
    "take",
    "put",
    "open",
    "close",
    "cup",
    "plate",
    "knife",
    "the",
    "a",
    "from",
    "on",
    "cupboard",
    "table",
    "left",
    ",",
)
INSTRUCTIONS = ("take cup", "open the cupboard", "put the plate on the table", "close cupboard", "take the left knife")
SIZE_PX = 16
"""Side of the tiny pipeline's pictures; its latents are 8x8."""


def tiny_tokenizer() -> CLIPTokenizer:
    """Return a tokenizer that knows letters and WORDS, one token a word."""
    letters = sorted(set("".join(WORDS)))
    vocabulary = [*letters, *(f"{letter}</w>" for letter in letters)]
    merges = []
    for word in WORDS:
        built = word[0] if len(word) > 1 else f"{word}</w>"
        for place, letter in enumerate(word[1:], start=1):
            piece = letter if place < len(word) - 1 else f"{letter}</w>"
            if (built, piece) not in merges:
                merges.append((built, piece))
            built += piece
            if built not in vocabulary:
                vocabulary.append(built)
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={token: number for number, token in enumerate(vocabulary)},
        merges=merges,
        model_max_length=12,
        pad_token="<|endoftext|>",
    )


def tiny_unet(
    in_channels: int = 8, seed: int = 0, *, attention_in_the_middle_alone: bool = False
) -> UNet2DConditionModel:
    """Return a U-Net of two levels. Its weights are amplified, so that text and picture matter in its output.

    `attention_in_the_middle_alone`: it has a third of the parts, for what compiles it.
    """
    with_text = not attention_in_the_middle_alone
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        unet = UNet2DConditionModel(
            sample_size=8,
            in_channels=in_channels,
            out_channels=4,
            block_out_channels=(8, 16),
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlock2D" if with_text else "DownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D" if with_text else "UpBlock2D"),
            cross_attention_dim=16,
            attention_head_dim=4,
            norm_num_groups=4,
        )
    with torch.no_grad():
        for parameter in unet.parameters():
            if parameter.ndim > 1:
                parameter.mul_(1.6)
    return unet.eval()


def tiny_pipeline(in_channels: int = 8, scheduler=None, seed: int = 0) -> StableDiffusionInstructPix2PixPipeline:
    """Return the whole pipeline. Without a given scheduler it has that of the hub's InstructPix2Pix."""
    tokenizer = tiny_tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vae = AutoencoderKL(
            block_out_channels=(4, 8),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            latent_channels=4,
            norm_num_groups=2,
        )
        text_config = CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=12,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.eos_token_id,
        )
        text_encoder = CLIPTextModel(text_config)
    if scheduler is None:
        scheduler = EulerAncestralDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
        )
    pipeline = StableDiffusionInstructPix2PixPipeline(
        vae=vae.eval(),
        text_encoder=text_encoder.eval(),
        tokenizer=tokenizer,
        unet=tiny_unet(in_channels, seed),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def drawn_pictures(count: int, seed: int = 0, size_px: int = SIZE_PX) -> np.ndarray:
    """Return smooth random pictures uint8 [count, size_px, size_px, 3]."""
    corners = np.random.default_rng(seed).integers(0, 256, (count, 2, 2, 3)).astype(np.float64)
    ramp = np.linspace(0, 1, size_px)
    rows = corners[:, 0, None] * (1 - ramp[:, None, None]) + corners[:, 1, None] * ramp[:, None, None]
    across = ramp[None, None, :, None]
    return (rows[:, :, :1] * (1 - across) + rows[:, :, 1:] * across).round().astype(np.uint8)


def write_examples(folder: Path, count: int = 12, instructions=INSTRUCTIONS) -> Path:
    """Write one shard of `count` drawn examples into `folder` and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = drawn_pictures(2 * count)
    drawn = (
        example(
            f"P01_01-{number:06d}",
            instruction=instructions[number % len(instructions)],
            source_file=encode_png(pictures[2 * number]),
            edited_file=encode_png(pictures[2 * number + 1]),
        )
        for number in range(count)
    )
    write_shard(folder / "train-000000.tar", drawn)
    return folder


def tiny_start(folder: Path) -> Outside:
    """Save the tiny pipeline into `folder`; return it as the start that stages take."""
    tiny_pipeline().save_pretrained(folder)
    return Outside(location=str(folder), digest="tiny")
