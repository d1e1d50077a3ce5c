"""Static edits -> training data of a starting editor (latent pairs), and tasks by which the oracle judges it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionInstructPix2PixPipeline
from torch import Tensor

from evaluation.kitchen.acting import sample_episode
from evaluation.kitchen.actions import Goal, fixed_view, goal_of
from evaluation.kitchen.judge import judge
from evaluation.kitchen.static_edits import StaticEdit, sample_static_edit
from evaluation.kitchen.words import WORDS
from evaluation.kitchen.world import PLACES, Scene, draw, random_scene
from modeling.autoencoder import patches_of
from modeling.data.images import squash, to_tensor, to_uint8
from modeling.small_editor.pipeline import SmallSizes, build_pipeline, build_scheduler
from modeling.small_editor.pretrain import LatentPairs, Learner, edit_latents

NUM_JUDGED = 240
"""Number of held-out static edits for the oracle's choice, and of actions, which must fail."""
NUM_AUTOENCODER_SCENES, NUM_PATCHES = 2_000, 30_000
"""Pictures and patches from which the components are taken; a quarter shows the head camera's other view."""
SAMPLING_STEPS, TEXT_SCALE = 10, 1.0
"""Sampling of edits for the oracle, at image scale 1."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A scene, a sentence and the goal by which the oracle judges the edit."""

    before: Scene
    """The scene that is edited."""
    instruction: str
    """The sentence."""
    goal: Goal
    """The goal of the sentence, as data."""


def draw_pictures(scenes: Sequence[Scene], size_px: int, views: Sequence[int] | None = None) -> Tensor:
    """Draw scenes as the editor's input: float32 [N, 3, size_px, size_px] in [-1, 1]."""
    offsets = views if views is not None else [0] * len(scenes)
    pictures = [squash(draw(scene, view), size_px) for scene, view in zip(scenes, offsets, strict=True)]
    return to_tensor(np.stack(pictures))


def encode_scenes(pipeline: StableDiffusionInstructPix2PixPipeline, scenes: Sequence[Scene], size_px: int) -> Tensor:
    """Return the latents of scenes, float16 [N, C, h, w]."""
    parts = [scenes[start : start + 256] for start in range(0, len(scenes), 256)]
    with torch.no_grad():
        latents = [pipeline.vae.encode(draw_pictures(part, size_px)).latent_dist.mode().half() for part in parts]
    return torch.cat(latents)


def fit_autoencoder(
    pipeline: StableDiffusionInstructPix2PixPipeline, rng: np.random.Generator, sizes: SmallSizes, num_scenes: int
) -> float:
    """Fit the components to patches of random scenes from both views; return the share of variance left out."""
    scenes, views = [], []
    for _ in range(num_scenes):
        scenes.append(random_scene(rng, min_things=2, max_things=6, places=PLACES))
        views.append(int(rng.random() < 0.25))
    patches = patches_of(draw_pictures(scenes, sizes.picture_px, views), sizes.patch_px)
    order = torch.randperm(len(patches), generator=torch.Generator().manual_seed(0))
    return float(pipeline.vae.fit(patches[order[:NUM_PATCHES]]))


def tokens_of(pipeline: StableDiffusionInstructPix2PixPipeline, sentences: Sequence[str]) -> Tensor:
    """Return padded token ids, int64 [N, L]."""
    tokens = pipeline.tokenizer(list(sentences), padding="max_length", truncation=True, return_tensors="pt")
    ids: Tensor = tokens.input_ids
    return ids


def action_tasks(seed: int, number: int) -> list[Task]:
    """Draw acted instructions of the fixed camera, from many episodes."""
    tasks = []
    for episode_number in range(number):
        rng = np.random.default_rng([seed, episode_number])
        acted = sample_episode(rng, "mpii", 8).actions[-1]
        tasks.append(Task(before=acted.before, instruction=acted.instruction, goal=goal_of(acted.action)))
    return tasks


