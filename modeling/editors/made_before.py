"""Pictures made before by any other system: looked up by source picture, instruction and seed, and squashed."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from modeling.data.images import Picture, read_image, squash
from modeling.editors.interface import OnProgress, check_lengths, no_pictures

EditKey = tuple[str, str, int | None]
"""Digest of the source picture, instruction, seed; seed None: the picture stands for every seed."""


@dataclass(frozen=True, kw_only=True)
class MadeBeforeConfig:
    """How pictures made before are shown."""

    size_px: int = 512
    """Side of the square that they are squashed to."""


def edit_key(image: Picture, instruction: str, seed: int | None) -> EditKey:
    """Return by what a picture made before is found: its source's pixels and shape, its instruction and its seed."""
    digest = hashlib.sha256(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes()).hexdigest()
    return digest, instruction, seed


class MadeBefore:
    """A system whose edits are files."""

    def __init__(self, files: Mapping[EditKey, Path]):
        self._files = dict(files)

    @property
    def is_deterministic(self) -> bool:
        """Whether no picture is bound to a seed."""
        return all(seed is None for _, _, seed in self._files)

    def edit(
        self,
        images: Sequence[Picture] | Picture,
        instructions: Sequence[str],
        seeds: Sequence[int],
        config: MadeBeforeConfig,
        *,
        batch_size: int | None = None,
        on_progress: OnProgress | None = None,
    ) -> Picture:
        """Return the pictures made for these sources, instructions and seeds; ValueError names a missing one."""
        check_lengths(images, instructions, seeds)
        found = [self._file_of(*each) for each in zip(images, instructions, seeds, strict=True)]
        pictures = [squash(read_image(path), config.size_px) for path in found]
        if on_progress is not None:
            on_progress(len(pictures), len(pictures))
        return np.stack(pictures) if pictures else no_pictures(config.size_px)

    def _file_of(self, image: Picture, instruction: str, seed: int) -> Path:
        for key in (edit_key(image, instruction, seed), edit_key(image, instruction, None)):
            if key in self._files:
                return self._files[key]
        raise ValueError(
            f"No picture was made before for {instruction!r} and seed {seed}; {len(self._files)} are here."
        )
