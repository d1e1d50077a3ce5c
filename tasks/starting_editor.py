"""A seed -> the kitchen's starting editor: a small InstructPix2Pix pipeline that knows things and words, but no action.

It plays the part that InstructPix2Pix plays for real videos. Static edits of the drawn kitchen (recolour, add, remove,
replace) are drawn, the autoencoder is fitted, U-Net and text model are trained with L_static, and among the last
checkpoints the oracle chooses. The folder is what `StableDiffusionInstructPix2PixPipeline.from_pretrained` loads.
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
from diffusers import StableDiffusionInstructPix2PixPipeline
from torch import Tensor

from evaluation.kitchen.acting import sample_episode
from evaluation.kitchen.actions import Goal, fixed_view, goal_of
from evaluation.kitchen.judge import judge
from evaluation.kitchen.static_edits import sample_static_edit
from evaluation.kitchen.words import WORDS
from evaluation.kitchen.world import PLACES, Scene, draw, random_scene
from modeling.atomic import atomic_folder, write_json
from modeling.autoencoder import patches_of
from modeling.data.images import squash, to_tensor, to_uint8
from modeling.pretrain import LatentPairs, Learner, PretrainConfig, Pretraining, averaged, edit_latents, pretrain
from modeling.small_pipeline import SmallSizes, assemble, build_pipeline, build_scheduler
from tasks.processes import num_workers
from tasks.starting_editor_card import write_card

NUM_PAIRS = 16_000
"""Static pairs to train on."""
NUM_STEPS = 11_000
"""Optimiser steps."""
NUM_JUDGED = 240
"""Held-out static edits by which the oracle chooses, and acted ones that must fail."""
NUM_AUTOENCODER_SCENES, NUM_PATCHES = 2_000, 30_000
"""Pictures and patches from which the components are taken; a quarter shows the head camera's other view."""
SAMPLING_STEPS, TEXT_SCALE = 10, 1.0
"""How edits are sampled for the oracle, at image scale 1."""
NUM_CANDIDATES = 4
"""Checkpoints near the end that the oracle chooses from."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A scene, a sentence and what the oracle needs to judge the edit."""

    before: Scene
    """The scene that is edited."""
    instruction: str
    """The sentence."""
    goal: Goal
    """What the sentence asks for, as data."""


def draw_pictures(scenes: Sequence[Scene], size_px: int, views: Sequence[int] | None = None) -> Tensor:
    """Draw scenes as the editor sees them: float32 [N, 3, size_px, size_px] in [-1, 1]."""
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
        "carried_out_percent": round(100 * float(np.mean([each.carried_out for each in verdicts])), 1),
        "kept_percent": round(100 * float(np.mean([each.kept for each in verdicts])), 1),
    }


@dataclass(frozen=True, kw_only=True)
class Ingredients:
    """What the training run starts from."""

    pipeline: StableDiffusionInstructPix2PixPipeline
    """Untrained, its autoencoder fitted."""
    pairs: LatentPairs
    """The static pairs to train on."""
    held_out: list[Task]
    """Static edits that are not trained on."""
    left_out_percent: float
    """Variance of the patches that the components do not hold."""


