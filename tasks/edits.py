"""editor + test shards -> `<seed>/<segment_id>.png`: every test picture edited by its instruction, once per seed.

Item: a few pictures under one seed. The noise of a picture depends on the seed and the picture's segment alone, so
neither the order nor the size of the batches matters, and two editors start from the same noise.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from evaluation.scoring.measures import TRUTH_VAE
from modeling.atomic import write_bytes
from modeling.data.example import Example
from modeling.data.images import encode_png
from modeling.data.loader import Examples
from modeling.editors.instruct_pix2pix import Editor
from modeling.editors.interface import EditingSystem
from modeling.editors.load import INSTRUCT_PIX2PIX, load_system
from modeling.editors.prompts import CaptionedInstruction
from modeling.editors.reconstruction import through_autoencoder, why_blind
from modeling.editors.settings import DETERMINISTIC, MethodConfig
from tasks.artifacts.artifact import Artifact, Input, Outside, Record, digest_of, editor_location
from tasks.artifacts.failures import failed
from tasks.artifacts.keyed_hash import picture_seed
from tasks.artifacts.map_items import Failure, guarded
from tasks.artifacts.stage import stage
from tasks.artifacts.work import Work
from tasks.config import EditsConfig, MadeElsewhereConfig, MethodEditsConfig
from tasks.imports.pictures import take_over_pictures
from tasks.splitting.assignment import NOT_TESTED

AnyEdits = EditsConfig | MethodEditsConfig
PICTURES_PER_ITEM = 24
"""Number of pictures per done-record; a kill loses at most these."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One item: test examples to be edited under one seed."""

    seed: int
    """The run's seed, one of `EditsConfig.seeds`."""
    rows: tuple[Record, ...]
    """Records of the shards stage."""

    @property
    def name(self) -> str:
        """Name of the item."""
        return f"{self.seed}/{self.rows[0]['segment_id']}"


class _LazyEditor:
    """Loads the editor when the first picture needs it: a stage whose items are all done loads none."""

    def __init__(self, start: Input, config: AnyEdits, device: str, warn: Callable[[str], None]):
        self._start, self._config, self._device, self._warn = start, config, device, warn
        self.digest = start.digest

    @cached_property
    def loaded(self) -> EditingSystem:
        name = self._config.method if isinstance(self._config, MethodEditsConfig) else INSTRUCT_PIX2PIX
        system = load_system(name, editor_location(self._start), self._device, settings_of(self._config).precision)
        if why := why_blind(system):
            self._warn(why)
        return system


def plan_batches(rows: list[Record], seeds: tuple[int, ...], size: int = PICTURES_PER_ITEM) -> list[Batch]:
    """Divide test rows x seeds into items of `size` pictures."""
    parts = [tuple(rows[first : first + size]) for first in range(0, len(rows), size)]
    return [Batch(seed=seed, rows=part) for seed in seeds for part in parts]


def batch_key(batch: Batch, examples: list[Example], editor: Input, config: AnyEdits) -> str:
    """Return the digest of everything that decides a batch's pictures."""
    pictures = [
        [example.segment_id, example.instruction, hashlib.sha256(example.source_file).hexdigest()]
        for example in examples
    ]
    parts = {"editor": editor.digest, "sampling": vars(settings_of(config)), "seed": batch.seed, "pictures": pictures}
    if isinstance(config, MethodEditsConfig):
        captions = [(config.captions or {}).get(example.segment_id) for example in examples]
        parts |= {"method": config.method, "captions": captions, "all_seeds": config.seeds}
    return digest_of(parts)


def settings_of(config: AnyEdits) -> Any:
    """Return the sampling settings of a config's system."""
    return config.settings if isinstance(config, MethodEditsConfig) else config.sampling


def seeds_of(config: AnyEdits) -> tuple[int, ...]:
    """Return the seeds that are really used: only one when the system draws no noise."""
    is_deterministic = isinstance(config, MethodEditsConfig) and config.method in DETERMINISTIC
    return config.seeds[:1] if is_deterministic else config.seeds


def for_all_seeds(records: list[Record], config: AnyEdits) -> list[Record]:
    """Repeat the records of edits that stand for all seeds, once per seed; return other records unchanged."""
    seeds = config.seeds if len(seeds_of(config)) < len(config.seeds) else ()
    return [record | {"seed": seed} for record in records for seed in seeds] if seeds else records


def instruction_of(example: Example, config: AnyEdits) -> str:
    """Return an example's instruction, with the caption of its picture where there is one."""
    captions = config.captions if isinstance(config, MethodEditsConfig) else None
    if captions and example.segment_id in captions:
        return CaptionedInstruction(example.instruction, captions[example.segment_id])
    return example.instruction


def edit_batch(
    work: Work,
    editor: EditingSystem,
    batch: Batch,
    examples: list[Example],
    config: AnyEdits,
    on_progress: Callable[[int, int], None],
) -> list[str]:
    """Edit the pictures of a batch and write them; return their names."""
    edited = editor.edit(
        [example.source_image for example in examples],
        [instruction_of(example, config) for example in examples],
        [picture_seed(batch.seed, example.segment_id) for example in examples],
        settings_of(config),
        on_progress=on_progress,
    )
    names = [_file_name(batch.seed, example.segment_id) for example in examples]
    for name, picture in zip(names, edited, strict=True):
        write_bytes(work.path / name, encode_png(picture))
    return names


