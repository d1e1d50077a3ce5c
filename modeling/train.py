"""Training: shards of examples + a start -> an editor.

    python -m modeling.train --config train.json --shards DIR --start DIR|HUB_ID --out DIR

    OUT/pipeline/       averaged weights, as StableDiffusionInstructPix2PixPipeline.from_pretrained loads them
    OUT/raw_unet/       the U-Net without averaging
    OUT/metrics.jsonl   losses and diagnostics of every step; the same after a kill and a resume
    OUT/README.md       the model card
    OUT/checkpoints/    the last ones; the same command goes on from there

Progress comes as JSON lines on stdout. SIGTERM and SIGINT save a checkpoint and end with status 143 and 130.
"""

import argparse
import hashlib
import json
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from modeling.atomic import atomic_folder, write_bytes
from modeling.batches import Batches
from modeling.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from modeling.config import ObjectiveConfig, TrainConfig
from modeling.data.loader import Examples
from modeling.editor import OWN_MODULE, Editor, forget_origin
from modeling.latents import CacheMode, embed_texts, latent_source
from modeling.metrics import MetricsLog
from modeling.model_card import model_card
from modeling.negatives import NegativeSampler, clip_tokens
from modeling.trainer import Trainer

MAX_SKIPPED_IN_A_ROW = 3
"""Steps without a finite loss after which the last checkpoint is restored, once, and then the run stops."""
REPORT_EVERY_S = 0.5
"""Seconds between progress lines."""

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Where and how fast a run goes; none of it changes the result, but for rounding."""

    device: str = "auto"
    """Torch device; auto takes a GPU when there is one."""
    micro_batch: int = 0
    """Examples in one forward pass; gradients add up to the batch. 0: the whole batch."""
    cache: CacheMode = "auto"
    """Whether latents are computed once: auto where they fit into memory."""
    keep_checkpoints: int = 2
    """Last checkpoints kept."""
    gradient_checkpointing: bool = False
    """Compute activations twice and keep few of them."""
    compile: bool = False
    """torch.compile the U-Net."""


class Stopped(Exception):
    """A signal asked the run to end."""

    def __init__(self, signal_number: int):
        super().__init__(f"stopped by {signal.Signals(signal_number).name}")
        self.exit_status = 128 + signal_number


class StopFlag:
    """Remembers the signal that asked to stop; `check` raises it at a moment that suits."""

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def catch(self, signal_number: int, frame: FrameType | None) -> None:
        """Be the handler of a signal."""
        self.signal_number = signal_number

    def check(self) -> None:
        """Raise Stopped if a signal has come."""
        if self.signal_number is not None:
            raise Stopped(self.signal_number)


def train(
    config: TrainConfig,
    shards: Path | Sequence[Path],
    start: str,
    out: Path,
    *,
    options: TrainOptions,
    facts: Mapping[str, Any],
    report: Report,
    stop: StopFlag,
) -> None:
    """Train and write everything under `out`; goes on from the newest checkpoint there.

    ValueError for what a user can fix, OSError for a full disk, FloatingPointError when no loss is finite any more,
    Stopped after a signal.
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
    if saved is None or saved.num_steps_done < config.num_steps:
        batches = make_batches(editor, examples, config, options, report, stop)
        _run(trainer, batches, saved.num_steps_done if saved else 0, run, out, log, options, report, stop)
    report({"phase": "save", "step": config.num_steps, "num_steps": config.num_steps})
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
    report: Report,
    stop: StopFlag,
) -> Batches:
    """Encode the examples' pictures and instructions."""

    def tick(phase: str) -> Callable[[int, int], None]:
        def note(done: int, total: int) -> None:
            report({"phase": phase, "done": done, "total": total})
            stop.check()

        return note

    # Embeddings and cached latents are kept in the type that autocast would turn them into anyway.
    dtype = torch.bfloat16 if config.precision == "bf16" else torch.float32
    sampler = NegativeSampler(examples.instructions, clip_tokens(editor.tokenizer))
    latents = latent_source(
        editor,
        examples,
        size_px=config.size_px,
        with_flips=config.flip_probability > 0,
        dtype=torch.float16 if config.precision == "bf16" else torch.float32,
        mode=options.cache,
        tick=tick("latents"),
    )
    texts = embed_texts(editor, sampler.unique, dtype=dtype, tick=tick("texts"))
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
        editor.unet.compile()
    return trainer


