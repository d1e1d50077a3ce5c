"""A run so far + a few fixed examples -> `validation/step-00000500.{json,png}`: its losses there, and edits to look at.

Examples, noise, timesteps and negatives are the same every time, and the averaged weights edit, as at the end of the
run. Nothing here can change or end a run: the weights are restored, no random number of the training is drawn, and an
error is only reported.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from modeling.atomic import write_bytes, write_json
from modeling.config import SamplingConfig, TrainConfig
from modeling.data.images import Picture, encode_png, squash
from modeling.data.loader import Examples
from modeling.editors.instruct_pix2pix import Editor
from modeling.lettering import letter
from modeling.training.batches import Batches
from modeling.training.trainer import Trainer

MAX_EXAMPLES = 256
"""Number of examples whose losses are measured each time."""
NUM_ROWS = 6
"""Number of examples that are edited each time."""
SEED = 0
"""Seed of noise, timesteps, negatives and the choice of examples; the same for every run."""
_CAPTION_PX = 14
_LETTERS_PX = 10


@dataclass(frozen=True, kw_only=True)
class Look:
    """The result of one validation."""

    losses: dict[str, float]
    """Means over the examples: static (e_c), told_apart (share with e_c < e_c')."""
    grid: Picture
    """One row per example: input, ground truth, edit; the instruction is above it."""


def grid_sampling(config: TrainConfig) -> SamplingConfig:
    """Return fast sampling settings at the size of training: with the paper's guidance, or none for small pictures.

    Small pictures are the kitchen's; its editor changes too much with the paper's 7.5.
    """
    return SamplingConfig(
        size_px=config.size_px,
        num_steps=20,
        text_guidance=7.5 if config.size_px >= 256 else 1.0,
        scheduler="pipeline",
        precision=config.precision,
    )


def chosen(segment_ids: list[str], count: int) -> list[int]:
    """Return the numbers of `count` examples, chosen by a hash of their ids, so that other examples hardly change the
    choice.
    """
    ranked = sorted(range(len(segment_ids)), key=lambda row: hashlib.sha256(segment_ids[row].encode()).digest())
    return ranked[:count]


def fixed_config(config: TrainConfig, num_examples: int) -> TrainConfig:
    """Return the config of the fixed batches: nothing dropped or mirrored, and c' always there to be told apart."""
    return replace(
        config,
        objective=replace(config.objective, lambda_action=1.0, action_every=1, action_from=0.0, action_to=1.0),
        batch_size=min(32, num_examples),
        conditioning_dropout=0.0,
        flip_probability=0.0,
        seed=SEED,
    )


class Validation:
    """Validates a run."""

    def __init__(self, editor: Editor, config: TrainConfig, examples: Examples, make: Callable[..., Batches]):
        """Take the run's editor, and `make(config)`, which gives batches of `examples` and is called the first time."""
        self._editor = editor
        self._config = config
        self._examples = examples
        self._make = make
        self._batches: Batches | None = None

    def look(self, trainer: Trainer) -> Look:
        """Measure and edit with the averaged weights; errors of sampling and reading are raised."""
        away = self._editor.vae.device
        with _undisturbed(trainer):
            try:
                self._editor.put_encoders(self._editor.device)
                return Look(losses=self._losses(trainer), grid=self._grid())
            finally:
                self._editor.put_encoders(away)

    @torch.no_grad()
    def _losses(self, trainer: Trainer) -> dict[str, float]:
        config = fixed_config(self._config, len(self._examples))
        self._batches = self._batches or self._make(config)
        static, negative, has_contrast = [], [], []
        for step in range(min(MAX_EXAMPLES, len(self._examples)) // config.batch_size):
            for part in self._batches.parts(self._batches.draw(step)):
                errors = trainer.errors(part, alone=True)
                assert errors.negative is not None
                static.append(errors.static)
                negative.append(errors.negative)
                has_contrast.append(part.has_contrast)
        e_c, e_other, counted = torch.cat(static), torch.cat(negative), torch.cat(has_contrast)
        losses = {"static": e_c.mean().item(), "num_examples": float(len(e_c))}
        if counted.any():
            losses["told_apart"] = (e_c < e_other)[counted].float().mean().item()
        return losses

    def _grid(self) -> Picture:
        numbers = chosen(self._examples.segment_ids, NUM_ROWS)
        rows = [self._examples[number] for number in numbers]
        sampling = grid_sampling(self._config)
        edits = self._editor.edit(
            [row.source_image for row in rows], [row.instruction for row in rows], list(range(len(rows))), sampling
        )
        shown = [
            [squash(row.source_image, sampling.size_px), squash(row.edited_image, sampling.size_px), edit]
            for row, edit in zip(rows, edits, strict=True)
        ]
        return draw_grid([row.instruction for row in rows], shown)


def draw_grid(captions: list[str], rows: list[list[Picture]]) -> Picture:
    """Return rows of equally large pictures below each other, each below its caption: uint8 [H, W, 3]."""
    drawn: list[NDArray[np.uint8]] = []
    for caption, pictures in zip(captions, rows, strict=True):
        row = np.concatenate(pictures, axis=1)
        strip = Image.new("RGB", (row.shape[1], _CAPTION_PX), "white")
        told = f"row {len(drawn) // 2 + 1}: no font here for its signs"
        draw, room_px = ImageDraw.Draw(strip), row.shape[1] - 4
        letter(draw, (2, 1), [(caption, "black")], size_px=_LETTERS_PX, room_px=room_px, instead=told)
        drawn += [np.asarray(strip), row]
    return np.concatenate(drawn)


def write_look(folder: Path, step: int, look: Look, facts: dict[str, Any]) -> None:
    """Write the two files of one validation."""
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / f"step-{step:08d}.png", encode_png(look.grid))
    write_json(folder / f"step-{step:08d}.json", {"step": step, **facts, **look.losses})


@contextmanager
def _undisturbed(trainer: Trainer) -> Iterator[None]:
    """Use the averaged weights inside the `with` block; restore the current ones afterwards, also after an error."""
    try:
        with trainer.averaged(), torch.compiler.set_stance("force_eager"):
            trainer.unet.eval()  # other shapes must not make a compiled network compile again
            yield
    finally:
        trainer.unet.train()
        if trainer.device.type == "cuda":
            torch.cuda.empty_cache()
