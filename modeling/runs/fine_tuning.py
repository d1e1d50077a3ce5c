"""Shards of examples + a start -> a fine-tuned editor on disk, in one run that can be interrupted and resumed."""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from modeling.atomic import atomic_folder, write_bytes
from modeling.config import CacheMode, EmaPlace, TrainConfig
from modeling.data.loader import Examples
from modeling.editors.instruct_pix2pix import Editor, forget_origin, pick_device
from modeling.editors.model_index import OWN_MODULE
from modeling.objective.kindred_negatives import make_sampler
from modeling.runs.beforehand import warnings_before
from modeling.runs.checkpoint import check_out
from modeling.runs.further import same_but_for_length
from modeling.runs.identity import run_digest
from modeling.runs.model_card import model_card
from modeling.runs.saver import Saver
from modeling.runs.sight import Sight
from modeling.runs.steps import do_steps
from modeling.runs.trackers import open_trackers
from modeling.runs.validation import Validation
from modeling.runs.watcher import Watcher
from modeling.training.batches import Batches
from modeling.training.latents import CachedLatents, embed_texts, latent_source
from modeling.training.ranks import Ranks
from modeling.training.trainer import Trainer
from modeling.visible import visible

WARNINGS = "warnings"
"""Phase of the progress lines that carry a warning before the first step."""


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """The choices of device, speed and memory; they change the result by rounding only."""

    device: str = "auto"
    """Torch device; auto takes a GPU when there is one."""
    micro_batch: int = 0
    """Examples in one forward pass; gradients add up to the batch. 0: the whole batch. Halved where it does not fit."""
    cache: CacheMode = "auto"
    """Whether latents are computed once and kept; auto: when they fit into memory."""
    workers: int = 0
    """Workers that read pictures ahead; 0: one per core, up to eight."""
    keep_checkpoints: int = 2
    """Last checkpoints kept."""
    gradient_checkpointing: bool = False
    """Compute most activations a second time instead of keeping them."""
    compile: bool = False
    """torch.compile the U-Net."""
    ema_on: EmaPlace = "device"
    """Device of the averaged weights: cpu frees 3 GiB of a GPU at Stable Diffusion's size and gives the same numbers.
    """
    validate_every: int = 0
    """Steps between looks at fixed examples; 0: never."""
    validation: Path | None = None
    """Folder of held-out shards for these looks; None: some of the training examples."""
    keep_best: int = 1
    """Number of checkpoints that are kept for their low loss on held-out examples."""
    trackers: tuple[str, ...] = ()
    """Further places that show the log: tensorboard, wandb."""
    take: str | None = None
    """Do not train; write the editor of this checkpoint (a name, or best) to a folder of that name."""

    def __post_init__(self) -> None:
        if self.micro_batch < 0 or self.keep_checkpoints < 1:
            raise ValueError(
                f"micro_batch is {self.micro_batch} and keep_checkpoints {self.keep_checkpoints}; at least 0 and 1."
            )
        if self.validate_every < 0 or self.workers < 0:
            raise ValueError(f"validate_every is {self.validate_every} and workers {self.workers}; at least 0.")


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
    """Train and write everything under `out`; resume from the newest checkpoint there.

    `facts` go into the model card; `ranks` are the processes that train together, and each of them calls this.
    ValueError for an error that the user can fix, OSError for a full disk, FloatingPointError after too many skipped
    steps, TrainingStopped after a signal.
    """
    check_out(out)
    ranks = ranks or Ranks(device=pick_device(options.device))
    examples = Examples(shards)
    editor = Editor.load(start, str(ranks.device))
    if ranks.is_first:
        tell_warnings(warnings_before(config, examples, editor), watcher)
    digest_of = partial(run_digest, editor=editor, examples=examples)
    is_same = same_but_for_length(config, digest_of)
    saver = Saver(out, digest_of(config), ranks, options.keep_checkpoints, is_same)
    trainer = make_trainer(editor, config, options, ranks)
    num_steps_done = saver.begin(trainer) if options.take is None else saver.take(trainer, options.take)
    if num_steps_done < config.num_steps and options.take is None:
        batches = make_batches(editor, examples, config, options, watcher, ranks)
        sight = make_sight(editor, examples, config, options, watcher, saver, num_steps_done)
        try:
            do_steps(trainer, batches, num_steps_done, saver, watcher, sight)
        finally:
            if sight is not None:
                sight.close()
        num_steps_done = config.num_steps
    if not ranks.is_first:
        return
    watcher.say("save", step=num_steps_done, num_steps=config.num_steps)
    card = partial(
        model_card,
        config,
        num_examples=len(examples),
        metrics=saver.log.entries()[:num_steps_done],
        facts=facts,
        own_autoencoder=type(editor.vae).__module__ == OWN_MODULE,
        saved_scheduler=type(editor.scheduler).__name__,
    )
    save_editor(trainer, editor, out / (options.take or ""), card)


