"""Older artifacts of training + a config -> the one whose checkpoint a longer run continues, or why there is none.

The checkpoint and the log are linked or copied into the new artifact's folder; the older artifact does not change.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from modeling.atomic import atomic_folder, write_bytes
from modeling.config import TrainConfig
from modeling.runs.checkpoint_names import CHECKPOINTS, STATE, checkpoints, name_of
from modeling.runs.further import differs_in, why_not_further
from modeling.runs.log import METRICS
from tasks.artifacts.artifact import Artifact
from tasks.artifacts.swapping import link_or_copy


@dataclass(frozen=True, kw_only=True)
class ShorterRun:
    """A finished training that differs only in having fewer steps."""

    artifact: Artifact
    num_steps: int
    """Number of steps of the shorter run."""
    checkpoint: Path | None
    """The checkpoint that a longer run continues; None when it cannot."""
    sentence: str
    """A sentence about it for people."""


def shorter_run(artifacts: Iterable[Artifact], config: TrainConfig, inputs: Mapping[str, str]) -> ShorterRun | None:
    """Return the longest finished training that differs from `config` only in being shorter; None without one.

    `inputs`: name -> digest of what training reads.
    """
    alike = [
        artifact
        for artifact in artifacts
        if differs_in(artifact.manifest["config"], config) == {"num_steps"}
        and {name: told["digest"] for name, told in artifact.manifest["inputs"].items()} == inputs
        and artifact.manifest["config"]["num_steps"] < config.num_steps
    ]
    if not alike:
        return None
    artifact = max(alike, key=lambda candidate: int(candidate.manifest["config"]["num_steps"]))
    num_steps, name = int(artifact.manifest["config"]["num_steps"]), artifact.path.name
    checkpoint = artifact.path / CHECKPOINTS / name_of(num_steps)
    why = why_not_further(config, num_steps)
    if not why and not ((checkpoint / STATE).is_file() and (artifact.path / METRICS).is_file()):
        why = "its checkpoint is gone"
    sentence = f"from step 0, not further from the {num_steps:,} steps of {name}: {why}"
    if not why:
        sentence = f"goes on after the {num_steps:,} steps of {name}"
    return ShorterRun(artifact=artifact, num_steps=num_steps, checkpoint=None if why else checkpoint, sentence=sentence)


def take_up(shorter: ShorterRun, folder: Path) -> None:
    """Put the checkpoint of a shorter run and its log into `folder`, unless it already has a checkpoint."""
    checkpoint, there = shorter.checkpoint, folder / CHECKPOINTS
    if checkpoint is None or checkpoints(there):
        return
    # The log first: a checkpoint without its log would be an error, a log without a checkpoint is begun anew.
    write_bytes(folder / METRICS, (shorter.artifact.path / METRICS).read_bytes())
    with atomic_folder(there / checkpoint.name) as temporary:
        for source in sorted(checkpoint.iterdir()):
            link_or_copy(source, temporary / source.name)
