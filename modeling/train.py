"""The command that fine-tunes: shards of examples + a start -> an editor.

    python -m modeling.train --config train.json --shards DIR --start-from DIR|HUB_ID --out DIR
    accelerate launch --multi_gpu --num_processes 8 -m modeling.train ...

    OUT/pipeline/       averaged weights, as StableDiffusionInstructPix2PixPipeline.from_pretrained loads them
    OUT/raw_unet/       the U-Net without averaging
    OUT/metrics.jsonl   losses and diagnostics of every step; the same after a kill and a resume
    OUT/README.md       the model card
    OUT/checkpoints/    the last ones and the best; the same command goes on from there
    OUT/validation/     losses on fixed examples and edits of them, every --validate-every steps
    OUT/tensorboard/    the log for TensorBoard, where that is installed

Progress is written to stdout as JSON lines, at a terminal as a bar. SIGTERM and SIGINT save a checkpoint and end with
status 143 and 130. The present step is finished first, unless that takes more than five seconds. An error that a user
can fix is one line on stderr and status 1.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from diffusers.utils import logging
from rich.console import Console

from modeling.config import ObjectiveConfig, TrainConfig
from modeling.runs.fine_tuning import TrainOptions, fine_tune
from modeling.runs.trackers import wanted_trackers
from modeling.runs.watcher import ProgressBar, TrainingStopped, Watcher
from modeling.training.ranks import join_ranks
from modeling.visible import visible


def read_config(path: Path) -> TrainConfig:
    """Read a TrainConfig from JSON; ValueError for fields that it does not have."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return TrainConfig(**content | {"objective": ObjectiveConfig(**content.get("objective", {}))})
    except (OSError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path}: no config of a training run ({error}).") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    given = _parser().parse_args(arguments)
    logging.disable_progress_bar()
    bar = ProgressBar(Console()) if sys.stdout.isatty() else None
    watcher = Watcher(bar or _print_line)
    watcher.catch_signals()
    try:
        ranks = join_ranks(given.device)
        if not ranks.is_first:
            watcher.be_silent()
        options = TrainOptions(
            device=given.device,
            micro_batch=given.micro_batch,
            cache=given.cache,
            workers=given.workers,
            keep_checkpoints=given.keep_checkpoints,
            gradient_checkpointing=given.gradient_checkpointing,
            compile=given.compile,
            ema_on=given.ema_on,
            validate_every=given.validate_every,
            validation=given.validation,
            keep_best=given.keep_best,
            trackers=wanted_trackers(given.trackers),
            take=given.take,
        )
        facts = json.loads(given.facts.read_text(encoding="utf-8")) if given.facts else {}
        config = read_config(given.config)
        fine_tune(
            config,
            given.shards,
            given.start_from,
            given.out,
            options=options,
            facts=facts,
            watcher=watcher,
            ranks=ranks,
        )
        ranks.leave()
    except TrainingStopped as stopped:
        watcher.say("stopped", message=str(stopped))
        return stopped.exit_status
    except (ValueError, OSError, FloatingPointError) as error:
        with suppress(OSError):  # the reader is gone
            print(f"modeling.train: {visible(' '.join(str(error).split()))}", file=sys.stderr)
        return 1
    finally:
        watcher.release_signals()
        if bar is not None:
            bar.close()
    return 0


def _print_line(line: str) -> None:
    """Print a line; when nobody reads any more, replace stdout, so that no error comes when the process ends."""
    try:
        print(line, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m modeling.train", description="Fine-tune an editor on shards.")
    parser.add_argument("--config", type=Path, required=True, help="JSON of a TrainConfig")
    parser.add_argument("--shards", type=Path, required=True, help="folder of the training split's tars")
    # Not `--start`, which torchrun refuses to pass on: it begins two options of its own.
    parser.add_argument("--start-from", required=True, help="pipeline folder or hub id")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to; a run begun there goes on")
    parser.add_argument("--facts", type=Path, help="JSON object of facts for the model card")
    parser.add_argument("--device", default="auto", help="torch device (default: a GPU when there is one)")
    parser.add_argument("--micro-batch", type=int, default=0, help="examples a forward pass (default: all)")
    parser.add_argument("--cache", choices=("auto", "on", "off"), default="auto", help="compute latents once")
    parser.add_argument("--workers", type=int, default=0, help="pictures read at once (default: one a core, up to 8)")
    parser.add_argument("--keep-checkpoints", type=int, default=2, help="last checkpoints kept")
    parser.add_argument("--gradient-checkpointing", action="store_true", help="less memory, more time")
    parser.add_argument("--compile", action="store_true", help="torch.compile the U-Net")
    parser.add_argument("--ema-on", choices=("device", "cpu"), default="device", help="where the averaged weights lie")
    parser.add_argument("--validate-every", type=int, default=0, help="steps between looks at fixed examples")
    parser.add_argument("--validation", type=Path, help="shards of held-out examples to look at")
    parser.add_argument("--keep-best", type=int, default=1, help="checkpoints kept for their loss on these")
    parser.add_argument("--trackers", default="auto", help="auto (what is set up), none, or tensorboard,wandb")
    parser.add_argument("--take", metavar="best|step-N", help="write this checkpoint's editor to OUT/NAME, and no more")
    return parser


if __name__ == "__main__":
    sys.exit(main())
