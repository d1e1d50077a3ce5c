"""Names of a training run's checkpoints and of the files in them, for all who look for them. Imports no torch."""

from pathlib import Path

CHECKPOINTS = "checkpoints"
"""Folder of the checkpoints in the folder of a run."""
TENSORS, STATE, BEST = "tensors.safetensors", "state.json", "best.json"


def checkpoints(folder: Path) -> list[Path]:
    """Return the whole checkpoints in `folder`, oldest first."""
    return sorted(path.parent for path in folder.glob(f"step-*/{STATE}"))


def name_of(num_steps_done: int) -> str:
    """Return the name of the checkpoint after `num_steps_done` steps."""
    return f"step-{num_steps_done:08d}"


def steps_of(checkpoint: Path) -> int:
    """Return the number of steps after which a checkpoint was saved: the inverse of `name_of`."""
    return int(checkpoint.name.removeprefix("step-"))
