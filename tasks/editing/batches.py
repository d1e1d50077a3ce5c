"""Test rows x seeds -> the items of the edits stage, their keys and their records. Nothing is read or written."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from evaluation.scoring.measures import TRUTH_VAE
from modeling.data.example import Example
from modeling.editors.prompts import CaptionedInstruction
from modeling.editors.settings import DETERMINISTIC, MethodConfig
from tasks.artifacts.artifact import Input, Record, digest_of
from tasks.config import EditsConfig, MethodEditsConfig

AnyEdits = EditsConfig | MethodEditsConfig
PICTURES_PER_ITEM = 24
"""Number of pictures per done-record; a kill loses at most these."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One item: test examples to be edited under one seed, or their ground truths."""

    seed: int
    """The run's seed, one of `EditsConfig.seeds`."""
    rows: tuple[Record, ...]
    """Records of the shards stage."""
    is_truth: bool = False
    """True for the ground truths of the rows; they have no seed."""

    @property
    def name(self) -> str:
        """Name of the item."""
        return f"{TRUTH_VAE if self.is_truth else self.seed}/{self.rows[0]['segment_id']}"


def plan_batches(
    rows: list[Record], seeds: tuple[int, ...], size: int = PICTURES_PER_ITEM, *, with_truths: bool = False
) -> list[Batch]:
    """Divide test rows x seeds into items of `size` pictures; the ground truths follow the edits of the first seed."""
    parts = [tuple(rows[first : first + size]) for first in range(0, len(rows), size)]
    batches = []
    for seed in seeds:
        for part in parts:
            batches.append(Batch(seed=seed, rows=part))
            if with_truths and seed == seeds[0]:
                batches.append(Batch(seed=seed, rows=part, is_truth=True))
    return batches


def batch_key(batch: Batch, examples: list[Example], editor: Input, config: AnyEdits) -> str:
    """Return the digest of everything that decides a batch's pictures."""
    if batch.is_truth:
        truths = [[example.segment_id, hashlib.sha256(example.edited_file).hexdigest()] for example in examples]
        return digest_of({"editor": editor.digest, "size_px": settings_of(config).size_px, "pictures": truths})
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


def without_image(record: Record) -> Record:
    """Return the record of an edit that is not there."""
    return {name: value for name, value in record.items() if name != "image"}


def file_name(seed: int, segment_id: str) -> str:
    """Return the name of an edit, relative to the stage's folder."""
    return f"{seed}/{segment_id}.png"


def records_of(batch: Batch, config: AnyEdits) -> Iterator[Record]:
    """Yield the record of each edit of a batch."""
    policy = {}
    if isinstance(config, MethodEditsConfig) and isinstance(config.settings, MethodConfig):
        policy = {"prompt_policy": config.settings.prompt_policy}
    for row in batch.rows:
        yield {
            "segment_id": row["segment_id"],
            "split": row["split"],
            "seed": batch.seed,
            "image": file_name(batch.seed, row["segment_id"]),
            "instruction": row["instruction"],
            **policy,
        }
