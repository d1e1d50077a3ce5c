"""Shards of examples + a start -> a fine-tuned editor on disk: one run, from its beginning or its last checkpoint."""

import hashlib
import json
import signal
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from modeling.atomic import atomic_folder, write_bytes
from modeling.batches import Batches
from modeling.config import TrainConfig
from modeling.data.loader import Examples
from modeling.editor import OWN_MODULE, Editor, forget_origin, pick_device
from modeling.latents import CacheMode, embed_texts, latent_source
from modeling.metrics import finite_or_none
from modeling.model_card import model_card
from modeling.negatives import NegativeSampler, clip_tokens
from modeling.ranks import Ranks
from modeling.saver import Saver
from modeling.trainer import Trainer
from modeling.watcher import StepProgress, Stopped, Watcher

MAX_SKIPPED_IN_A_ROW = 3
"""Skipped steps after which the last checkpoint is restored, once, and then the run stops."""


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Where and how fast a run goes; none of it changes the result, but for rounding."""

    device: str = "auto"
    """Torch device; auto takes a GPU when there is one."""
    micro_batch: int = 0
    """Examples in one forward pass; gradients add up to the batch. 0: the whole batch."""
    cache: CacheMode = "auto"
    """Whether latents are computed once: auto where they fit into memory."""
    workers: int = 0
    """Workers that read pictures ahead; 0: one a core, up to eight."""
    keep_checkpoints: int = 2
    """Last checkpoints kept."""
    gradient_checkpointing: bool = False
    """Compute activations twice and keep few of them."""
    compile: bool = False
    """torch.compile the U-Net."""

    def __post_init__(self) -> None:
        if self.micro_batch < 0 or self.keep_checkpoints < 1:
            raise ValueError(
                f"micro_batch is {self.micro_batch} and keep_checkpoints {self.keep_checkpoints}; at least 0 and 1."
            )


def fine_tune(
    config: TrainConfig,
    shards: Path | Sequence[Path],
    start: str,
    out: Path,
    *,
    options: TrainOptions,
    facts: Mapping[str, Any],
    watcher: Watcher,
    ranks: Ranks | None = None,
) -> None:
    """Train and write everything under `out`; goes on from the newest checkpoint there.

    `facts` go into the model card; `ranks` are the processes that train together, each of which calls this. ValueError
    for what a user can fix, OSError for a full disk, FloatingPointError after too many skipped steps, Stopped after a
    signal.
    """
    ranks = ranks or Ranks(device=pick_device(options.device))
    examples = Examples(shards)
    editor = Editor.load(start, str(ranks.device))
    saver = Saver(out, run_digest(config, editor, examples), ranks, options.keep_checkpoints)
    trainer = make_trainer(editor, config, options, ranks)
    num_steps_done = saver.begin(trainer)
    if num_steps_done < config.num_steps:
        batches = make_batches(editor, examples, config, options, watcher, ranks)
        do_steps(trainer, batches, num_steps_done, saver, watcher)
    if not ranks.is_first:
        return
    watcher.say("save", step=config.num_steps, num_steps=config.num_steps)
    card = model_card(
        config,
        num_examples=len(examples),
        metrics=saver.log.entries(),
        facts=facts,
        own_autoencoder=type(editor.vae).__module__ == OWN_MODULE,
    )
    save_editor(trainer, editor, out, card)


def run_digest(config: TrainConfig, editor: Editor, examples: Examples) -> str:
    """Return the hex digest of what a run's result depends on: config, start weights, examples."""
    digest = hashlib.sha256(json.dumps(asdict(config), sort_keys=True).encode())
    shards = [(shard.name, shard.stat().st_size) for shard in examples.shards]
    digest.update(json.dumps([shards, examples.instructions]).encode())
    for name, weight in sorted(editor.unet.state_dict().items()):
        digest.update(name.encode())
        digest.update(memoryview(weight.cpu().contiguous().view(torch.uint8).numpy()))
    return digest.hexdigest()