def _finish_batch(
    work: Work,
    editor: EditingSystem,
    batch: Batch,
    examples: list[Example],
    config: AnyEdits,
    tell: Callable[[int, int], None],
    key: str,
) -> None:
    """Edit a batch and record it; when it fails, edit its pictures one by one, each with its own outcome."""

    def edit(part: list[Example]) -> list[str]:
        return edit_batch(work, editor, batch, part, config, tell)

    names = guarded(edit, examples)
    if not isinstance(names, Failure):
        work.finish_item(batch.name, key, kept=for_all_seeds(list(_records(batch, config)), config), files=names)
        return
    kept, rejected = [], []
    for record, example in zip(_records(batch, config), examples, strict=True):
        alone = guarded(edit, [example])
        if isinstance(alone, Failure):
            why = failed(alone.reason, f"{example.segment_id}: {alone.message}", transient=alone.transient)
            rejected.append({name: value for name, value in record.items() if name != "image"} | why)
        else:
            kept.append(record)
    files = [record["image"] for record in kept]
    kept, rejected = for_all_seeds(kept, config), for_all_seeds(rejected, config)
    work.finish_item(batch.name, key, kept=kept, rejected=rejected, files=files)


def _file_name(seed: int, segment_id: str) -> str:
    return f"{seed}/{segment_id}.png"


def _records(batch: Batch, config: AnyEdits) -> Iterator[Record]:
    policy = {}
    if isinstance(config, MethodEditsConfig) and isinstance(config.settings, MethodConfig):
        policy = {"prompt_policy": config.settings.prompt_policy}
    for row in batch.rows:
        yield {
            "segment_id": row["segment_id"],
            "split": row["split"],
            "seed": batch.seed,
            "image": _file_name(batch.seed, row["segment_id"]),
            "instruction": row["instruction"],
            **policy,
        }


def _pass_truths(work: Work, lazy: _LazyEditor, batch: Batch, examples: list[Example], config: EditsConfig) -> None:
    """Write the ground truths of a batch after the editor's autoencoder, unless they exist."""
    item = f"{TRUTH_VAE}/{examples[0].segment_id}"
    pictures = [[example.segment_id, hashlib.sha256(example.edited_file).hexdigest()] for example in examples]
    key = digest_of({"editor": lazy.digest, "size_px": config.sampling.size_px, "pictures": pictures})
    if work.item_done(item, key) or not isinstance(lazy.loaded, Editor):
        return
    editor, size_px = lazy.loaded, config.sampling.size_px
    passed = guarded(
        lambda part: through_autoencoder(editor, [entry.edited_image for entry in part], size_px), examples
    )
    names = [f"{TRUTH_VAE}/{example.segment_id}.png" for example in examples]
    if isinstance(passed, Failure):
        why = failed(passed.reason, f"{item}: {passed.message}", transient=passed.transient)
        rows = [{"segment_id": row["segment_id"], "split": row["split"], "made": TRUTH_VAE} | why for row in batch.rows]
        work.finish_item(item, key, rejected=rows)
        return
    (work.path / TRUTH_VAE).mkdir(exist_ok=True)
    for name, picture in zip(names, passed, strict=True):
        write_bytes(work.path / name, encode_png(picture))
    work.finish_item(item, key, files=names)


def _tell(work: Work, done_before: int, total: int, done: int, _: int) -> None:
    work.progress(done_before + done, total)


@stage
def edits(
    work: Work, config: EditsConfig | MethodEditsConfig | MadeElsewhereConfig, *, editor: Input, shards: Artifact
) -> None:
    """Edit every test picture once per seed; or take over pictures made elsewhere, `editor` being their place."""
    every = [row for row in shards.records() if row["split"] not in NOT_TESTED]
    if isinstance(config, MadeElsewhereConfig):
        made, lacking = take_over_pictures(work, Path(editor_location(editor)), every)
        work.funnel = {"test_pictures": len(every), "edits": len(made)}
        work.write_rows(made, lacking)
        return
    rows = every[: config.limit] if isinstance(config, MethodEditsConfig) else every
    if not rows or not config.seeds:
        raise ValueError(f"edits: {len(rows)} test pictures and {len(config.seeds)} seeds: there is nothing to edit.")
    tested = Examples(sorted({shards.file(row["shard"]) for row in rows}))
    index_of = {segment_id: index for index, segment_id in enumerate(tested.segment_ids)}
    lazy = _LazyEditor(editor, config, work.options.device, work.warn)
    # A picture takes minutes: each is an item, so a kill loses one picture.
    size = 1 if isinstance(config, MethodEditsConfig) and config.method == "imagic" else PICTURES_PER_ITEM
    done, total = 0, len(rows) * len(seeds_of(config))
    for batch in plan_batches(rows, seeds_of(config), size):
        work.progress(done, total)
        examples = [tested[index_of[row["segment_id"]]] for row in batch.rows]
        key = batch_key(batch, examples, editor, config)
        if not work.item_done(batch.name, key):
            (work.path / str(batch.seed)).mkdir(exist_ok=True)
            tell = partial(_tell, work, done, total)
            _finish_batch(work, lazy.loaded, batch, examples, config, tell, key)
        done += len(batch.rows)
        if batch.seed == config.seeds[0] and isinstance(config, EditsConfig) and isinstance(editor, Outside):
            _pass_truths(work, lazy, batch, examples, config)
    work.progress(total, total)
    kept, rejected = work.collect()
    rejected += [
        {"segment_id": row["segment_id"], "split": row["split"], "seed": seed, "status": "filtered"}
        | {"reason": "beyond_limit", "message": f"{row['segment_id']}: the run edits the first {config.limit} alone."}
        for row in every[len(rows) :]
        for seed in config.seeds
        if isinstance(config, MethodEditsConfig)
    ]
    work.funnel = {"test_pictures": len(rows), "edits": len(kept)}
    work.write_rows(kept, rejected)
