"""Training examples -> latents and embedded instructions, encoded once at the start of a run where memory allows.

The condition's latent is its mode. For the edited picture mean and standard deviation are kept, because each step
samples from them. Mirrored pictures are encoded too: an autoencoder's latents of a mirrored picture are not its
mirrored latents. An instruction that many examples share is embedded once.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from modeling.config import CacheMode
from modeling.data.images import Picture, to_tensor
from modeling.data.loader import Examples
from modeling.data.reading import Pair, PictureReader
from modeling.editors.instruct_pix2pix import Editor

Tick = Callable[[int, int], None]
"""Called with (done, total) while the work goes on; it may raise an exception to stop the work."""
MEMORY_SHARE = 0.4
"""`auto` caches latents that take at most this share of the free memory."""


@dataclass(frozen=True, kw_only=True)
class LatentBatch:
    """Latents of b examples on the editor's device, fp32 [b, C, H, W]."""

    condition: Tensor
    """Modes of the source pictures, unscaled."""
    target: Tensor
    """Means of the edited pictures' latents, scaled."""
    spread: Tensor | None
    """Scaled standard deviations of the latents; None for an autoencoder without any."""


class LatentSource(Protocol):
    """Gives the latents of examples, mirrored or not."""

    def take(self, examples: NDArray[np.int64], flips: NDArray[np.bool_]) -> LatentBatch:
        """Return the latents of `examples` [b]; those with `flips` [b] mirrored."""
        ...

    def expect(self, examples: NDArray[np.int64], flips: NDArray[np.bool_]) -> None:
        """Announce the examples that `take` will get in the next step, in one call or in several."""
        ...


class FreshLatents:
    """Reads and encodes the pictures at every call."""

    def __init__(self, editor: Editor, examples: Examples, size_px: int, *, workers: int = 0):
        self._editor = editor
        self._reader = PictureReader(examples, size_px, workers=workers)

    def take(self, examples: NDArray[np.int64], flips: NDArray[np.bool_]) -> LatentBatch:
        """Read, mirror and encode."""
        return self.encode(*self._reader.read(examples, flips))

    def encode(self, source: Picture, edited: Picture) -> LatentBatch:
        """Encode the pictures before and after: uint8 [b, S, S, 3] each."""
        source_tensor, edited_tensor = to_tensor(source), to_tensor(edited)
        target, spread = self._editor.encode_target(edited_tensor)
        return LatentBatch(condition=self._editor.encode_condition(source_tensor), target=target, spread=spread)

    def pictures_in_order(self) -> Iterator[Pair]:
        """Yield the two pictures of every example in order."""
        return self._reader.in_order()

    def expect(self, examples: NDArray[np.int64], flips: NDArray[np.bool_]) -> None:
        """Begin to read."""
        self._reader.expect(examples, flips)


class CachedLatents:
    """All examples' latents, in memory."""

    def __init__(self, latents: Sequence[Tensor], num_examples: int, device: torch.device):
        self._latents = latents  # condition, target and perhaps spread: [N or 2 N, C, H, W]; mirrored ones last
        self._num_examples = num_examples
        self._device = device

    def take(self, examples: NDArray[np.int64], flips: NDArray[np.bool_]) -> LatentBatch:
        """Look up."""
        rows = torch.from_numpy(examples + self._num_examples * flips).to(self._latents[0].device)
        latents = [latent[rows].to(self._device, torch.float32, non_blocking=True) for latent in self._latents]
        return LatentBatch(condition=latents[0], target=latents[1], spread=latents[2] if len(latents) > 2 else None)

    def expect(self, examples: NDArray[np.int64], flips: NDArray[np.bool_]) -> None:
        """Do nothing: all latents are in memory."""


def latent_source(
    editor: Editor,
    examples: Examples,
    *,
    size_px: int,
    with_flips: bool,
    dtype: torch.dtype,
    mode: CacheMode,
    tick: Tick,
    workers: int = 0,
) -> LatentSource:
    """Return the examples' latents; cached in `dtype` where `mode` says so or, for auto, where they fit into memory."""
    fresh = FreshLatents(editor, examples, size_px, workers=workers)
    copies = 2 if with_flips else 1
    probe = fresh.take(np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.bool_))
    num_kinds = 2 if probe.spread is None else 3
    needed = len(examples) * copies * num_kinds * probe.target.numel() * dtype.itemsize
    if mode == "off" or (mode == "auto" and needed > MEMORY_SHARE * free_memory(torch.device("cpu"))):
        return fresh
    home = editor.device if needed < MEMORY_SHARE * free_memory(editor.device) / 2 else torch.device("cpu")
    shape = (copies * len(examples), *probe.target.shape[1:])
    latents = [torch.empty(shape, dtype=dtype, device=home) for _ in range(num_kinds)]
    num_at_once = max(1, min(256, 16 * 256**2 // size_px**2))
    done = 0
    for pictures in _in_chunks(fresh.pictures_in_order(), num_at_once):
        for flipped in range(copies):
            turned = [np.ascontiguousarray(picture[:, :, ::-1]) if flipped else picture for picture in pictures]
            batch = fresh.encode(*turned)
            first = flipped * len(examples) + done
            for kept, new in zip(latents, (batch.condition, batch.target, batch.spread), strict=False):
                assert new is not None
                kept[first : first + len(new)] = new.to(kept)
        done += len(pictures[0])
        tick(done * copies, shape[0])
    return CachedLatents(latents, len(examples), editor.device)


def _in_chunks(pairs: Iterator[Pair], size: int) -> Iterator[list[Picture]]:
    """Yield stacks of up to `size` pictures before and after: two uint8 [b, S, S, 3]."""
    while chunk := list(islice(pairs, size)):
        yield [np.stack(pictures) for pictures in zip(*chunk, strict=True)]


def embed_texts(editor: Editor, texts: Sequence[str], *, dtype: torch.dtype, tick: Tick) -> Tensor:
    """Return the embedded texts [len(texts) + 1, L, D] in `dtype`; the last one is the empty text."""
    every = [*texts, ""]
    num_at_once = 64
    states = []
    for first in range(0, len(every), num_at_once):
        states.append(editor.encode_text(every[first : first + num_at_once]).to(dtype))
        tick(min(first + num_at_once, len(every)), len(every))
    embedded = torch.cat(states)
    # Inference tensors cannot be saved for a backward pass; a clone outside that mode can.
    return embedded.clone()


def free_memory(device: torch.device) -> int:
    """Return the bytes that are free on `device`."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        for line in meminfo.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
