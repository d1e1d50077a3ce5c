"""Shards of examples + a start -> a fine-tuned editor on disk: one run, from its beginning or its last checkpoint."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from modeling.atomic import atomic_folder, write_bytes
from modeling.batches import Batches
from modeling.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from modeling.config import TrainConfig, decided
from modeling.data.loader import Examples
from modeling.editor import OWN_MODULE, Editor, forget_origin
from modeling.latents import CacheMode, embed_texts, latent_source
from modeling.metrics import MetricsLog
from modeling.micro_batch import step_that_fits
from modeling.model_card import model_card
from modeling.negatives import NegativeSampler, clip_tokens
from modeling.trainer import Trainer
from modeling.watcher import StepProgress, Watcher

MAX_SKIPPED_IN_A_ROW = 3
"""Steps without a finite loss after which the last checkpoint is restored, once, and then the run stops."""


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Where and how fast a run goes; none of it changes the result, but for rounding."""

    device: str = "auto"
    """Torch device; auto takes a GPU when there is one."""
    micro_batch: int = 0
    """Examples in one forward pass; gradients add up to the batch. 0: the whole batch. Halved where it does not fit."""
    cache: CacheMode = "auto"
    """Whether latents are computed once: auto where they fit into memory."""
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
) -> None:
    """Train and write everything under `out`; goes on from the newest checkpoint there.

    `facts` go into the model card. ValueError for what a user can fix, OSError for a full disk, FloatingPointError when
    no loss is finite any more, Stopped after a signal.
    """
    examples = Examples(shards)
    editor = Editor.load(start, options.device)
    run = run_digest(config, editor, examples)
    log = MetricsLog(out / "metrics.jsonl")
    saved = load_checkpoint(out / "checkpoints", run)
    log.truncate(saved.state["metrics_bytes"] if saved else 0)
    trainer = make_trainer(editor, config, options)
    if saved is not None:
        trainer.restore(saved.tensors, saved.state)
    num_steps_done = saved.num_steps_done if saved else 0
    if num_steps_done < config.num_steps:
        batches = make_batches(editor, examples, config, options, watcher)
        saver = _Saver(trainer, run, out / "checkpoints", log, options.keep_checkpoints)
        do_steps(trainer, batches, num_steps_done, saver, watcher)
    watcher.say("save", step=config.num_steps, num_steps=config.num_steps)
    card = model_card(
        config,
        num_examples=len(examples),
        metrics=log.entries(),
        facts=facts,
        own_autoencoder=type(editor.vae).__module__ == OWN_MODULE,
    )
    save_editor(trainer, editor, out, card)


def run_digest(config: TrainConfig, editor: Editor, examples: Examples) -> str:
    """Return the hex digest of what a run's result depends on: config, start weights, examples."""
    digest = hashlib.sha256(json.dumps(decided(config), sort_keys=True).encode())
    shards = [(shard.name, shard.stat().st_size) for shard in examples.shards]
    digest.update(json.dumps([shards, examples.instructions]).encode())
    for name, weight in sorted(editor.unet.state_dict().items()):
        digest.update(name.encode())
        digest.update(memoryview(weight.cpu().contiguous().view(torch.uint8).numpy()))
    return digest.hexdigest()


def make_batches(
    editor: Editor, examples: Examples, config: TrainConfig, options: TrainOptions, watcher: Watcher
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
    )
    texts = embed_texts(
        editor,
        sampler.unique,
        dtype=torch.bfloat16 if low_precision else torch.float32,  # autocast would make them that anyway
        tick=lambda done, total: watcher.tick("texts", done, total),
    )
    micro_batch = min(options.micro_batch or config.batch_size, config.batch_size)
    return Batches(editor, config, latents, texts, sampler, micro_batch=micro_batch)


def make_trainer(editor: Editor, config: TrainConfig, options: TrainOptions) -> Trainer:
    """Make the trainer and switch on what makes it fast or small."""
    if editor.device.type == "cuda":
        editor.unet.to(memory_format=torch.channels_last)
    trainer = Trainer(editor, config)
    if options.gradient_checkpointing:
        editor.unet.enable_gradient_checkpointing()
    if options.compile:
        trainer.compile()
    return trainer


class _Saver:
    """Saves and restores the checkpoints of one run, with the log that belongs to them."""

    def __init__(self, trainer: Trainer, run: str, folder: Path, log: MetricsLog, keep_last: int):
        folder.mkdir(parents=True, exist_ok=True)
        self.log = log
        self.folder = folder
        self._trainer = trainer
        self._run = run
        self._keep_last = keep_last

    def save(self, num_steps_done: int) -> None:
        """Save the run's state after `num_steps_done` steps."""
        state = self._trainer.state() | {"metrics_bytes": self.log.sync()}
        tensors = self._trainer.tensors()
        checkpoint = Checkpoint(run=self._run, num_steps_done=num_steps_done, tensors=tensors, state=state)
        save_checkpoint(self.folder, checkpoint, keep_last=self._keep_last)

    def restore(self) -> int | None:
        """Go back to the newest checkpoint and return its number of steps, or None where there is none."""
        saved = load_checkpoint(self.folder, self._run)
        if saved is None:
            return None
        self._trainer.restore(saved.tensors, saved.state)
        self.log.truncate(saved.state["metrics_bytes"])
        return saved.num_steps_done


def do_steps(trainer: Trainer, batches: Batches, first_step: int, saver: _Saver, watcher: Watcher) -> None:
    """Do steps `first_step` to the last, with log, progress and checkpoints; one more of these before Stopped."""
    config = trainer.config
    progress = StepProgress(watcher, config, first_step)
    has_restored = False
    step = first_step
    while step < config.num_steps:
        entry = step_that_fits(trainer, batches, step, watcher)
        step += 1
        saver.log.add({"step": step, **entry})
        progress(step, entry)
        must_stop = watcher.stop_requested()  # asked once: a signal that comes later waits for the next step
        if trainer.num_skipped_in_a_row >= MAX_SKIPPED_IN_A_ROW:
            restored = None if has_restored else saver.restore()
            if restored is None:
                raise FloatingPointError(_no_finite_loss(step, saver.folder))
            watcher.say("restored", step=restored, num_steps=config.num_steps, after=step)
            has_restored, step = True, restored
        elif step % config.checkpoint_every == 0 or step == config.num_steps or must_stop:
            saver.save(step)
        if must_stop:
            watcher.check()


def _no_finite_loss(step: int, folder: Path) -> str:
    return (
        f"Steps {step - MAX_SKIPPED_IN_A_ROW + 1} to {step}: no finite loss or gradient. The checkpoints in {folder} "
        "are from before. Lower the learning rate, set max_grad_norm to 1.0 or train in fp32, in a new folder."
    )


def save_editor(trainer: Trainer, editor: Editor, out: Path, card: str) -> None:
    """Write `raw_unet/`, `pipeline/` and the card; the editor holds the averaged weights afterwards."""
    editor.unet.to(memory_format=torch.contiguous_format)
    with atomic_folder(out / "raw_unet") as folder:
        editor.unet.save_pretrained(folder, safe_serialization=True)
        forget_origin(folder)
    trainer.swap_average()
    with atomic_folder(out / "pipeline") as folder:
        editor.save(folder)
        (folder / "README.md").write_text(card, encoding="utf-8")
    write_bytes(out / "README.md", card.encode())
