"""A seed -> the kitchen's starting editor: a small InstructPix2Pix pipeline that knows objects and words, but no
action.

It has the role of InstructPix2Pix for real videos. Static edits of the drawn kitchen (recolour, add, remove, replace)
are drawn, the autoencoder is fitted, U-Net and text model are trained with L_static, and the oracle chooses among the
last checkpoints. `StableDiffusionInstructPix2PixPipeline.from_pretrained` loads the folder.
"""

import copy
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionInstructPix2PixPipeline

from evaluation.kitchen.actions import fixed_view
from evaluation.kitchen.static_edits import StaticEdit, sample_static_edit
from evaluation.kitchen.words import WORDS
from modeling.atomic import atomic_folder, check_replaceable, write_json
from modeling.editors.tokens import write_vocabulary
from modeling.small_editor.pipeline import BETA_END, SmallSizes, assemble, build_scheduler
from modeling.small_editor.pretrain import Learner, PretrainConfig, Pretraining, averaged, pretrain
from tasks.artifacts.processes import num_workers
from tasks.starting_editor.card import write_card
from tasks.starting_editor.static_pairs import Ingredients, judge_saved, judge_tasks, latent_pairs, prepare

Progress = Callable[[int, int], None]
"""Called with (steps done, number of steps)."""
NUM_PAIRS = 16_000
"""Number of static training pairs in each cycle."""
MARK = "building.json"
"""File that marks a folder of checkpoints as one of these builds."""
NUM_CANDIDATES = 4
"""Number of last checkpoints that the oracle chooses from."""


@dataclass(frozen=True, kw_only=True)
class Cycle:
    """One part of the training; the next cycle begins with its averaged weights."""

    training: PretrainConfig
    """Settings of the cycle's training."""
    edit_shares: tuple[float, ...] | None = None
    """Shares of recolour, add, remove and replace among its pairs; None: equal."""
    place_only_share: float = 0.0
    """Share of sentences that name only the place of the changed thing."""
    beta_end: float = BETA_END
    """Last beta of its noise schedule."""


CYCLES = (
    # Changed places weighted five to one: sentences are followed after a third of the steps that it takes otherwise,
    # but a thing is then added in two places as soon as its place is in doubt.
    Cycle(training=PretrainConfig(num_steps=11_000, stop_after=8_000), beta_end=0.012),
    # So the second cycle takes the weight away and adds more often.
    Cycle(
        training=PretrainConfig(
            num_steps=6_000,
            stop_after=3_000,
            learning_rate=8e-4,
            change_weight=2.0,
            high_noise_share=0.5,
            checkpoint_every=500,
        ),
        edit_shares=(0.2, 0.4, 0.2, 0.2),
        beta_end=0.012,
    ),
    # Things and colours were known by then, places were not at all: more noise, and sentences that turn on the place.
    Cycle(
        training=PretrainConfig(
            num_steps=6_000, stop_after=5_000, change_weight=2.0, high_noise_share=0.5, checkpoint_every=500
        ),
        edit_shares=(0.2, 0.4, 0.2, 0.2),
        place_only_share=0.5,
    ),
)
"""The cycles of the shipped editor."""


def steps_of(training: PretrainConfig) -> int:
    """Return the number of steps of all cycles."""
    return training.stop_after or training.num_steps


