"""The steps of a run in order: log, checkpoints and progress, and what happens when steps fail or a signal comes."""

import signal
from pathlib import Path

from modeling.runs.log import finite_or_none
from modeling.runs.micro_batch import gradients_that_fit
from modeling.runs.saver import Saver
from modeling.runs.sight import Sight
from modeling.runs.watcher import StepProgress, TrainingStopped, Watcher
from modeling.training.batches import Batches
from modeling.training.trainer import Trainer

MAX_SKIPPED_IN_A_ROW = 3
"""After this many skipped steps in a row the last checkpoint is restored once; the next time the run stops."""


def do_steps(
    trainer: Trainer,
    batches: Batches,
    first_step: int,
    saver: Saver,
    watcher: Watcher,
    sight: Sight | None = None,
) -> None:
    """Do the steps from `first_step` to the last, with log, checkpoints and progress; save before TrainingStopped is
    raised.

    Everything is saved before it is reported. When a signal comes in a step that lasts longer than the watcher's grace,
    the watcher's thread obeys it and saves the state before that step.
    """
    config, ranks = trainer.config, trainer.ranks
    progress = StepProgress(watcher, config, first_step)
    has_restored = False
    step = first_step
    with watcher.saving(lambda: saver.save_now(trainer)):
        while step < config.num_steps:
            gradients = gradients_that_fit(trainer, batches, step, watcher)
            with trainer.changing:
                entry = trainer.move(step, gradients)
                step += 1
                saver.log.add({"step": step, "epoch": batches.epochs_after(step - 1), **entry})
                saver.num_steps_done = step
            must_stop = ranks.any(watcher.stop_requested())  # read once: a later signal waits for the next step
            spoiled = trainer.num_skipped_in_a_row >= MAX_SKIPPED_IN_A_ROW
            if not spoiled and (step % config.checkpoint_every == 0 or step == config.num_steps or must_stop):
                saver.save(trainer, step)
            progress(step, entry)
            if "skip_reason" in entry:
                watcher.say("skipped", step=step, reason=entry["skip_reason"], loss=finite_or_none(entry["loss"]))
            if spoiled:
                restored = None if has_restored else saver.restore(trainer)
                if restored is None:
                    raise FloatingPointError(_too_many_skipped(step, entry["skip_reason"], saver.folder))
                watcher.say("restored", step=restored, num_steps=config.num_steps, after=step)
                has_restored, step = True, restored
            if sight is not None and not must_stop and "skip_reason" not in entry:
                sight.step_done(trainer, step, entry)
            if must_stop:
                raise TrainingStopped(
                    watcher.signal_number or signal.SIGTERM, kept=step
                )  # another process may have received it


def _too_many_skipped(step: int, reason: str, folder: Path) -> str:
    cause = "no finite loss or gradient" if reason == "not_finite" else "losses far above all recent ones"
    return (
        f"Steps {step - MAX_SKIPPED_IN_A_ROW + 1} to {step}: {cause}, and the same after going back to the last "
        f"checkpoint. The checkpoints in {folder} are from before. Lower the learning rate, set max_grad_norm to 1.0 "
        "or train in fp32, in a new folder."
    )