def prepare(seed: int, num_pairs: int, sizes: SmallSizes) -> Ingredients:
    """Draw the static pairs and build the untrained pipeline; equal arguments give equal ingredients."""
    rng = np.random.default_rng(100 + seed)
    edits = [sample_static_edit(rng, fixed_view()) for _ in range(num_pairs + 400)]
    pipeline = build_pipeline(WORDS, sizes, seed)
    left_out = fit_autoencoder(pipeline, rng, sizes, min(NUM_AUTOENCODER_SCENES, num_pairs // 2))
    trained = edits[:num_pairs]
    pairs = LatentPairs(
        source_NCHW=encode_scenes(pipeline, [edit.before for edit in trained], sizes.picture_px),
        target_NCHW=encode_scenes(pipeline, [edit.after for edit in trained], sizes.picture_px),
        tokens_NL=tokens_of(pipeline, [edit.instruction for edit in trained]),
        null_tokens_L=tokens_of(pipeline, [""])[0],
    )
    held_out = [
        Task(before=edit.before, instruction=edit.instruction, goal=edit.goal)
        for edit in edits[num_pairs : num_pairs + min(NUM_JUDGED, num_pairs // 8)]
    ]
    return Ingredients(pipeline=pipeline, pairs=pairs, held_out=held_out, left_out_percent=round(100 * left_out, 3))


def candidate_steps(config: PretrainConfig) -> set[int]:
    """Return the steps whose averaged weights the oracle judges: the last checkpoints, the very last included."""
    return {max(config.num_steps - number * config.checkpoint_every, 1) for number in range(NUM_CANDIDATES)}


def save_half(pipeline: StableDiffusionInstructPix2PixPipeline, learner: Learner, folder: Path) -> None:
    """Write the pipeline with a learner's networks, weights as float16."""
    parts = assemble(
        copy.deepcopy(pipeline.vae).half(),
        copy.deepcopy(learner.text_model).half(),
        pipeline.tokenizer,
        copy.deepcopy(learner.unet).half(),
    )
    parts.save_pretrained(folder)


def build_starting_editor(
    out: Path,
    *,
    seed: int = 0,
    steps: int | None = None,
    num_pairs: int = NUM_PAIRS,
    threads: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Build the starting editor into the folder `out`, going on from a run that was cut off; return its figures.

    steps None: the shipped one's number. threads 0: all. The run's checkpoints lie in `.{name}.building` beside `out`
    until it is done.
    """
    torch.set_num_threads(num_workers(threads))
    config = PretrainConfig(num_steps=steps or NUM_STEPS, seed=seed)
    config = replace(config, checkpoint_every=min(config.checkpoint_every, max(config.num_steps // NUM_CANDIDATES, 1)))
    building = out.with_name(f".{out.name}.building")
    building.mkdir(parents=True, exist_ok=True)
    sizes = SmallSizes()
    made = prepare(seed, num_pairs, sizes)
    learner = Learner(made.pipeline.unet, made.pipeline.text_encoder)
    run, trial = Pretraining(learner, config), copy.deepcopy(learner)
    best_file = building / "candidates.json"
    figures: dict[str, dict[str, float]] = json.loads(best_file.read_text()) if best_file.exists() else {}

    def judge_candidate(step: int, _: float) -> None:
        if on_progress is not None:
            on_progress(step, config.num_steps)
        if step not in candidate_steps(config) or str(step) in figures:
            return
        figures[str(step)] = judge_tasks(made.pipeline, averaged(run, trial), made.held_out, sizes.picture_px)
        if max(figures, key=lambda name: sum(figures[name].values())) == str(step):
            with atomic_folder(building / "best") as folder:
                save_half(made.pipeline, trial, folder)
        write_json(best_file, figures)

    pretrain(run, made.pairs, build_scheduler(), building / "checkpoint", judge_candidate)
    facts = {"seed": seed, "num_pairs": num_pairs, "seconds": round(run.seconds), "training": asdict(config)}
    facts |= {"sizes": asdict(sizes), "left_out_percent": made.left_out_percent, "candidates": figures}
    facts |= {"sampling": {"num_steps": SAMPLING_STEPS, "text_scale": TEXT_SCALE}, "num_words": len(WORDS)}
    facts |= judge_saved(building / "best", made, seed)
    with atomic_folder(out) as folder:
        shutil.copytree(building / "best", folder, dirs_exist_ok=True)
        write_card(folder, facts)
    shutil.rmtree(building)
    return facts


def judge_saved(folder: Path, made: Ingredients, seed: int) -> dict[str, Any]:
    """Load the saved pipeline and let the oracle judge what is really there: static edits, and actions."""
    pipeline = StableDiffusionInstructPix2PixPipeline.from_pretrained(folder)
    learner = Learner(pipeline.unet.float(), pipeline.text_encoder.float()).eval()
    pipeline.vae.float()
    size_px = SmallSizes().picture_px
    return {
        "static_edits": judge_tasks(pipeline, learner, made.held_out, size_px),
        "actions": judge_tasks(pipeline, learner, action_tasks(seed + 7, len(made.held_out)), size_px),
        "num_judged": len(made.held_out),
    }
