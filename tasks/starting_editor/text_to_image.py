"""A seed -> the kitchen's text-to-image model: a small StableDiffusionPipeline that draws kitchen scenes from captions.

It plays the part that Stable Diffusion v1.5 plays for the methods that edit with a text-to-image model. Its parts are
the starting editor's; of the U-Net's input the channels of the picture are left out, and U-Net and text model are
trained on captions of drawn scenes. Among the last checkpoints the oracle chooses. It has seen no action and no edit.
"""

import copy
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, StableDiffusionInstructPix2PixPipeline, StableDiffusionPipeline
from torch import Tensor, nn

from evaluation.kitchen.actions import fixed_view
from evaluation.kitchen.captions import Caption, sample_caption
from evaluation.kitchen.judge import is_carried_out
from evaluation.kitchen.oracle import read
from evaluation.kitchen.world import Scene, random_scene
from modeling.atomic import atomic_folder, write_json
from modeling.data.images import to_uint8
from modeling.editors.instruct_pix2pix import Editor, forget_origin
from modeling.small_editor.pipeline import build_scheduler
from modeling.small_editor.pretrain import LatentPairs, Learner, PretrainConfig, Pretraining, averaged, edit_latents
from modeling.small_editor.pretrain import pretrain as run_training
from tasks.starting_editor.card import write_text_to_image_card
from tasks.starting_editor.static_pairs import encode_scenes, tokens_of

NUM_SCENES, NUM_JUDGED = 12_000, 160
"""Captioned scenes to train on, and held-out captions that are drawn for the oracle."""
SAMPLING_STEPS, TEXT_SCALE = 10, 2.0
"""Sampling of pictures for the oracle."""
TRAINING = PretrainConfig(
    num_steps=3_000, learning_rate=7e-4, change_weight=1.0, high_noise_share=0.5, checkpoint_every=250
)
"""The shipped one's training."""
NUM_CANDIDATES = 2
"""Checkpoints near the end that the oracle chooses from."""


class CaptionLearner(Learner):
    """The two networks, where the U-Net sees no picture."""

    def forward(self, noisy_BCHW: Tensor, t_B: Tensor, source_BCHW: Tensor, tokens_BL: Tensor) -> Tensor:
        """Predict v: float [B, C, H, W]; the source is not looked at."""
        states_BLD = self.text_model(tokens_BL).last_hidden_state
        prediction: Tensor = self.unet(noisy_BCHW, t_B, states_BLD).sample
        return prediction


@dataclass(frozen=True, kw_only=True)
class Captioned:
    """A scene and a sentence about it."""

    scene: Scene
    """The scene."""
    caption: Caption
    """The sentence and what the oracle looks for."""


def captioned_scenes(seed: int, number: int) -> list[Captioned]:
    """Draw scenes of the fixed camera with captions; equal arguments give equal scenes."""
    rng = np.random.default_rng([seed, 77])
    made = []
    for _ in range(number):
        scene = random_scene(rng, min_things=1, max_things=5, places=fixed_view())
        made.append(Captioned(scene=scene, caption=sample_caption(rng, scene, fixed_view())))
    return made


def narrow_input(learner: CaptionLearner, num_latent_channels: int) -> None:
    """Leave the picture's channels out of the U-Net's first convolution, in place."""
    old = learner.unet.conv_in
    new = nn.Conv2d(num_latent_channels, old.out_channels, old.kernel_size, old.stride, old.padding)
    with torch.no_grad():
        new.weight.copy_(old.weight[:, :num_latent_channels])
        assert new.bias is not None
        assert old.bias is not None
        new.bias.copy_(old.bias)
    learner.unet.conv_in = new
    learner.unet.register_to_config(in_channels=num_latent_channels)


def latent_captions(
    pipeline: StableDiffusionInstructPix2PixPipeline, made: Sequence[Captioned], size_px: int
) -> LatentPairs:
    """Draw and encode captioned scenes; the source is no picture."""
    target = encode_scenes(pipeline, [artifact.scene for artifact in made], size_px)
    return LatentPairs(
        source_NCHW=torch.zeros_like(target),
        target_NCHW=target,
        tokens_NL=tokens_of(pipeline, [artifact.caption.text for artifact in made]),
        null_tokens_L=tokens_of(pipeline, [""])[0],
    )


