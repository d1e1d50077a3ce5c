"""A step that does not fit into memory -> the same gradients from smaller micro-batches.

Gradients of micro-batches add up to the whole batch's, so halving them changes a result by rounding only.
"""

import torch

from modeling.runs.watcher import Watcher
from modeling.training.batches import Batches
from modeling.training.trainer import Gradients, Trainer


def gradients_that_fit(trainer: Trainer, batches: Batches, step: int, watcher: Watcher) -> Gradients:
    """Compute the gradients of step `step`; halve `batches.micro_batch` as long as the device's memory does not
    suffice.

    No weight has changed yet, so the computation can begin again. ValueError when one example is already too much, or
    when other processes wait for this one's gradients.
    """
    while True:
        try:
            return trainer.find_gradients(batches, step)
        except torch.OutOfMemoryError as error:
            if batches.micro_batch == 1 or trainer.ranks.count > 1:
                raise ValueError(
                    f"Step {step + 1} does not fit into the memory of {trainer.device} with {batches.micro_batch} "
                    "examples a forward pass. Give a smaller --micro-batch, --gradient-checkpointing, adam_bits=8 "
                    "or smaller pictures (size_px)."
                ) from error
        # Outside the `except` block: the error's traceback keeps the tensors of the failed pass alive.
        trainer.forget_gradients()
        if trainer.device.type == "cuda":
            torch.cuda.empty_cache()
        batches.micro_batch = -(-batches.micro_batch // 2)
        watcher.say("micro_batch", step=step + 1, micro_batch=batches.micro_batch)
