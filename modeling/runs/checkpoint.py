"""The whole state of a training run <-> `step-00000500/{tensors.safetensors, state.json}`.

A checkpoint appears only when it is complete; older ones are removed only after a newer one is safe. `best.json` beside
them holds {name: score, lower is better} of the checkpoints that an evaluation named best; these stay as well.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from modeling.atomic import atomic_folder, check_replaceable, write_json
from modeling.runs.checkpoint_names import BEST, CHECKPOINTS, STATE, TENSORS, checkpoints, name_of


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The state of a run after `num_steps_done` steps."""

    run: str
    """Digest of config, start and examples, so that no checkpoint of another run is resumed."""
    num_steps_done: int
    """Optimiser steps done; the next step's number."""
    tensors: Mapping[str, Tensor]
    """Weights, averages and moments by name."""
    state: Mapping[str, Any]
    """Counters; JSON."""


def check_out(out: Path) -> None:
    """Raise FileExistsError before any work when the trained editor would replace somebody else's folder."""
    if not (out / CHECKPOINTS).is_dir():
        for name in ("raw_unet", "pipeline"):
            check_replaceable(out / name)


def best_checkpoints(folder: Path) -> dict[str, float]:
    """Return {name: score} of the best checkpoints that exist, best first."""
    named = json.loads((folder / BEST).read_text(encoding="utf-8")) if (folder / BEST).is_file() else {}
    there = {path.name for path in checkpoints(folder)}
    return dict(
        sorted(
            ((name, score) for name, score in named.items() if name in there), key=lambda named_score: named_score[1]
        )
    )


def name_best(folder: Path, num_steps_done: int, score: float, *, keep: int) -> bool:
    """Keep a checkpoint if its score (lower is better) is among the best `keep`; return whether it is."""
    scores = best_checkpoints(folder) | {name_of(num_steps_done): score}
    best = dict(sorted(scores.items(), key=lambda named_score: named_score[1])[:keep])
    write_json(folder / BEST, best)
    return name_of(num_steps_done) in best


def save_checkpoint(folder: Path, checkpoint: Checkpoint, *, keep_last: int) -> Path:
    """Write a checkpoint atomically and then remove all but the last `keep_last` and those that were named best.

    OSError with a clear message when it cannot be written (a full disk, say); the older ones are then still there.
    """
    path = folder / name_of(checkpoint.num_steps_done)
    if (path / STATE).is_file():  # this run, or the one that it resumes, has just written it
        return path
    state = {"run": checkpoint.run, "num_steps_done": checkpoint.num_steps_done, **checkpoint.state}
    try:
        with atomic_folder(path, replaces=TENSORS) as temporary:
            save_file({name: tensor.detach().cpu() for name, tensor in checkpoint.tensors.items()}, temporary / TENSORS)
            (temporary / STATE).write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
    except (OSError, SafetensorError) as error:
        last = checkpoints(folder)
        kept = f"the last good one is {last[-1]}" if last else "there is no earlier one"
        raise OSError(
            f"{path}: the checkpoint could not be written ({error}); {kept}. Make room and start the same command "
            "again: it goes on from there."
        ) from error
    remove_older(folder, keep_last=keep_last)
    return path


def remove_older(folder: Path, *, keep_last: int) -> None:
    """Remove all but the last `keep_last` checkpoints and those that were named best."""
    best = best_checkpoints(folder)
    for old in checkpoints(folder)[:-keep_last]:
        if old.name not in best:
            shutil.rmtree(old)


def load_checkpoint(
    folder: Path, run: str, name: str | None = None, *, is_same: Callable[[str, int, int], bool] | None = None
) -> Checkpoint | None:
    """Return the newest checkpoint, or None where there is none; ValueError when it belongs to another run.

    name: take this one instead, or, for "best", the best that was named; ValueError where it is not there.
    is_same(digest, steps planned, steps done): whether a run of another digest is this one but for its length.
    """
    path_of = {path.name: path for path in checkpoints(folder)}
    if name == "best":
        name = next(iter(best_checkpoints(folder)), name)
    if name is not None and name not in path_of:
        raise ValueError(f"{folder} has no checkpoint {name!r}; it has {', '.join(path_of) or 'none'}.")
    if not path_of:
        return None
    path = path_of[name] if name is not None else list(path_of.values())[-1]
    state = json.loads((path / STATE).read_text(encoding="utf-8"))
    check_run(path, state, run, is_same)
    del state["run"]
    return Checkpoint(
        run=run,
        num_steps_done=state.pop("num_steps_done"),
        tensors=load_file(path / TENSORS),
        state=state,
    )


def check_run(
    path: Path, state: Mapping[str, Any], run: str, is_same: Callable[[str, int, int], bool] | None = None
) -> None:
    """ValueError where the checkpoint at `path` belongs to another run, or to one that cannot go on."""
    if state["run"] == run:
        return
    why = "with another config, start or data"
    try:
        # Older checkpoints do not say for how many steps they were planned; those of a finished run have them all.
        done = int(state["num_steps_done"])
        if is_same is not None and is_same(str(state["run"]), int(state.get("num_steps", done)), done):
            return
    except ValueError as error:
        why = f"of another length: {error}"
    raise ValueError(
        f"{path} belongs to a run {why}. Choose another output folder, or remove {path.parent} to train anew."
    )
