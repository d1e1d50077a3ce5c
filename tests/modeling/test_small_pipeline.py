"""The small pipeline: its autoencoder, its tokenizer, saving and loading, and a pretraining that can be interrupted."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionInstructPix2PixPipeline, UNet2DConditionModel
from PIL import Image
from transformers import CLIPTextModel, CLIPTokenizer

from evaluation.kitchen.words import WORDS
from modeling.autoencoder import PatchAutoencoder, patches_of
from modeling.small_editor.pipeline import SmallSizes, build_pipeline, build_scheduler
from modeling.small_editor.pretrain import (
    LatentPairs,
    Learner,
    PretrainConfig,
    Pretraining,
    change_weight_at,
    edit_latents,
    learning_rate_at,
    pretrain,
)

SIZES = SmallSizes(
    picture_px=16, patch_px=4, latent_channels=8, unet_channels=(16, 16), text_width=16, text_layers=1, max_tokens=8
)


@pytest.fixture
def pipeline() -> StableDiffusionInstructPix2PixPipeline:
    made = build_pipeline(WORDS, SIZES, seed=0)
    made.vae.fit(patches_of(torch.rand(40, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1, 4))
    return made


def test_every_word_of_the_kitchen_is_one_token_and_others_still_split(
    pipeline: StableDiffusionInstructPix2PixPipeline,
) -> None:
    for word in WORDS:
        assert [f"{word}</w>"] == pipeline.tokenizer.tokenize(word)
    assert len(pipeline.tokenizer.tokenize("zebra")) > 1
    assert pipeline.tokenizer("Open, Fridge").input_ids[1] == pipeline.tokenizer("open fridge").input_ids[1]


def test_a_saved_pipeline_loads_unchanged_part_by_part(
    pipeline: StableDiffusionInstructPix2PixPipeline, tmp_path: Path
) -> None:
    pipeline.save_pretrained(tmp_path)
    loaded = StableDiffusionInstructPix2PixPipeline.from_pretrained(tmp_path)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8))

    def edited(editor: StableDiffusionInstructPix2PixPipeline) -> np.ndarray:
        editor.set_progress_bar_config(disable=True)
        generator = torch.Generator().manual_seed(0)
        options = {"guidance_scale": 2.0, "image_guidance_scale": 1.0, "num_inference_steps": 2, "output_type": "np"}
        return np.asarray(editor("open fridge", image=picture, generator=generator, **options).images)

    assert np.array_equal(edited(pipeline), edited(loaded))
    assert edited(loaded).shape == (1, 16, 16, 3)
    assert len(pipeline.tokenizer) == len(CLIPTokenizer.from_pretrained(tmp_path / "tokenizer"))
    for kind, name in ((PatchAutoencoder, "vae"), (CLIPTextModel, "text_encoder"), (UNet2DConditionModel, "unet")):
        ours = getattr(pipeline, name).state_dict()
        again = kind.from_pretrained(tmp_path / name).state_dict()
        assert all(torch.equal(value, again[key]) for key, value in ours.items())


def test_the_autoencoder_gives_pictures_back_and_latents_of_unit_variance() -> None:
    generator = torch.Generator().manual_seed(1)
    mixing = torch.randn(5, 3 * 16, generator=generator)
    patches = torch.randn(4000, 5, generator=generator) @ mixing * 0.1
    autoencoder = PatchAutoencoder(patch_size=4, latent_channels=5, block_out_channels=(5, 5, 5))
    assert autoencoder.fit(patches) < 1e-6
    pictures = torch.nn.functional.fold(
        patches[:32].reshape(2, 16, 48).transpose(1, 2), output_size=16, kernel_size=4, stride=4
    )
    latents = autoencoder.encode(pictures).latent_dist.mode()
    assert latents.shape == (2, 5, 4, 4)
    assert torch.allclose(pictures, autoencoder.decode(latents).sample, atol=1e-4)
    assert torch.equal(latents, autoencoder.encode(pictures).latent_dist.sample())
    codes = (patches - autoencoder.mean_D) @ autoencoder.encoder_CD.T
    assert codes.var(dim=0).mean().item() == pytest.approx(1.0, abs=0.05)


def test_equal_seeds_build_equal_pipelines() -> None:
    first, same, other = (build_pipeline(WORDS, SIZES, seed).unet.state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["conv_in.weight"], other["conv_in.weight"])


def latent_pairs(pipeline: StableDiffusionInstructPix2PixPipeline) -> LatentPairs:
    generator = torch.Generator().manual_seed(2)
    sentences = ["add a red cup", "remove the bowl", "turn the apple green", "open fridge"] * 4
    tokens = pipeline.tokenizer([*sentences, ""], padding="max_length", truncation=True, return_tensors="pt").input_ids
    return LatentPairs(
        source_NCHW=torch.randn(16, 8, 4, 4, generator=generator).half(),
        target_NCHW=torch.randn(16, 8, 4, 4, generator=generator).half(),
        tokens_NL=tokens[:-1],
        null_tokens_L=tokens[-1],
    )


def new_run(config: PretrainConfig) -> tuple[Pretraining, LatentPairs]:
    made = build_pipeline(WORDS, SIZES, seed=0)
    return Pretraining(Learner(made.unet, made.text_encoder), config), latent_pairs(made)


class CutOff(Exception):
    """Stands for a kill."""


def test_a_run_that_is_cut_off_ends_with_the_same_bits_as_one_that_is_not(tmp_path: Path) -> None:
    config = PretrainConfig(num_steps=6, batch_size=4, num_warmup_steps=2, checkpoint_every=2)

    def cut_off_at_5(step: int, loss: float) -> None:
        if step == 5:
            raise CutOff

    whole, pairs = new_run(config)
    pretrain(whole, pairs, build_scheduler(), tmp_path / "whole")
    cut, _ = new_run(config)
    with pytest.raises(CutOff):
        pretrain(cut, pairs, build_scheduler(), tmp_path / "cut", cut_off_at_5)
    resumed, _ = new_run(config)
    steps: list[int] = []
    pretrain(resumed, pairs, build_scheduler(), tmp_path / "cut", lambda step, loss: steps.append(step))
    assert steps == [4, 5, 6]
    for name, value in whole.learner.named_parameters():
        assert torch.equal(value, dict(resumed.learner.named_parameters())[name])
        assert torch.equal(whole.average[name], resumed.average[name])
    assert not {path.suffix for path in tmp_path.rglob("*") if path.is_file()} - {".safetensors", ".json"}


def test_a_checkpoint_of_another_config_is_refused(tmp_path: Path) -> None:
    config = PretrainConfig(num_steps=1, batch_size=2)
    run, pairs = new_run(config)
    pretrain(run, pairs, build_scheduler(), tmp_path / "run")
    other, _ = new_run(PretrainConfig(num_steps=2, batch_size=2))
    with pytest.raises(ValueError, match="another config"):
        pretrain(other, pairs, build_scheduler(), tmp_path / "run")


def test_training_lowers_the_loss_and_trains_the_text_model_too(tmp_path: Path) -> None:
    run, pairs = new_run(PretrainConfig(num_steps=60, batch_size=8, num_warmup_steps=5, checkpoint_every=60))
    before = {name: value.detach().clone() for name, value in run.learner.named_parameters()}
    losses: list[float] = []
    pretrain(run, pairs, build_scheduler(), tmp_path / "run", lambda step, loss: losses.append(loss))
    assert np.mean(losses[-15:]) < 0.8 * np.mean(losses[:15])
    changed = {name for name, value in run.learner.named_parameters() if not torch.equal(before[name], value)}
    assert any(name.startswith("text_model.") for name in changed)
    assert any(".attn2." in name for name in changed)


def test_schedules_of_learning_rate_and_weight() -> None:
    config = PretrainConfig(num_steps=100, num_warmup_steps=10, learning_rate=1.0, change_weight=5.0)
    assert [learning_rate_at(step, config) for step in (0, 9, 55, 100)] == pytest.approx([0.1, 1.0, 0.5, 0.0])
    assert [change_weight_at(step, config) for step in (0, 50, 75, 100)] == pytest.approx([5.0, 5.0, 3.0, 1.0])


def test_text_scale_one_and_the_two_pass_formula_agree(pipeline: StableDiffusionInstructPix2PixPipeline) -> None:
    learner, pairs = Learner(pipeline.unet, pipeline.text_encoder).eval(), latent_pairs(pipeline)
    arguments = (learner, build_scheduler(), pairs.source_NCHW[:2].float(), pairs.tokens_NL[:2], pairs.null_tokens_L)
    plain, nearly, strong = (
        edit_latents(*arguments, num_steps=3, text_scale=scale, seed=0) for scale in (1.0, 1.0 + 1e-6, 3.0)
    )
    assert torch.allclose(plain, nearly, atol=1e-4)
    assert not torch.allclose(plain, strong, atol=1e-3)