def planned_cycles(seed: int, steps: int | None) -> list[Cycle]:
    """Return the cycles with their seeds, all scaled by the same factor to `steps` in total."""
    total = sum(steps_of(cycle.training) for cycle in CYCLES)
    share = (steps or total) / total
    planned = []
    for number, cycle in enumerate(CYCLES):
        last = max(round(steps_of(cycle.training) * share), 1)
        training = replace(
            cycle.training,
            seed=len(CYCLES) * seed + number,
            num_steps=max(round(cycle.training.num_steps * share), last),
            stop_after=last if cycle.training.stop_after else None,
            checkpoint_every=min(cycle.training.checkpoint_every, max(last // NUM_CANDIDATES, 1)),
        )
        planned.append(replace(cycle, training=training))
    return planned


def candidate_steps(training: PretrainConfig) -> set[int]:
    """Return the steps whose averaged weights the oracle judges: the last checkpoints, the very last included."""
    last = steps_of(training)
    whole = range(training.checkpoint_every, last + 1, training.checkpoint_every)
    return {last, *whole[-NUM_CANDIDATES:]}


def save_half(pipeline: StableDiffusionInstructPix2PixPipeline, learner: Learner, folder: Path) -> None:
    """Write the pipeline with a learner's networks, weights as float16."""
    parts = assemble(
        copy.deepcopy(pipeline.vae).half(),
        copy.deepcopy(learner.text_model).half(),
        pipeline.tokenizer,
        copy.deepcopy(learner.unet).half(),
    )
    parts.save_pretrained(folder)
    write_vocabulary(folder / "tokenizer")


class Selection:
    """The candidates' figures, and the best of them as a folder."""

    def __init__(self, building: Path, made: Ingredients, learner: Learner, size_px: int) -> None:
        self.best = building / "best"
        self._file = building / "candidates.json"
        self._made = made
        self._trial = copy.deepcopy(learner)
        self._size_px = size_px
        self.figures: dict[str, dict[str, float]] = json.loads(self._file.read_text()) if self._file.exists() else {}

    def consider(self, run: Pretraining) -> None:
        """Judge the run's averaged weights, once per step; keep them when they are the best so far."""
        name = str(run.step)
        if name in self.figures:
            return
        learner = averaged(run, self._trial)
        self.figures[name] = judge_tasks(self._made.pipeline, learner, self._made.held_out, self._size_px)
        # Of equal candidates the later: its learning rate is lower, and its pictures are cleaner.
        if max(sum(figures.values()) for figures in self.figures.values()) <= sum(self.figures[name].values()):
            with atomic_folder(self.best, replaces="model_index.json") as folder:
                save_half(self._made.pipeline, learner, folder)
        write_json(self._file, self.figures)


def build_starting_editor(
    out: Path,
    *,
    seed: int = 0,
    steps: int | None = None,
    num_pairs: int = NUM_PAIRS,
    threads: int = 1,
    on_progress: Progress | None = None,
) -> dict[str, Any]:
    """Build the starting editor into the folder `out`, going on from a run that was cut off; return its figures.

    FileExistsError, before any work, where `out` holds something already. steps None: the shipped one's number.
    threads 0: all. The run's checkpoints lie in `.{name}.building` beside `out` until it is done.
    """
    torch.set_num_threads(num_workers(threads))
    building = out.with_name(f".{out.name}.building")
    check_replaceable(out)
    check_replaceable(building, MARK)
    building.mkdir(parents=True, exist_ok=True)
    write_json(building / MARK, {"of": "a starting editor"})
    sizes, cycles = SmallSizes(), planned_cycles(seed, steps)
    made = prepare(seed, num_pairs, sizes)
    learner = Learner(made.pipeline.unet, made.pipeline.text_encoder)
    selection = Selection(building, made, learner, sizes.picture_px)
    total, before, seconds = sum(steps_of(cycle.training) for cycle in cycles), 0, 0.0
    for number, cycle in enumerate(cycles):
        run = Pretraining(learner, cycle.training)
        watch = watching(run, selection if cycle is cycles[-1] else None, on_progress, before, total)
        pairs = latent_pairs(made.pipeline, edits_of(cycle, number, made, seed), sizes.picture_px)
        pretrain(run, pairs, build_scheduler(cycle.beta_end), building / f"cycle{number + 1}", watch)
        averaged(run, learner)
        before, seconds = before + run.step, seconds + run.seconds
    facts: dict[str, Any] = {"seed": seed, "num_pairs": num_pairs, "seconds": round(seconds), "num_words": len(WORDS)}
    facts |= {"cycles": [asdict(cycle) for cycle in cycles], "sizes": asdict(sizes), "candidates": selection.figures}
    facts |= {"left_out_percent": made.left_out_percent, "num_steps": total}
    return finish(out, building, facts | judge_saved(selection.best, made.held_out, seed, sizes.picture_px))


def watching(
    run: Pretraining, selection: Selection | None, on_progress: Progress | None, before: int, total: int
) -> Callable[[int, float], None]:
    """Return the callback of a cycle's steps: it reports progress and, in the last cycle, judges the candidates."""
    candidates = candidate_steps(run.config) if selection is not None else set()

    def watch(step: int, _: float) -> None:
        if on_progress is not None:
            on_progress(before + step, total)
        if selection is not None and step in candidates:
            selection.consider(run)

    return watch


def edits_of(cycle: Cycle, number: int, made: Ingredients, seed: int) -> list[StaticEdit]:
    """Return the static edits of a cycle: the first one's were drawn with the ingredients."""
    if number == 0:
        return list(made.edits)
    rng = np.random.default_rng(100 * (number + 1) + seed)
    return [sample_static_edit(rng, fixed_view(), cycle.edit_shares, cycle.place_only_share) for _ in made.edits]


def finish(out: Path, building: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """Write the best candidate's card, move it to its place, and remove the checkpoints."""
    with atomic_folder(out) as folder:
        shutil.copytree(building / "best", folder, dirs_exist_ok=True)
        write_card(folder, facts)
    shutil.rmtree(building)
    return facts
