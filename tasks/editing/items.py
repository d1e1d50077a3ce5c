"""An item of the edits stage -> its pictures as files: edits, or ground truths through the editor's autoencoder.

The stage's own process works on it, or a process of a Dask cluster; each process loads the editor once, when its first
item needs it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from evaluation.scoring.measures import TRUTH_VAE
from modeling.atomic import write_bytes
from modeling.data.example import Example
from modeling.data.images import encode_png
from modeling.data.loader import Examples
from modeling.editors.instruct_pix2pix import Editor
from modeling.editors.interface import EditingSystem
from modeling.editors.load import INSTRUCT_PIX2PIX, load_system
from modeling.editors.reconstruction import through_autoencoder
from tasks.artifacts.artifact import Input, Record, editor_location
from tasks.artifacts.failures import Failure, ends_the_stage, failed, guarded
from tasks.artifacts.keyed_hash import picture_seed
from tasks.config import MethodEditsConfig
from tasks.editing.batches import (
    AnyEdits,
    Batch,
    file_name,
    for_all_seeds,
    instruction_of,
    records_of,
    settings_of,
    without_image,
)

telling: ContextVar[Callable[[int, int], None] | None] = ContextVar("telling", default=None)
"""Function that gets the number of finished pictures of the current item, and of all; None on other machines."""


@contextmanager
def telling_of_pictures(tell: Callable[[int, int], None]) -> Iterator[None]:
    """Let `tell` know of the pictures that this process finishes inside the `with` block."""
    token = telling.set(tell)
    try:
        yield
    finally:
        telling.reset(token)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What all items of a stage share: the editor, its settings, where the examples are, and where pictures go."""

    editor: Input
    """The editor's artifact, or one from outside."""
    config: AnyEdits
    """Settings of the editing."""
    shards: tuple[Path, ...]
    """Tars of the test examples."""
    folder: Path
    """The stage's folder."""
    device: str
    """cpu, cuda or auto."""
    num_threads: int
    """Threads of torch in each process: sums depend on their number."""

    def examples(self, batch: Batch) -> list[Example]:
        """Read the examples of a batch."""
        examples, index_of = _examples(self.shards)
        return [examples[index_of[row["segment_id"]]] for row in batch.rows]

    @property
    def system(self) -> EditingSystem:
        """The editor, loaded at its first use."""
        name = self.config.method if isinstance(self.config, MethodEditsConfig) else INSTRUCT_PIX2PIX
        place = editor_location(self.editor)
        return _system(name, place, self.editor.digest, self.device, settings_of(self.config).precision)


@dataclass(frozen=True, kw_only=True)
class Edited:
    """What became of an item."""

    kept: list[Record] = field(default_factory=list)
    """Records of the edits."""
    rejected: list[Record] = field(default_factory=list)
    """Records of the pictures that failed."""
    files: list[str] = field(default_factory=list)
    """Written pictures, relative to the stage's folder."""


@lru_cache(maxsize=1)
def _examples(shards: tuple[Path, ...]) -> tuple[Examples, dict[str, int]]:
    tested = Examples(sorted(set(shards)))
    return tested, {segment_id: index for index, segment_id in enumerate(tested.segment_ids)}


@lru_cache(maxsize=1)
def _system(name: str, location: str, digest: str, device: str, precision: Any) -> EditingSystem:
    """Load an editor once in this process; `digest` tells a rebuilt one in the same place from the one before."""
    try:
        return load_system(name, location, device, precision)
    except Exception as error:
        raise ends_the_stage(error)  # noqa: B904 (the same error: without an editor no picture can be edited)


@contextmanager
def loaded_for_a_while() -> Iterator[None]:
    """Free what this process has loaded at the end of the `with` block."""
    try:
        yield
    finally:
        _system.cache_clear()
        _examples.cache_clear()


def edit_item(bench: Bench, batch: Batch) -> Edited:
    """Edit a batch, or pass its ground truths through the autoencoder; a picture that fails is a rejected record."""
    torch.set_num_threads(bench.num_threads)
    examples = bench.examples(batch)
    return _pass_truths(bench, batch, examples) if batch.is_truth else _edit(bench, batch, examples)


def all_failed(batch: Batch, config: AnyEdits, failure: Failure) -> Edited:
    """Return what becomes of a batch without a result: each of its pictures failed."""
    why = failed(failure.reason, f"{batch.name}: {failure.message}", transient=failure.transient)
    if batch.is_truth:
        rows = [{"segment_id": row["segment_id"], "split": row["split"], "made": TRUTH_VAE} for row in batch.rows]
        return Edited(rejected=[row | why for row in rows])
    rejected = [without_image(record) | why for record in records_of(batch, config)]
    return Edited(rejected=for_all_seeds(rejected, config))


def _edit(bench: Bench, batch: Batch, examples: list[Example]) -> Edited:
    """Edit a batch at once; when that fails, edit its pictures one by one, each with its own outcome."""
    config = bench.config

    def edit(part: list[Example]) -> list[str]:
        return _write_edits(bench, batch, part)

    names = guarded(edit, examples)
    if not isinstance(names, Failure):
        kept = for_all_seeds(list(records_of(batch, config)), config)
        return Edited(kept=kept, files=names)
    done, rejected = [], []
    for record, example in zip(records_of(batch, config), examples, strict=True):
        alone = guarded(edit, [example])
        if isinstance(alone, Failure):
            why = failed(alone.reason, f"{example.segment_id}: {alone.message}", transient=alone.transient)
            rejected.append(without_image(record) | why)
        else:
            done.append(record)
    files = [record["image"] for record in done]
    kept, rejected = for_all_seeds(done, config), for_all_seeds(rejected, config)
    return Edited(kept=kept, rejected=rejected, files=files)


def _write_edits(bench: Bench, batch: Batch, examples: list[Example]) -> list[str]:
    edited = bench.system.edit(
        [example.source_image for example in examples],
        [instruction_of(example, bench.config) for example in examples],
        [picture_seed(batch.seed, example.segment_id) for example in examples],
        settings_of(bench.config),
        on_progress=telling.get() or _nobody,
    )
    names = [file_name(batch.seed, example.segment_id) for example in examples]
    (bench.folder / str(batch.seed)).mkdir(exist_ok=True)
    for name, picture in zip(names, edited, strict=True):
        write_bytes(bench.folder / name, encode_png(picture))
    return names


def _pass_truths(bench: Bench, batch: Batch, examples: list[Example]) -> Edited:
    """Write the ground truths of a batch as the editor's autoencoder gives them back."""
    editor, size_px = bench.system, settings_of(bench.config).size_px
    assert isinstance(editor, Editor), "only editors of the main job have ground truths through their autoencoder"
    passed = guarded(
        lambda part: through_autoencoder(editor, [example.edited_image for example in part], size_px), examples
    )
    if isinstance(passed, Failure):
        return all_failed(batch, bench.config, passed)
    names = [f"{TRUTH_VAE}/{example.segment_id}.png" for example in examples]
    (bench.folder / TRUTH_VAE).mkdir(exist_ok=True)
    for name, picture in zip(names, passed, strict=True):
        write_bytes(bench.folder / name, encode_png(picture))
    return Edited(files=names)


def _nobody(done: int, total: int) -> None:
    """Tell nobody."""
