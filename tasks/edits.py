"""editor + test shards -> `<seed>/<segment_id>.png`: every test picture edited by its instruction, once per seed.

Item: a few pictures under one seed. The noise of a picture depends on the seed and the picture's segment alone, so
neither the order nor the size of the batches matters, and two editors start from the same noise.
"""

from functools import partial
from pathlib import Path

import torch

from tasks.artifacts.artifact import Artifact, Input, Outside, Record, editor_location
from tasks.artifacts.map_items import Failure, map_items
from tasks.artifacts.stage import stage
from tasks.artifacts.work import Work
from tasks.config import EditsConfig, MadeElsewhereConfig, MethodEditsConfig
from tasks.editing.batches import PICTURES_PER_ITEM, AnyEdits, Batch, batch_key, plan_batches, seeds_of
from tasks.editing.items import Bench, all_failed, edit_item, loaded_for_a_while, telling_of_pictures
from tasks.imports.pictures import take_over_pictures
from tasks.splitting.assignment import NOT_TESTED


def edit_all(work: Work, bench: Bench, batches: list[Batch]) -> None:
    """Edit the batches that no run has finished; each has its own outcome."""
    config, editor = bench.config, bench.editor
    limit_s = work.options.item_limit_s * PICTURES_PER_ITEM
    with loaded_for_a_while():
        keys = {batch.name: batch_key(batch, bench.examples(batch), editor, config) for batch in batches}
        todo = [batch for batch in batches if not work.item_done(batch.name, keys[batch.name])]
        total = num_pictures(batches)
        done = total - num_pictures(todo)
        work.progress(done, total)
        with telling_of_pictures(lambda of_item, _: work.progress(done + of_item, total)):
            for batch, outcome in map_items(partial(edit_item, bench), todo, limit_s=limit_s, here=True):
                edited = all_failed(batch, config, outcome) if isinstance(outcome, Failure) else outcome
                rows = {"kept": edited.kept, "rejected": edited.rejected}
                work.finish_item(batch.name, keys[batch.name], **rows, files=edited.files)
                done += num_pictures([batch])
                work.progress(done, total)


def num_pictures(batches: list[Batch]) -> int:
    """Return how many edits the batches are; ground truths are none."""
    return sum(len(batch.rows) for batch in batches if not batch.is_truth)


def beyond_limit(rows: list[Record], config: AnyEdits) -> list[Record]:
    """Return the records of rows that a run with a limit leaves out."""
    if not isinstance(config, MethodEditsConfig):
        return []
    why = f"the run edits the first {config.limit} alone."
    return [
        {"segment_id": row["segment_id"], "split": row["split"], "seed": seed, "status": "filtered"}
        | {"reason": "beyond_limit", "message": f"{row['segment_id']}: {why}"}
        for row in rows
        for seed in config.seeds
    ]


@stage
def edits(
    work: Work, config: EditsConfig | MethodEditsConfig | MadeElsewhereConfig, *, editor: Input, shards: Artifact
) -> None:
    """Edit every test picture once per seed; or take over pictures made elsewhere, `editor` being their place."""
    every = [row for row in shards.records() if row["split"] not in NOT_TESTED]
    if isinstance(config, MadeElsewhereConfig):
        made, lacking = take_over_pictures(work, Path(editor_location(editor)), shards, every)
        work.funnel = {"test_pictures": len(every), "edits": len(made)}
        work.write_rows(made, lacking)
        return
    rows = every[: config.limit] if isinstance(config, MethodEditsConfig) else every
    if not rows or not config.seeds:
        raise ValueError(f"edits: {len(rows)} test pictures and {len(config.seeds)} seeds: there is nothing to edit.")
    # A picture takes minutes: each is an item, so a kill loses one picture.
    size = 1 if isinstance(config, MethodEditsConfig) and config.method == "imagic" else PICTURES_PER_ITEM
    with_truths = isinstance(config, EditsConfig) and isinstance(editor, Outside)
    bench = Bench(
        editor=editor,
        config=config,
        shards=tuple(sorted({shards.file(row["shard"]) for row in rows})),
        folder=work.path,
        device=work.options.device,
        num_threads=torch.get_num_threads(),
    )
    edit_all(work, bench, plan_batches(rows, seeds_of(config), size, with_truths=with_truths))
    kept, rejected = work.collect()
    rejected += beyond_limit(every[len(rows) :], config)
    work.funnel = {"test_pictures": len(rows), "edits": len(kept)}
    work.write_rows(kept, rejected)