def tell_warnings(messages: Sequence[str], watcher: Watcher) -> None:
    """Give the warnings before the first step: to the caller, and in the run's log."""
    if messages:
        watcher.say(WARNINGS, messages=list(messages))
        with suppress(OSError):
            print(*(f"warning: {visible(message)}" for message in messages), sep="\n", file=sys.stderr, flush=True)


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
    sampler = make_sampler(examples, editor.tokenizer, config.objective.negatives)
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
        dtype=torch.bfloat16 if low_precision else torch.float32,  # autocast would convert them anyway
        tick=lambda done, total: watcher.tick("texts", done, total),
    )
    if isinstance(latents, CachedLatents):
        editor.put_encoders("cpu")  # they are not needed again before pictures are edited
    rows = (ranks or Ranks()).rows(config.batch_size)
    micro_batch = min(options.micro_batch or config.batch_size, rows.stop - rows.start)
    return Batches(editor, config, latents, texts, sampler, micro_batch=micro_batch, rows=rows)


def make_sight(
    editor: Editor,
    examples: Examples,
    config: TrainConfig,
    options: TrainOptions,
    watcher: Watcher,
    saver: Saver,
    num_steps_done: int,
) -> Sight | None:
    """Open the trackers and prepare the validation, in the process that reports."""
    if not saver.writes:
        return None
    trackers = open_trackers(
        options.trackers,
        saver.out,
        run=saver.run,
        config=asdict(config),
        first_step=num_steps_done,
        on_failure=lambda message: watcher.say("tracker_failed", message=message),
    )
    validation = None
    if options.validate_every:
        seen = Examples(options.validation) if options.validation else examples
        make = partial(make_batches, editor, seen, options=options, watcher=Watcher(lambda line: None))
        validation = Validation(editor, config, seen, make)
    return Sight(
        saver,
        watcher,
        trackers=trackers,
        validation=validation,
        every=options.validate_every,
        keep_best=options.keep_best if options.validation else 0,
    )


def make_trainer(editor: Editor, config: TrainConfig, options: TrainOptions, ranks: Ranks | None = None) -> Trainer:
    """Make the trainer and apply the choices of speed and memory."""
    ranks = ranks or Ranks(device=editor.device)
    ranks.rows(config.batch_size)  # ValueError here where there are too many
    if editor.device.type == "cuda":
        editor.unet.to(memory_format=torch.channels_last)
    trainer = Trainer(editor, config, ranks, ema_on=options.ema_on)
    if options.gradient_checkpointing:
        editor.unet.enable_gradient_checkpointing()
    if options.compile:
        trainer.compile()
    return trainer


def save_editor(trainer: Trainer, editor: Editor, out: Path, card: Callable[..., str]) -> None:
    """Write `raw_unet/`, `pipeline/` and the card beside either; the editor holds the averaged weights afterwards.

    card(place=...): the card of a pipeline that lies there, seen from the card.
    """
    editor.unet.to(memory_format=torch.contiguous_format)
    try:
        with atomic_folder(out / "raw_unet", replaces=("config.json", "diffusion_pytorch_model.safetensors")) as folder:
            editor.unet.save_pretrained(folder, safe_serialization=True)
            forget_origin(folder)
        trainer.swap_average()
        with atomic_folder(out / "pipeline", replaces=("model_index.json", "unet/config.json")) as folder:
            editor.save(folder)
            (folder / "README.md").write_text(card(place="."), encoding="utf-8")
        write_bytes(out / "README.md", card(place="pipeline").encode())
    except (OSError, SafetensorError) as error:
        raise OSError(
            f"{out}: the editor could not be written ({error}). Its last checkpoint is whole: make room and start the "
            "same command again, which writes it without training again."
        ) from error
