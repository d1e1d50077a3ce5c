"""A job -> the sentences of `--plan` about training: steps, epochs, memory, and flags that save memory."""

from pathlib import Path

from flows.wiring.job import STAGE_ORDER, Job
from flows.wiring.outside_inputs import outside_start
from modeling.config import TrainConfig
from modeling.measuring.memory_account import (
    RESERVE_GIB,
    Choice,
    Sizes,
    account,
    choice_for,
    sizes_of,
    total_gib,
)
from modeling.runs.further import differs_in
from modeling.runs.saving_time import checkpoint_bytes, seconds_to_save
from tasks.artifacts.artifact import artifacts_of
from tasks.artifacts.shorter_run import shorter_run
from tasks.stages import STAGES

CARDS_GIB = (24, 20, 16, 12)
"""Memory of common GPUs, in GiB."""
MAX_PASSES = 100
"""Number of epochs above which the plan warns, as training does."""


def training_plan(job: Job) -> list[str]:
    """Return the sentences about training; empty when the job ends before it."""
    if STAGE_ORDER.index(job.request.until) < STAGE_ORDER.index("editor"):
        return []
    config, options = job.config.editor, job.request.options
    sizes = sizes_of(Path(job.config.start), config)
    choice = Choice(
        micro_batch=min(options.micro_batch or config.batch_size, config.batch_size),
        gradient_checkpointing=options.gradient_checkpointing,
        ema_on=options.ema_on,
        adam_bits=config.adam_bits,
    )
    parts = account(config, sizes, choice, cached=options.cache != "off")
    listed = ", ".join(f"{name} {gib:.1f}" for name, gib in parts.items() if gib >= 0.05)
    lines = [
        f"training: {config.num_steps:,} steps of {config.batch_size} at {config.size_px} px{_passes(job, config)}",
        f"memory of a step: about {sum(parts.values()):.1f} GiB" + (f" ({listed})" if listed else ""),
    ]
    num_bytes = checkpoint_bytes(Path(), Path(job.config.start))
    seconds = seconds_to_save(num_bytes)
    lines.append(f"a checkpoint: about {num_bytes / 1e9:.1f} GB; a cancelled training gets {seconds:.0f} s to save it")
    lines += _further(job, config)
    if sum(parts.values()) > 1:
        lines += [f"  in {card} GiB: {_proposal(config, sizes, card)}" for card in CARDS_GIB]
        least = total_gib(config, sizes, Choice(micro_batch=1, adam_bits=config.adam_bits))
        lines.append(
            f"  --micro-batch 0 halves by itself until a step fits: without flags from {least:.1f} GiB on; the others "
            f"want to be named. Each proposal leaves {RESERVE_GIB:g} GiB free. Counted, not measured on a GPU."
        )
    return lines


def _proposal(config: TrainConfig, sizes: Sizes, card_gib: float) -> str:
    """Return the flags with which training fits a card, what that takes, and the package that it needs."""
    fits = choice_for(config, sizes, card_gib)
    if fits is None:
        return "does not fit"
    needs = ", needs bitsandbytes: the extra 8bit" if fits.adam_bits == 8 else ""
    return f"{fits.flags} ({total_gib(config, sizes, fits):.1f} GiB{needs})"


def _further(job: Job, config: TrainConfig) -> list[str]:
    """Say whether an equal but shorter training is there, and whether this training continues it."""
    editors, shards = (artifacts_of(job.workspace, stage) for stage in ("editor", "shards"))
    editors = [editor for editor in editors if editor.manifest["version"] == STAGES["editor"].version]
    made_of = [shard for shard in shards if shard.manifest["label"] == job.config.preset]
    if not (editors and made_of) or "editor" in job.request.options.refresh:
        return []
    if any(not differs_in(editor.manifest["config"], config) for editor in editors):
        return []  # it is there already, or only damaged
    inputs = {"shards": made_of[-1].digest, "start": outside_start(job.config.start).digest}
    shorter = shorter_run(editors, config, inputs)
    return [f"  {shorter.sentence}"] if shorter else []


def _passes(job: Job, config: TrainConfig) -> str:
    """Return the number of epochs, from the newest shards of this preset where there are any."""
    of_preset = [
        artifact
        for artifact in artifacts_of(job.workspace, "shards")
        if artifact.manifest["label"] == job.config.preset
    ]
    if not of_preset:
        return "; passes over the pairs are known once the shards are there"
    num_train = sum(row["split"] == "train" for row in of_preset[-1].records())
    passes = config.num_steps * config.batch_size / max(1, num_train)
    text = f"; {num_train:,} training pairs, each seen {passes:,.1f} times (epochs)"
    if passes > MAX_PASSES:
        enough = max(1, round(MAX_PASSES * num_train / config.batch_size))
        text += f". That is very often: --set editor.num_steps={enough} sees each {MAX_PASSES} times"
    return text