def _run(
    trainer: Trainer,
    batches: Batches,
    first_step: int,
    run: str,
    out: Path,
    log: MetricsLog,
    options: TrainOptions,
    report: Report,
    stop: StopFlag,
) -> None:
    """Do steps `first_step` to the last, with checkpoints, a log and progress."""
    config = trainer.config
    folder = out / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)

    def save(num_steps_done: int) -> None:
        state = trainer.state() | {"metrics_bytes": log.sync()}
        checkpoint = Checkpoint(run=run, num_steps_done=num_steps_done, tensors=trainer.tensors(), state=state)
        save_checkpoint(folder, checkpoint, keep_last=options.keep_checkpoints)

    progress = _Progress(config, first_step, report)
    may_restore = True
    step = first_step
    while step < config.num_steps:
        entry = trainer.step(batches, step)
        log.add({"step": step + 1, **entry})
        step += 1
        progress(step, entry)
        if trainer.num_skipped_in_a_row >= MAX_SKIPPED_IN_A_ROW:
            saved = load_checkpoint(folder, run) if may_restore else None
            if saved is None:
                raise FloatingPointError(_no_finite_loss(step, folder))
            may_restore = False
            trainer.restore(saved.tensors, saved.state)
            log.truncate(saved.state["metrics_bytes"])
            step = saved.num_steps_done
            report({"phase": "restored", "step": step, "num_steps": config.num_steps})
        elif step % config.checkpoint_every == 0 or step == config.num_steps or stop.signal_number is not None:
            save(step)
        stop.check()


def _no_finite_loss(step: int, folder: Path) -> str:
    return (
        f"Steps {step - MAX_SKIPPED_IN_A_ROW + 1} to {step} had no finite loss or gradient. The checkpoints in {folder} "
        "are from before. Lower the learning rate, set max_grad_norm to 1.0, or train in fp32, in a new folder."
    )


class _Progress:
    """Reports steps, at most one every REPORT_EVERY_S seconds, and always the last."""

    def __init__(self, config: TrainConfig, first_step: int, report: Report):
        self._config = config
        self._report = report
        self._first_step = first_step
        self._began_at = time.monotonic()
        self._reported_at = 0.0

    def __call__(self, step: int, entry: Mapping[str, Any]) -> None:
        now = time.monotonic()
        if now - self._reported_at < REPORT_EVERY_S and step < self._config.num_steps:
            return
        self._reported_at = now
        steps_per_s = (step - self._first_step) / max(now - self._began_at, 1e-9)
        self._report(
            {
                "phase": "train",
                "step": step,
                "num_steps": self._config.num_steps,
                "loss": entry["loss"],
                "static": entry["static"],
                "skipped": entry["skipped"],
                "samples_per_s": round(steps_per_s * self._config.batch_size, 2),
                "eta_s": round((self._config.num_steps - step) / steps_per_s, 1),
            }
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


def read_config(path: Path) -> TrainConfig:
    """Read a TrainConfig from JSON; ValueError for fields that it does not have."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return TrainConfig(**content | {"objective": ObjectiveConfig(**content.get("objective", {}))})
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: no config of a training run ({error}).") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m modeling.train", description="Fine-tune an editor on shards.")
    parser.add_argument("--config", type=Path, required=True, help="JSON of a TrainConfig")
    parser.add_argument("--shards", type=Path, required=True, help="folder of the training split's tars")
    parser.add_argument("--start", required=True, help="pipeline folder or hub id")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to; resumed when a run began there")
    parser.add_argument("--facts", type=Path, help="JSON object of facts for the model card")
    parser.add_argument("--device", default="auto", help="torch device (default: a GPU when there is one)")
    parser.add_argument("--micro-batch", type=int, default=0, help="examples a forward pass (default: all)")
    parser.add_argument("--cache", choices=("auto", "on", "off"), default="auto", help="compute latents once")
    parser.add_argument("--keep-checkpoints", type=int, default=2, help="last checkpoints kept")
    parser.add_argument("--gradient-checkpointing", action="store_true", help="less memory, more time")
    parser.add_argument("--compile", action="store_true", help="torch.compile the U-Net")
    given = parser.parse_args(arguments)
    stop = StopFlag()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop.catch)
    options = TrainOptions(
        device=given.device,
        micro_batch=given.micro_batch,
        cache=given.cache,
        keep_checkpoints=given.keep_checkpoints,
        gradient_checkpointing=given.gradient_checkpointing,
        compile=given.compile,
    )
    try:
        facts = json.loads(given.facts.read_text(encoding="utf-8")) if given.facts else {}
        config = read_config(given.config)
        train(config, given.shards, given.start, given.out, options=options, facts=facts, report=_print, stop=stop)
    except Stopped as stopped:
        _print({"phase": "stopped", "message": str(stopped)})
        return stopped.exit_status
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"modeling.train: {error}", file=sys.stderr)
        return 1
    return 0


def _print(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    sys.exit(main())
