"""Word list + sizes -> a small StableDiffusionInstructPix2PixPipeline whose parts load by plain `from_pretrained`.

The same make as InstructPix2Pix: a UNet2DConditionModel that takes the noisy and the source latents together, an
autoencoder, a CLIP text model and a CLIPTokenizer. v-prediction with zero terminal signal-to-noise ratio, because at
this size the noise itself is predicted too badly at high noise to follow a sentence.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from diffusers import DDIMScheduler, StableDiffusionInstructPix2PixPipeline, UNet2DConditionModel
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from modeling.autoencoder import PatchAutoencoder

BETA_END = 0.05
"""Last beta of the noise schedule. With Stable Diffusion's 0.012 these latents (64 numbers per patch, far from
independent) show an object through the noise until t = 850, so few timesteps would teach the meaning of a sentence.
"""
START_TOKEN, END_TOKEN = "<|startoftext|>", "<|endoftext|>"


@dataclass(frozen=True, kw_only=True)
class SmallSizes:
    """Sizes of the small editor."""

    picture_px: int = 96
    """Side of the square pictures that it edits."""
    patch_px: int = 16
    """Side of a patch; each position of the latents stands for one patch."""
    latent_channels: int = 64
    """Principal components kept of a patch."""
    unet_channels: tuple[int, ...] = (96, 128)
    """Width of the U-Net at each resolution."""
    text_width: int = 128
    """Width of the text model and of cross-attention."""
    text_layers: int = 2
    """Layers of the text model."""
    max_tokens: int = 20
    """Tokens of a sentence, its start and end included; longer ones are cut."""


def build_tokenizer(words: Iterable[str], max_tokens: int) -> CLIPTokenizer:
    """Train a byte-pair tokenizer on a word list, so that each of its words becomes one token.

    A word outside the list still splits into known pieces, at worst letters.
    """
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=10_000,
        min_frequency=1,
        show_progress=False,
        initial_alphabet=alphabet,
        end_of_word_suffix="</w>",
    )
    tokenizer.train_from_iterator(sorted(set(words)), trainer)
    vocabulary: dict[str, int] = {}
    learned = json.loads(tokenizer.to_str())["model"]
    names = [*alphabet, *(f"{letter}</w>" for letter in alphabet)]
    names += [name for name, _ in sorted(learned["vocab"].items(), key=lambda item: item[1])]
    for name in [*names, START_TOKEN, END_TOKEN]:
        vocabulary.setdefault(name, len(vocabulary))
    merges = [tuple(merge) for merge in learned["merges"]]
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=max_tokens, pad_token=END_TOKEN)


def build_text_model(tokenizer: CLIPTokenizer, sizes: SmallSizes) -> CLIPTextModel:
    """Make an untrained CLIP text model for the tokenizer, weights drawn from torch's current generator."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=sizes.text_width,
        intermediate_size=4 * sizes.text_width,
        projection_dim=sizes.text_width,
        num_hidden_layers=sizes.text_layers,
        num_attention_heads=4,
        max_position_embeddings=sizes.max_tokens,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
    )
    return CLIPTextModel(config)


def build_unet(sizes: SmallSizes) -> UNet2DConditionModel:
    """Make an untrained U-Net, cross-attention at each resolution, weights from torch's current generator."""
    num_levels = len(sizes.unet_channels)
    return UNet2DConditionModel(
        sample_size=sizes.picture_px // sizes.patch_px,
        in_channels=2 * sizes.latent_channels,
        out_channels=sizes.latent_channels,
        block_out_channels=sizes.unet_channels,
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D",) * num_levels,
        up_block_types=("CrossAttnUpBlock2D",) * num_levels,
        cross_attention_dim=sizes.text_width,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def build_scheduler(beta_end: float = BETA_END) -> DDIMScheduler:
    """Make the noise schedule: zero terminal SNR, v-prediction, trailing steps."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=beta_end,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
    )


def build_pipeline(words: Iterable[str], sizes: SmallSizes, seed: int) -> StableDiffusionInstructPix2PixPipeline:
    """Make an untrained small editor; equal arguments give equal weights. The autoencoder is not fitted yet."""
    tokenizer = build_tokenizer(words, sizes.max_tokens)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        text_model, unet = build_text_model(tokenizer, sizes), build_unet(sizes)
    autoencoder = PatchAutoencoder(
        patch_size=sizes.patch_px,
        latent_channels=sizes.latent_channels,
        block_out_channels=(sizes.latent_channels,) * sizes.patch_px.bit_length(),
    )
    return assemble(autoencoder, text_model, tokenizer, unet)


def assemble(
    autoencoder: PatchAutoencoder, text_model: CLIPTextModel, tokenizer: CLIPTokenizer, unet: UNet2DConditionModel
) -> StableDiffusionInstructPix2PixPipeline:
    """Make a pipeline of these parts and the small editor's scheduler."""
    pipeline = StableDiffusionInstructPix2PixPipeline(
        vae=autoencoder,
        text_encoder=text_model,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
