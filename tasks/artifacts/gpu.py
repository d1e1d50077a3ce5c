"""Two trainings never share a card: a lock for each GPU of this machine, whatever workspaces they are of.

A card is known by its UUID where nvidia-smi tells it, so that a number, a number among CUDA_VISIBLE_DEVICES and a UUID
there are the same card; else by its number.
"""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tasks.artifacts.locks import Holder, locked

ASK_UUIDS = ("nvidia-smi", "--query-gpu=index,uuid", "--format=csv,noheader")
ANSWER_WITHIN_S = 30.0


def gpus_of(device: str, processes: int = 1) -> list[str]:
    """Return the cards that a training on a torch device uses, sorted; none where it is no GPU.

    auto is the first GPU where the machine has one. Several processes take the first cards, one each.
    """
    if device == "auto" and not Path("/dev/nvidia0").exists():
        return []
    if device != "auto" and not device.startswith("cuda"):
        return []
    number = device.partition(":")[2] or "0"
    numbers = [str(process) for process in range(processes)] if processes > 1 else [number]
    visible = [part.strip() for part in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if part.strip()]
    named = [visible[int(number)] if number.isdigit() and int(number) < len(visible) else number for number in numbers]
    uuids = _uuids()
    return sorted({_whole(uuids.get(number, number), uuids.values()) for number in named})


def _uuids() -> dict[str, str]:
    """Return number -> UUID of the machine's cards; {} where nothing tells them."""
    try:
        done = subprocess.run(ASK_UUIDS, capture_output=True, text=True, timeout=ANSWER_WITHIN_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    pairs = [line.split(",") for line in done.stdout.splitlines()]
    return {pair[0].strip(): pair[1].strip() for pair in pairs if len(pair) == 2}


def _whole(name: str, uuids: Iterable[str]) -> str:
    """Return the UUID that a name begins: CUDA takes GPU-8932f937 for GPU-8932f937-d72c-...."""
    whole = [uuid for uuid in uuids if name.startswith("GPU-") and uuid.startswith(name)]
    return whole[0] if len(whole) == 1 else name


@contextmanager
def gpus_to_itself(device: str, on_wait: Callable[[Holder, float], None], processes: int = 1) -> Iterator[None]:
    """Hold the lock of each card of a training, waiting for those that have them; nothing where it uses no GPU.

    The cards are taken in the order of their names, so that two trainings of several never wait for each other.
    """
    with ExitStack() as held:
        for gpu in gpus_of(device, processes):
            held.enter_context(locked(_lock_of(gpu), on_wait))
        yield


def _lock_of(gpu: str) -> Path:
    name = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in gpu)
    return Path(tempfile.gettempdir()) / f"editaction-{os.geteuid()}-gpu-{name}.lock"
