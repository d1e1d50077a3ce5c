"""The finished artifacts that nothing needs: all except the newest reports, their inputs, and pinned ones."""

import os
from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from modeling.runs.checkpoint_names import CHECKPOINTS
from tasks.artifacts.artifact import Artifact, artifacts_of
from tasks.stages import STAGES

BESIDE_REPORTS = ("dataset", "told_apart", "forgetting", "verdicts", "survey")
"""Stages that no report is made of; their artifacts stay while all their inputs stay."""


def unused_folders(workspace: Path, *, keep: int, pinned: Collection[str] = ()) -> list[Path]:
    """Return the folders that may be removed: checkpoints of finished trainings, then artifacts; never interrupted
    work.

    `keep`: number of newest reports that stay. `pinned`: artifacts that stay with all their inputs, such as
    splits/demo-0123abcd. ValueError when there is no report, or a pinned artifact does not exist.
    """
    every = {_name(artifact): artifact for stage in STAGES for artifact in artifacts_of(workspace, stage)}
    reports = [_name(artifact) for artifact in artifacts_of(workspace, "report")]
    if not reports:
        raise ValueError(f"{workspace} has no finished report, so nothing says which artifacts are needed.")
    if missing := [name for name in pinned if name not in every]:
        raise ValueError(f"{workspace} has no finished artifact {missing[0]}; name it as in splits/demo-0123abcd.")
    needed = _with_sources([*reports[-keep:], *pinned], every)
    needed |= {
        name
        for name, artifact in every.items()
        if artifact.manifest["stage"] in BESIDE_REPORTS and set(_sources(artifact, every)) <= needed
    }
    checkpoints = [every[name].path / CHECKPOINTS for name in sorted(needed) if name.startswith("editor/")]
    there = [path for path in checkpoints if path.is_dir() and not path.is_symlink()]
    return there + [artifact.path for name, artifact in every.items() if name not in needed]


def bytes_of(folder: Path) -> int:
    """Return the bytes of the files in a folder, each counted once."""
    return sum(size for size, _, _ in _files([folder]).values())


def bytes_freed(folders: Iterable[Path]) -> int:
    """Return the bytes that removing all these folders frees: a file that has a hard link elsewhere stays."""
    return sum(size for size, links, seen in _files(folders).values() if seen >= links)


def _files(folders: Iterable[Path]) -> dict[tuple[int, int], tuple[int, int, int]]:
    """Return size, number of links, and how many of these are in the folders, of every file."""
    files: dict[tuple[int, int], tuple[int, int, int]] = {}
    for folder in folders:
        for parent, _, names in os.walk(folder):
            for name in names:
                stat = os.lstat(os.path.join(parent, name))
                seen = files.get((stat.st_dev, stat.st_ino), (0, 0, 0))[2]
                files[stat.st_dev, stat.st_ino] = stat.st_size, stat.st_nlink, seen + 1
    return files


def _name(artifact: Artifact) -> str:
    return f"{artifact.path.parent.name}/{artifact.path.name}"


def _with_sources(names: Iterable[str], every: dict[str, Artifact]) -> set[str]:
    needed: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += _sources(every[name], every)
    return needed


def _sources(artifact: Artifact, every: dict[str, Artifact]) -> Iterator[str]:
    """Yield the inputs of an artifact: found by name, by content under another label, or by their files."""
    for input_ in artifact.manifest["inputs"].values():
        if "artifact" in input_:
            stage = str(input_["artifact"]).split("/")[0]
            yield from (
                name
                for name, other in every.items()
                if name == input_["artifact"] or (other.manifest["stage"] == stage and other.digest == input_["digest"])
            )
        else:  # for example a file of the drawn kitchen
            parts = Path(str(input_["outside"])).parts
            yield from (name for name in map("/".join, pairwise(parts)) if name in every)
