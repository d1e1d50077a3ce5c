"""Variants of the same work -> seconds of each, taken in turns, and ratios between them.

On a CPU the seconds are this process's CPU seconds, which other load disturbs little; on a GPU they are wall-clock
seconds between synchronisations. Variants take turns, and the median of the turns' ratios is the result.
"""

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """The time of one turn of a variant."""

    wall: float
    """Wall-clock seconds."""
    cpu: float
    """CPU seconds of this process, all threads."""
    used: float
    """The seconds that count: CPU seconds on a CPU, wall-clock seconds on a GPU."""


def timed(work: Callable[[], object], device: torch.device) -> Seconds:
    """Do the work once and return its seconds."""
    _synchronise(device)
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    _synchronise(device)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Seconds(wall=wall, cpu=cpu, used=wall if device.type == "cuda" else cpu)


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def in_turns(
    variants: Mapping[str, Callable[[], object]],
    *,
    num_turns: int,
    device: torch.device,
    max_seconds: float = math.inf,
    warm_up: Mapping[str, Callable[[], object]] | None = None,
) -> dict[str, list[Seconds]]:
    """Run every variant once per turn, after one turn that does not count; return each variant's seconds, turn by turn.

    No turn begins after `max_seconds`, but there is always one. `warm_up`: the work of the turn that does not count
    (default: the variants).
    """
    for work in (warm_up or variants).values():
        work()
    taken: dict[str, list[Seconds]] = {name: [] for name in variants}
    began_at = time.monotonic()
    for turn in range(num_turns):
        if turn and time.monotonic() - began_at > max_seconds:
            break
        order = list(variants) if turn % 2 == 0 else list(variants)[::-1]
        for name in order:
            taken[name].append(timed(variants[name], device))
            print(f"turn {turn + 1} of {num_turns}, {name}: {taken[name][-1].used:.2f} s", flush=True)
    return taken


def median_ratio(slower: list[Seconds], faster: list[Seconds], *, per: float = 1.0) -> float:
    """Return the median over turns of the seconds of `slower` over those of `faster`, times `per`."""
    return statistics.median(a.used / b.used for a, b in zip(slower, faster, strict=True)) * per


def median_of(seconds: list[Seconds], kind: str = "used") -> float:
    """Return the median of one kind of seconds."""
    return statistics.median(getattr(second, kind) for second in seconds)


def machine_of(device: torch.device) -> dict[str, object]:
    """Describe the device that computed."""
    if device.type == "cuda":
        return {"device": torch.cuda.get_device_name(device), "torch": torch.__version__}
    return {"device": "cpu", "threads": torch.get_num_threads(), "torch": torch.__version__}
