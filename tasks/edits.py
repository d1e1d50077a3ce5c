"""editor + test shards -> `<seed>/<segment_id>.png`: every test picture edited as its instruction says, once a seed.

Item: a few pictures under one seed. The noise of a picture depends on the seed and the picture's segment alone, so
neither the order nor the size of the batches matters, and two editors start from the same noise.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

from modeling.atomic import write_bytes
from modeling.config import SamplingConfig
from modeling.data.example import Example
from modeling.data.images import encode_png
from modeling.data.loader import Examples
from modeling.editors.instruct_pix2pix import Editor
from tasks.artifacts.artifact import Artifact, Input, Record, digest_of, editor_location
from tasks.artifacts.failures import failed
from tasks.artifacts.map_items import Failure, guarded
from tasks.artifacts.stage import stage
from tasks.artifacts.work import Work
from tasks.config import EditsConfig
from tasks.splitting.assignment import NOT_TESTED

PICTURES_PER_ITEM = 24
"""Pictures edited between two done-records: what a kill can cost."""


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

    def __init__(self, start: Input, device: str):
        self._start = start
        self._device = device

    @cached_property
    def loaded(self) -> Editor:
        return Editor.load(editor_location(self._start), self._device)


def picture_seed(seed: int, segment_id: str) -> int:
    """Return the seed of one picture's noise, in [0, 2^63): a hash keyed by the run's seed."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{segment_id}".encode()).digest()[:8], "big") >> 1


def plan_batches(rows: list[Record], seeds: tuple[int, ...]) -> list[Batch]:
    """Divide test rows x seeds into items."""
    parts = [tuple(rows[first : first + PICTURES_PER_ITEM]) for first in range(0, len(rows), PICTURES_PER_ITEM)]
    return [Batch(seed=seed, rows=part) for seed in seeds for part in parts]


def batch_key(batch: Batch, examples: list[Example], editor: Input, config: SamplingConfig) -> str:
    """Return the digest of all that decides a batch's pictures."""
    pictures = [[each.segment_id, each.instruction, hashlib.sha256(each.source_file).hexdigest()] for each in examples]
    return digest_of({"editor": editor.digest, "sampling": vars(config), "seed": batch.seed, "pictures": pictures})


def edit_batch(
    work: Work,
    editor: Editor,
    batch: Batch,
    examples: list[Example],
    config: SamplingConfig,
    on_progress: Callable[[int, int], None],
) -> list[str]:
    """Edit the pictures of a batch and write them; return their names."""
    edited = editor.edit(
        [example.source_image for example in examples],
        [example.instruction for example in examples],
        [picture_seed(batch.seed, example.segment_id) for example in examples],
        config,
        on_progress=on_progress,
    )
    names = [_file_name(batch.seed, example.segment_id) for example in examples]
    for name, picture in zip(names, edited, strict=True):
        write_bytes(work.path / name, encode_png(picture))
    return names


def _finish_batch(
    work: Work,
    editor: Editor,
    batch: Batch,
    examples: list[Example],
    config: SamplingConfig,
    tell: Callable[[int, int], None],
    key: str,
) -> None:
    """Edit a batch and record it; where it fails, its pictures are edited one by one, each with its own outcome."""

    def edit(part: list[Example]) -> list[str]:
        return edit_batch(work, editor, batch, part, config, tell)

    names = guarded(edit, examples)
    if not isinstance(names, Failure):
        work.finish_item(batch.name, key, kept=_records(batch), files=names)
        return
    kept, rejected = [], []
    for record, example in zip(_records(batch), examples, strict=True):
        alone = guarded(edit, [example])
        if isinstance(alone, Failure):
            why = failed(alone.reason, f"{example.segment_id}: {alone.message}", transient=alone.transient)
            rejected.append({name: value for name, value in record.items() if name != "image"} | why)
        else:
            kept.append(record)
    work.finish_item(batch.name, key, kept=kept, rejected=rejected, files=[record["image"] for record in kept])


def _file_name(seed: int, segment_id: str) -> str:
    return f"{seed}/{segment_id}.png"


def _records(batch: Batch) -> Iterator[Record]:
    for row in batch.rows:
        yield {
            "segment_id": row["segment_id"],
            "split": row["split"],
            "seed": batch.seed,
            "image": _file_name(batch.seed, row["segment_id"]),
            "instruction": row["instruction"],
        }


def _tell(work: Work, done_before: int, total: int, done: int, _: int) -> None:
    work.progress(done_before + done, total)


@stage
def edits(work: Work, config: EditsConfig, *, editor: Input, shards: Artifact) -> None:
    """Edit every test picture once a seed."""
    rows = [row for row in shards.records() if row["split"] not in NOT_TESTED]
    if not rows or not config.seeds:
        raise ValueError(f"edits: {len(rows)} test pictures and {len(config.seeds)} seeds: there is nothing to edit.")
    tested = Examples(sorted({shards.file(row["shard"]) for row in rows}))
    index_of = {segment_id: index for index, segment_id in enumerate(tested.segment_ids)}
    lazy = _LazyEditor(editor, work.options.device)
    done, total = 0, len(rows) * len(config.seeds)
    for batch in plan_batches(rows, config.seeds):
        work.progress(done, total)
        examples = [tested[index_of[row["segment_id"]]] for row in batch.rows]
        key = batch_key(batch, examples, editor, config.sampling)
        if not work.item_done(batch.name, key):
            (work.path / str(batch.seed)).mkdir(exist_ok=True)
            tell = partial(_tell, work, done, total)
            _finish_batch(work, lazy.loaded, batch, examples, config.sampling, tell, key)
        done += len(batch.rows)
    work.progress(total, total)
    kept, rejected = work.collect()
    work.funnel = {"test_pictures": len(rows), "edits": len(kept)}
    work.write_rows(kept, rejected)
