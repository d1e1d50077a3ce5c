"""Two trainings never share a card: one lock per GPU of this machine, for all workspaces."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.artifacts.locks import Holder, locked


def gpu_of(device: str) -> str | None:
    """Return the number of a torch device's GPU on this machine; None for another device. CUDA_VISIBLE_DEVICES is
    followed.

    auto means the first GPU where the machine has one.
    """
    if device == "auto" and not Path("/dev/nvidia0").exists():
        return None
    if device != "auto" and not device.startswith("cuda"):
        return None
    number = device.partition(":")[2] or "0"
    visible = [each.strip() for each in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if each.strip()]
    return visible[int(number)] if number.isdigit() and int(number) < len(visible) else number


@contextmanager
def gpu_to_itself(device: str, on_wait: Callable[[Holder, float], None]) -> Iterator[None]:
    """Hold the lock of the device's GPU, waiting for the training that has it; nothing where it is no GPU."""
    gpu = gpu_of(device)
    if gpu is None:
        yield
        return
    with locked(Path(tempfile.gettempdir()) / f"editaction-{os.geteuid()}-gpu-{gpu}.lock", on_wait):
        yield
