"""An editor + pairs -> its error under each pair's instruction and under other instructions, at the same noise.

The editor "tells apart" c from c' where e_c < e_c': the posterior of the right instruction, of the two, is then above
one half. Noise and timestep of a pair depend on seed, pair and draw alone, so all editors are asked the same.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from modeling.data.loader import Examples
from modeling.diffusion.schedule import NoiseSchedule, predict
from modeling.editors.instruct_pix2pix import Editor
from modeling.objective.losses import squared_error
from modeling.objective.negatives import Negatives, NegativeSampler
from modeling.training.latents import embed_texts, latent_source

PAIRS_AT_ONCE = 32
"""Pairs in one forward pass, each under several instructions."""


def noise_and_timestep(
    seed: int, segment_id: str, draw: int, num_draws: int, shape: Sequence[int], num_timesteps: int
) -> tuple[NDArray[np.float32], int]:
    """Return the noise and the timestep of one draw of a pair; its draws lie in `num_draws` equal parts of the time."""
    digest = hashlib.sha256(f"{seed}/{segment_id}/{draw}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    timestep = int((draw + rng.random()) / num_draws * num_timesteps)
    return rng.standard_normal(tuple(shape), dtype=np.float32), timestep


def is_found(negatives: Negatives) -> NDArray[np.bool_]:
    """Return for each row whether c' is of the requested kind; a fall-back counts as False."""
    return (negatives.levels == 0) if negatives.is_preferred is None else negatives.is_preferred


class Asked:
    """The encoded pairs, with the instructions that they are compared under."""

    def __init__(self, editor: Editor, examples: Examples, samplers: Mapping[str, NegativeSampler], size_px: int):
        """Take the pairs and one sampler of other instructions per kind; all samplers share their `unique`
        instructions.
        """
        self._editor = editor
        self._samplers = samplers
        self.segment_ids = examples.segment_ids
        self._schedule = NoiseSchedule(editor.scheduler.config, editor.device)
        self._shape = editor.latent_shape(size_px)
        first = next(iter(samplers.values()))
        self._numbers = first.number_of_example
        self._texts = embed_texts(editor, first.unique, dtype=torch.float32, tick=lambda done, total: None)
        self._latents = latent_source(
            editor,
            examples,
            size_px=size_px,
            with_flips=False,
            dtype=torch.float32,
            mode="on",
            tick=lambda done, total: None,
            workers=1,
        )

    @torch.inference_mode()
    def errors(self, rows: NDArray[np.int64], *, seed: int, draw: int, num_draws: int) -> list[dict[str, Any]]:
        """Return one record per pair: `timestep`, `own` (e_c), and e_c' by kind (None where there is no c' of that
        kind).
        """
        drawn = [
            noise_and_timestep(seed, self.segment_ids[row], draw, num_draws, self._shape, self._schedule.num_timesteps)
            for row in rows.tolist()
        ]
        noise = torch.from_numpy(np.stack([draw for draw, _ in drawn])).to(self._editor.device)
        timesteps = torch.tensor([draw for _, draw in drawn], device=self._editor.device)
        latents = self._latents.take(rows, np.zeros(len(rows), dtype=np.bool_))
        noisy = self._schedule.add_noise(latents.target, noise, timesteps)
        goal = self._schedule.target(latents.target, noise, timesteps)
        # Rows are numbered over the whole set, so the result does not depend on the batch size.
        every = np.arange(len(self.segment_ids))
        drawn_negatives = {name: sampler.draw(every, seed=seed, step=draw) for name, sampler in self._samplers.items()}
        error_of = {"own": self._error(noisy, goal, latents.condition, timesteps, self._numbers[rows])}
        for name, negatives in drawn_negatives.items():
            numbers = np.maximum(negatives.instructions[rows], 0)
            error_of[name] = self._error(noisy, goal, latents.condition, timesteps, numbers)
        records: list[dict[str, Any]] = []
        for place, row in enumerate(rows.tolist()):
            record: dict[str, Any] = {"segment_id": self.segment_ids[row], "draw": draw}
            record |= {"timestep": drawn[place][1], "own": round(float(error_of["own"][place]), 7)}
            for name, negatives in drawn_negatives.items():
                is_there = bool(is_found(negatives)[row])
                record[name] = round(float(error_of[name][place]), 7) if is_there else None
            records.append(record)
        return records

    def _error(
        self, noisy: Tensor, goal: Tensor, condition: Tensor, timesteps: Tensor, numbers: NDArray[np.int64]
    ) -> Tensor:
        text = self._texts[torch.from_numpy(numbers)].to(self._editor.device)
        return squared_error(predict(self._editor.unet, noisy, condition, timesteps, text), goal)