def judge_tasks(
    pipeline: StableDiffusionInstructPix2PixPipeline, learner: Learner, tasks: Sequence[Task], size_px: int
) -> dict[str, float]:
    """Edit each task's scene and let the oracle judge: percent carried out, percent kept."""
    source = encode_scenes(pipeline, [task.before for task in tasks], size_px).float()
    tokens, null_tokens = tokens_of(pipeline, [task.instruction for task in tasks]), tokens_of(pipeline, [""])[0]
    latents = edit_latents(
        learner, build_scheduler(), source, tokens, null_tokens,
        num_steps=SAMPLING_STEPS, text_scale=TEXT_SCALE, seed=1,
    )  # fmt: skip
    pictures = to_uint8(pipeline.vae.decode(latents).sample)
    verdicts = [
        judge({"before": task.before.to_record(), "goal": task.goal, "view_before": 0}, picture)
        for task, picture in zip(tasks, pictures, strict=True)
    ]
    return {
        "carried_out_percent": round(100 * float(np.mean([verdict.carried_out for verdict in verdicts])), 1),
        "kept_percent": round(100 * float(np.mean([verdict.kept for verdict in verdicts])), 1),
    }


@dataclass(frozen=True, kw_only=True)
class Ingredients:
    """The start of the training run."""

    pipeline: StableDiffusionInstructPix2PixPipeline
    """Untrained, its autoencoder fitted."""
    edits: list[StaticEdit]
    """The static edits of the first cycle."""
    held_out: list[Task]
    """Held-out static edits."""
    left_out_percent: float
    """Share of the patches' variance that the components miss."""


def prepare(seed: int, num_pairs: int, sizes: SmallSizes) -> Ingredients:
    """Draw the static pairs and build the untrained pipeline; equal arguments give equal ingredients."""
    rng = np.random.default_rng(100 + seed)
    edits = [sample_static_edit(rng, fixed_view()) for _ in range(num_pairs + 400)]
    pipeline = build_pipeline(WORDS, sizes, seed)
    left_out = fit_autoencoder(pipeline, rng, sizes, min(NUM_AUTOENCODER_SCENES, num_pairs // 2))
    held_out = [
        Task(before=edit.before, instruction=edit.instruction, goal=edit.goal)
        for edit in edits[num_pairs : num_pairs + min(NUM_JUDGED, num_pairs // 8)]
    ]
    return Ingredients(
        pipeline=pipeline, edits=edits[:num_pairs], held_out=held_out, left_out_percent=round(100 * left_out, 3)
    )


def latent_pairs(
    pipeline: StableDiffusionInstructPix2PixPipeline, edits: Sequence[StaticEdit], size_px: int
) -> LatentPairs:
    """Draw and encode static edits for training."""
    return LatentPairs(
        source_NCHW=encode_scenes(pipeline, [edit.before for edit in edits], size_px),
        target_NCHW=encode_scenes(pipeline, [edit.after for edit in edits], size_px),
        tokens_NL=tokens_of(pipeline, [edit.instruction for edit in edits]),
        null_tokens_L=tokens_of(pipeline, [""])[0],
    )


def judge_saved(folder: Path, held_out: Sequence[Task], seed: int, size_px: int) -> dict[str, Any]:
    """Load the saved pipeline and let the oracle judge it: static edits, and actions."""
    pipeline = StableDiffusionInstructPix2PixPipeline.from_pretrained(folder)
    learner = Learner(pipeline.unet.float(), pipeline.text_encoder.float()).eval()
    pipeline.vae.float()
    return {
        "static_edits": judge_tasks(pipeline, learner, held_out, size_px),
        "actions": judge_tasks(pipeline, learner, action_tasks(seed + 7, len(held_out)), size_px),
        "num_judged": len(held_out),
        "sampling": {"num_steps": SAMPLING_STEPS, "text_scale": TEXT_SCALE},
    }
