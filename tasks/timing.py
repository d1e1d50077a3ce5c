"""editor + test shards -> `timing.json`: seconds per edited picture at batch 1 and at the best batch (Table 4).

Item: one batch size, so a kill loses one. Its key names the device, so an unfinished stage that continues on another
machine measures again. A finished stage stays as it was measured, with its device in every record. It runs by
--measure.
"""

from typing import Any

import torch

from modeling.atomic import write_json
from modeling.data.example import Example
from modeling.data.loader import Examples
from modeling.editors.interface import EditingSystem
from modeling.editors.load import load_system
from modeling.measuring.timing import Protocol, device_name, device_of, seconds_per_picture
from tasks.artifacts.artifact import Artifact, Input, Record, digest_of, editor_location
from tasks.artifacts.failures import failed
from tasks.artifacts.map_items import Failure, guarded
from tasks.artifacts.stage import stage
from tasks.artifacts.work import Work
from tasks.config import TimingConfig
from tasks.splitting.assignment import NOT_TESTED


def stated(system: EditingSystem, config: TimingConfig) -> dict[str, Any]:
    """Return the facts that a number of seconds needs: device, precision, steps."""
    return {
        "method": config.method,
        "device": device_name(device_of(system)),
        "torch": torch.__version__,
        "precision": getattr(config.settings, "precision", "fp32"),
        "size_px": config.settings.size_px,
        "num_steps": num_steps_of(config),
        "num_warm_up": config.num_warm_up,
        "num_calls": config.num_calls,
    }


def num_steps_of(config: TimingConfig) -> int | None:
    """Return the denoising steps of an edit; None where they are a pipeline's own."""
    options = getattr(config.settings, "options", {})
    return options.get("num_inference_steps", config.settings.num_steps)


def time_batch(system: EditingSystem, examples: list[Example], size: int, config: TimingConfig) -> dict[str, Any]:
    """Time one batch size; test pictures are repeated where there are fewer."""
    batch = [examples[place % len(examples)] for place in range(size)]
    return seconds_per_picture(
        system,
        [example.source_image for example in batch],
        [example.instruction for example in batch],
        config.settings,
        Protocol(num_warm_up=config.num_warm_up, num_calls=config.num_calls),
    )


@stage
def timing(work: Work, config: TimingConfig, *, editor: Input, shards: Artifact) -> None:
    """Time one editor at every batch size; a size that fails, such as for memory, is listed as failed."""
    rows = [row for row in shards.records() if row["split"] not in NOT_TESTED][: max(config.batch_sizes)]
    if not rows:
        raise ValueError("timing: no split is for tests, so there are no pictures to time edits of.")
    tested = Examples(sorted({shards.file(row["shard"]) for row in rows}))
    index_of = {segment_id: index for index, segment_id in enumerate(tested.segment_ids)}
    examples = [tested[index_of[row["segment_id"]]] for row in rows]
    system = load_system(config.method, editor_location(editor), work.options.device, config.settings.precision)
    protocol = stated(system, config)
    for done, size in enumerate(config.batch_sizes):
        work.progress(done, len(config.batch_sizes))
        item = f"batch/{size}"
        key = digest_of({"editor": editor.digest, "stated": protocol, "settings": vars(config.settings)})
        if work.item_done(item, key):
            continue
        timed = guarded(lambda num_pictures: time_batch(system, examples, num_pictures, config), size)
        if isinstance(timed, Failure):
            why = failed(timed.reason, f"batch {size}: {timed.message}", transient=timed.transient)
            work.finish_item(item, key, rejected=[{"batch_size": size} | protocol | why])
        else:
            work.finish_item(item, key, kept=[timed | protocol])
    kept, rejected = work.collect()
    write_json(work.path / "timing.json", summary(kept, protocol))
    work.funnel = {"batch_sizes": len(config.batch_sizes), "timed": len(kept)}
    work.write_rows(kept, rejected)
    work.progress(len(config.batch_sizes), len(config.batch_sizes))


def summary(records: list[Record], protocol: dict[str, Any]) -> dict[str, Any]:
    """Return the protocol, the record of batch 1 and the fastest record; None without records."""
    alone = next((record for record in records if record["batch_size"] == 1), None)
    best = min(records, key=lambda record: float(record["seconds_per_picture"]), default=None)
    return {"protocol": protocol, "batch_1": alone, "best_batch": best}
