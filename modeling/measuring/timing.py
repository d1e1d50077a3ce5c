"""A system that edits + pictures -> seconds per picture, by one protocol for all systems (the paper's Table 4).

Protocol: weights are loaded and pictures decoded before the clock starts. Each batch size gets warm-up calls that are
not counted, then counted calls of `edit` (tokenizing, encoding, denoising, decoding), each from a synchronised device
to a synchronised device. The median call counts. Passes are counted at the denoising network, not taken from a config.
Unlike the paper: it states neither device, batch, precision nor warm-up.
"""

import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from modeling.data.images import Picture
from modeling.editors.interface import EditingSystem


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """The numbers of calls and the batch sizes of a timing."""

    num_warm_up: int = 1
    """Calls before the clock starts."""
    num_calls: int = 3
    """Calls that are timed."""


def device_of(system: EditingSystem) -> torch.device:
    """Return the torch device of a system."""
    holder: Any = getattr(system, "model", system)
    return torch.device(getattr(holder, "device", "cpu"))


def device_name(device: torch.device) -> str:
    """Return the device in words, such as "NVIDIA H100" or "cpu x86_64, 2 threads"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} {platform.machine()}, {torch.get_num_threads()} threads"


def seconds_per_picture(
    system: EditingSystem,
    pictures: Sequence[Picture],
    instructions: Sequence[str],
    config: Any,
    protocol: Protocol,
) -> dict[str, Any]:
    """Time edits of all pictures in one batch.

    Returns batch_size, seconds_per_picture (median call), fastest and slowest (of a picture too), and
    passes_per_picture: pictures that went through the denoising network, over edited pictures; None where it is not
    known. RuntimeError or ValueError of the system where the batch cannot be edited.
    """
    device = device_of(system)
    seeds = list(range(len(pictures)))

    def edit() -> None:
        system.edit(pictures, instructions, seeds, config, batch_size=len(pictures))
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    counter = _Passes(system)
    try:
        for _ in range(protocol.num_warm_up):
            edit()
        counter.num_rows = 0
        seconds = []
        for _ in range(protocol.num_calls):
            began = time.perf_counter()
            edit()
            seconds.append((time.perf_counter() - began) / len(pictures))
    finally:
        counter.remove()
    return {
        "batch_size": len(pictures),
        "seconds_per_picture": round(statistics.median(seconds), 6),
        "fastest": round(min(seconds), 6),
        "slowest": round(max(seconds), 6),
        "passes_per_picture": counter.per_picture(len(pictures) * protocol.num_calls),
    }


class _Passes:
    """Counts the rows that go through a system's U-Net."""

    def __init__(self, system: EditingSystem) -> None:
        unet = getattr(getattr(system, "model", system), "unet", None)
        self.num_rows = 0
        self._hook = None if unet is None else unet.register_forward_pre_hook(self._count, with_kwargs=True)

    def _count(self, unet: torch.nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        sample = arguments[0] if arguments else named["sample" if "sample" in named else "hidden_states"]
        self.num_rows += len(sample)

    def per_picture(self, num_pictures: int) -> float | None:
        """Return the passes of one picture; None without a U-Net."""
        return None if self._hook is None else round(self.num_rows / num_pictures, 3)

    def remove(self) -> None:
        """Count no more."""
        if self._hook is not None:
            self._hook.remove()
