"""FLUX Kontext with tiny random weights, saved as a folder: an editor for which this project has no code."""

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    FluxKontextPipeline,
    FluxTransformer2DModel,
)
from transformers import T5Config, T5EncoderModel, T5Tokenizer

from tests.support.tiny_pipeline import WORDS, tiny_pipeline

SIZE_PX = 16
ARGUMENTS = {"num_inference_steps": 2, "max_area": SIZE_PX**2, "_auto_resize": False, "max_sequence_length": 8}
"""Without this size the pipeline works on pictures of a megapixel."""


def save_tiny_kontext(folder: Path) -> Path:
    """Save the pipeline and return its folder."""
    base = tiny_pipeline()
    words = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), *((f"▁{word}", -1.0) for word in WORDS)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformer = FluxTransformer2DModel(
            patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=8,
            num_attention_heads=2, joint_attention_dim=16, pooled_projection_dim=16, axes_dims_rope=(2, 2, 4),
            guidance_embeds=True,
        )  # fmt: skip
        text_encoder_2 = T5EncoderModel(
            T5Config(vocab_size=len(words) + 100, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
        )
        vae = AutoencoderKL(
            block_out_channels=(4, 8), down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2, latent_channels=4, norm_num_groups=2,
            use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.0, scaling_factor=1.0,
        )  # fmt: skip
    pipeline = FluxKontextPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=vae,
        text_encoder=base.text_encoder,
        tokenizer=base.tokenizer,
        text_encoder_2=text_encoder_2,
        tokenizer_2=T5Tokenizer(vocab=words, extra_ids=0),
        transformer=transformer,
    )
    pipeline.save_pretrained(folder)
    return folder
