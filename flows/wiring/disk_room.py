"""Disk space for training: a lower estimate for checkpoints and editors, compared with the free space."""

import shutil
from pathlib import Path

from flows.wiring.job import Job
from modeling.runs.saving_time import unet_bytes


def check_disk(job: Job) -> None:
    """Check that the disk has space for checkpoints and editors: a lower estimate, of training alone."""
    num_editors = len(job.request.methods) * max(1, len(job.request.training_seeds))
    place = job.workspace.resolve()
    while not place.exists():
        place = place.parent
    message = no_room(
        str(job.workspace),
        free=shutil.disk_usage(place).free,
        weights=unet_bytes(Path(job.config.start)),
        num_editors=num_editors,
    )
    if message:
        raise ValueError(message)


def no_room(workspace: str, *, free: float, weights: float, num_editors: int) -> str:
    """Return an error when `free` bytes are too few for the editors, whose U-Nets have `weights` bytes each; else "".

    Each editor is written twice (raw and averaged) and keeps a checkpoint of weights, average and two moments; a new
    checkpoint is written before the old one goes.
    """
    needed = num_editors * (2 + 4) * weights + 4 * weights
    if free >= needed:
        return ""
    return (
        f"--workspace {workspace}: {free / 2**30:.1f} GiB are free, and training takes {needed / 2**30:.1f} GiB at "
        f"least (checkpoints and {num_editors} editors). Make room, or name a workspace on another disk."
    )