def judge_captions(
    pipeline: StableDiffusionInstructPix2PixPipeline, learner: Learner, held_out: Sequence[Captioned]
) -> float:
    """Draw a picture of each held-out caption and return the percentage that shows all that its caption says."""
    channels, side = pipeline.vae.config.latent_channels, pipeline.unet.config.sample_size
    tokens, null_tokens = (
        tokens_of(pipeline, [captioned.caption.text for captioned in held_out]),
        tokens_of(pipeline, [""])[0],
    )
    latents = edit_latents(
        learner, build_scheduler(), torch.zeros(len(held_out), channels, side, side), tokens, null_tokens,
        num_steps=SAMPLING_STEPS, text_scale=TEXT_SCALE, seed=1,
    )  # fmt: skip
    with torch.no_grad():
        pictures = to_uint8(pipeline.vae.decode(latents).sample)
    shown = [
        is_carried_out(captioned.caption.goal, read(picture))
        for captioned, picture in zip(held_out, pictures, strict=True)
    ]
    return round(100 * float(np.mean(shown)), 1)


def text_to_image_scheduler() -> DDIMScheduler:
    """Return the small editor's schedule with the offset that StableDiffusionPipeline insists on; trailing steps have
    no use for it."""
    return DDIMScheduler.from_config(build_scheduler().config, steps_offset=1)


def save_half(pipeline: StableDiffusionInstructPix2PixPipeline, learner: Learner, folder: Path) -> None:
    """Write a StableDiffusionPipeline of a learner's networks, weights as float16."""
    parts = StableDiffusionPipeline(
        vae=copy.deepcopy(pipeline.vae).half(),
        text_encoder=copy.deepcopy(learner.text_model).half(),
        tokenizer=pipeline.tokenizer,
        unet=copy.deepcopy(learner.unet).half(),
        scheduler=text_to_image_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    parts.save_pretrained(folder)
    forget_origin(folder)


def build_text_to_image(
    out: Path,
    start: Path,
    *,
    seed: int = 0,
    steps: int | None = None,
    num_scenes: int = NUM_SCENES,
    threads: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Build the model into `out` from the starting editor in `start`; an interrupted build continues."""
    torch.set_num_threads(threads or torch.get_num_threads())
    building = out.with_name(f".{out.name}.building")
    building.mkdir(parents=True, exist_ok=True)
    config = replace(TRAINING, seed=seed, num_steps=steps or TRAINING.num_steps)
    config = replace(config, checkpoint_every=min(config.checkpoint_every, max(config.num_steps // NUM_CANDIDATES, 1)))
    editor = Editor.load(start, "cpu")
    pipeline: Any = editor
    size_px = int(editor.unet.config.sample_size) * editor.pixels_per_latent
    learner = CaptionLearner(editor.unet.requires_grad_(True), editor.text_encoder.requires_grad_(True))
    narrow_input(learner, editor.num_latent_channels)
    made = captioned_scenes(seed, num_scenes + NUM_JUDGED)
    held_out = made[num_scenes:]
    run, trial = Pretraining(learner, config), copy.deepcopy(learner)
    chosen: dict[str, float] = _read(building / "candidates.json")

    def watch(step: int, _: float) -> None:
        if on_progress is not None:
            on_progress(step, config.num_steps)
        if step not in _candidates(config) or str(step) in chosen:
            return
        candidate = averaged(run, trial)
        chosen[str(step)] = judge_captions(pipeline, candidate, held_out)
        if max(chosen.values()) <= chosen[str(step)]:
            with atomic_folder(building / "best", replaces="model_index.json") as folder:
                save_half(pipeline, candidate, folder)
        write_json(building / "candidates.json", chosen)

    run_training(run, latent_captions(pipeline, made[:num_scenes], size_px), build_scheduler(), building / "run", watch)
    facts = {"seed": seed, "num_scenes": num_scenes, "seconds": round(run.seconds), "training": asdict(config)}
    facts |= {"candidates": chosen, "shown_percent": max(chosen.values()), "num_judged": len(held_out)}
    facts |= {"sampling": {"num_steps": SAMPLING_STEPS, "text_scale": TEXT_SCALE}, "picture_px": size_px}
    with atomic_folder(out) as folder:
        shutil.copytree(building / "best", folder, dirs_exist_ok=True)
        write_text_to_image_card(folder, facts)
    shutil.rmtree(building)
    return facts


def _candidates(config: PretrainConfig) -> set[int]:
    whole = range(config.checkpoint_every, config.num_steps + 1, config.checkpoint_every)
    return {config.num_steps, *whole[-NUM_CANDIDATES:]}


def _read(path: Path) -> dict[str, float]:
    return dict(json.loads(path.read_text())) if path.exists() else {}