def make_batches(
    editor: Editor,
    examples: Examples,
    config: TrainConfig,
    options: TrainOptions,
    watcher: Watcher,
    ranks: Ranks | None = None,
) -> Batches:
    """Encode the examples' pictures and instructions."""
    low_precision = config.precision == "bf16"
    sampler = NegativeSampler(examples.instructions, clip_tokens(editor.tokenizer))
    latents = latent_source(
        editor,
        examples,
        size_px=config.size_px,
        with_flips=config.flip_probability > 0,
        dtype=torch.float16 if low_precision else torch.float32,
        mode=options.cache,
        tick=lambda done, total: watcher.tick("latents", done, total),
        workers=options.workers,
    )
    texts = embed_texts(
        editor,
        sampler.unique,
        dtype=torch.bfloat16 if low_precision else torch.float32,  # autocast would make them that anyway
        tick=lambda done, total: watcher.tick("texts", done, total),
    )
    rows = (ranks or Ranks()).rows(config.batch_size)
    micro_batch = min(options.micro_batch or config.batch_size, rows.stop - rows.start)
    return Batches(editor, config, latents, texts, sampler, micro_batch=micro_batch, rows=rows)


def make_trainer(editor: Editor, config: TrainConfig, options: TrainOptions, ranks: Ranks) -> Trainer:
    """Make the trainer and switch on what makes it fast or small."""
    ranks.rows(config.batch_size)  # ValueError here where there are too many
    if editor.device.type == "cuda":
        editor.unet.to(memory_format=torch.channels_last)
    trainer = Trainer(editor, config, ranks)
    if options.gradient_checkpointing:
        editor.unet.enable_gradient_checkpointing()
    if options.compile:
        editor.unet.compile()
    return trainer


def do_steps(trainer: Trainer, batches: Batches, first_step: int, saver: Saver, watcher: Watcher) -> None:
    """Do steps `first_step` to the last, with log, progress and checkpoints; one more of these before Stopped."""
    config, ranks = trainer.config, trainer.ranks
    progress = StepProgress(watcher, config, first_step)
    has_restored = False
    step = first_step
    while step < config.num_steps:
        entry = trainer.step(batches, step)
        step += 1
        saver.log.add({"step": step, "epoch": batches.epochs_after(step - 1), **entry})
        progress(step, entry)
        if "skip_reason" in entry:
            watcher.say("skipped", step=step, reason=entry["skip_reason"], loss=finite_or_none(entry["loss"]))
        must_stop = ranks.any(watcher.stop_requested())  # asked once: a later signal waits for the next step
        if trainer.num_skipped_in_a_row >= MAX_SKIPPED_IN_A_ROW:
            restored = None if has_restored else saver.restore(trainer)
            if restored is None:
                raise FloatingPointError(_too_many_skipped(step, entry["skip_reason"], saver.folder))
            watcher.say("restored", step=restored, num_steps=config.num_steps, after=step)
            has_restored, step = True, restored
        elif step % config.checkpoint_every == 0 or step == config.num_steps or must_stop:
            saver.save(trainer, step)
        if must_stop:
            raise Stopped(watcher.signal_number or signal.SIGTERM)  # which another process may have got


def _too_many_skipped(step: int, reason: str, folder: Path) -> str:
    found = "no finite loss or gradient" if reason == "not_finite" else "losses far above all recent ones"
    return (
        f"Steps {step - MAX_SKIPPED_IN_A_ROW + 1} to {step}: {found}, and the same after going back to the last "
        f"checkpoint. The checkpoints in {folder} are from before. Lower the learning rate, set max_grad_norm to 1.0 "
        "or train in fp32, in a new folder."
    )


def save_editor(trainer: Trainer, editor: Editor, out: Path, card: str) -> None:
    """Write `raw_unet/`, `pipeline/` and the card; the editor holds the averaged weights afterwards."""
    editor.unet.to(memory_format=torch.contiguous_format)
    try:
        with atomic_folder(out / "raw_unet") as folder:
            editor.unet.save_pretrained(folder, safe_serialization=True)
            forget_origin(folder)
        trainer.swap_average()
        with atomic_folder(out / "pipeline") as folder:
            editor.save(folder)
            (folder / "README.md").write_text(card, encoding="utf-8")
        write_bytes(out / "README.md", card.encode())
    except (OSError, SafetensorError) as error:
        raise OSError(
            f"{out}: the editor could not be written ({error}). Its last checkpoint is whole: make room and start the "
            "same command again, which writes it without training again."
        ) from error
