"""Labelled clips -> a trained TimeSformer; an interrupted training resumes at its last epoch and ends with the same
weights.

Published checkpoints: the reference's recipe (github.com/facebookresearch/TimeSformer), SGD with Nesterov momentum and
batch 64. The small classifier: AdamW with a warm-up and a cosine.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import TimesformerForVideoClassification

from evaluation.classifier.clips import Clip
from evaluation.classifier.timesformer import ChannelOrder, DropPath, to_model_input
from modeling.atomic import atomic_file

NUM_THREADS = 1
"""Number of threads for training and testing on every machine: the weights depend on it.

One thread: at this size a second gains little, and on a busy machine two wait for each other (76 s of CPU per epoch
instead of 5).
"""

PUBLISHED_MILESTONES = ((0.0, 1.0), (11 / 15, 0.1), (14 / 15, 0.01))
"""(share of the training from which on, factor on the learning rate): epochs 0, 11 and 14 of the reference's 15."""
MICRO_BATCH = 8
"""Published checkpoints: clips in one forward pass; their gradients add up to the batch's."""


@dataclass(frozen=True, kw_only=True)
class TrainRecipe:
    """How a classifier is trained."""

    optimizer: Literal["adamw", "sgd"]
    """adamw (warm-up, then cosine) for a small one; sgd (Nesterov, two steps down) for a published one."""
    num_epochs: int
    """Passes over the clips."""
    batch_size: int
    """Clips a step."""
    learning_rate: float
    """The largest learning rate of the schedule."""
    channel_order: ChannelOrder
    """Order in which the network sees the colours."""
    seed: int
    """Seed of order, frames and skipped layers."""


class ClipSource(Protocol):
    """Training clips; every access draws new frames."""

    @property
    def labels(self) -> Sequence[int]:
        """The action of each clip."""
        ...

    def clip(self, index: int, rng: np.random.Generator) -> Clip:
        """Return one drawing of clip `index`, uint8 RGB [8, H, W, 3]."""
        ...


@contextmanager
def fixed_threads(num_threads: int) -> Iterator[None]:
    """Compute with this many threads inside the `with` block: sums, and so weights, depend on their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(num_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def rate_factor(recipe: TrainRecipe, done: float) -> float:
    """Return the factor on the learning rate after the share `done` in [0, 1] of the training."""
    if recipe.optimizer == "sgd":
        return [factor for begin, factor in PUBLISHED_MILESTONES if begin <= done][-1]
    return min(1.0, (done + 1e-3) / 0.08) * 0.5 * (1 + float(np.cos(np.pi * done)))


def train(
    model: TimesformerForVideoClassification,
    clips: ClipSource,
    recipe: TrainRecipe,
    checkpoint: Path,
    on_epoch: Callable[[int, float], None],
) -> list[float]:
    """Train `model` in place; return the mean loss of each epoch.

    Order, frames and skipped layers are functions of (seed, epoch), and each finished epoch is kept in `checkpoint`, so
    an interrupted training ends with the same weights. `on_epoch` is called as (epochs done, loss).
    """
    optimizer = _optimizer(model, recipe)
    losses = _restore(model, optimizer, checkpoint) if checkpoint.is_file() else []
    for epoch in range(len(losses), recipe.num_epochs):
        losses.append(_train_epoch(model, clips, recipe, optimizer, epoch))
        _save(model, optimizer, losses, checkpoint)
        on_epoch(epoch + 1, losses[-1])
    model.eval()
    return losses


def _optimizer(model: nn.Module, recipe: TrainRecipe) -> torch.optim.Optimizer:
    if recipe.optimizer == "sgd":
        parameters = model.parameters()
        return torch.optim.SGD(parameters, recipe.learning_rate, momentum=0.9, nesterov=True, weight_decay=1e-4)
    return torch.optim.AdamW(model.parameters(), recipe.learning_rate, weight_decay=0.05)


def _train_epoch(
    model: TimesformerForVideoClassification,
    clips: ClipSource,
    recipe: TrainRecipe,
    optimizer: torch.optim.Optimizer,
    epoch: int,
) -> float:
    model.train()
    rng = np.random.default_rng((recipe.seed, epoch))
    for module in model.modules():
        if isinstance(module, DropPath):
            module.generator.manual_seed(recipe.seed * 100_003 + epoch)
    order = rng.permutation(len(clips.labels))
    num_batches = -(-len(order) // recipe.batch_size)
    total = 0.0
    for number, batch in enumerate(np.array_split(order, num_batches)):
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * rate_factor(recipe, (epoch + number / num_batches) / recipe.num_epochs)
        total += _step(model, clips, recipe, optimizer, batch, rng) * len(batch)
    return total / len(order)


def _step(
    model: TimesformerForVideoClassification,
    clips: ClipSource,
    recipe: TrainRecipe,
    optimizer: torch.optim.Optimizer,
    batch: NDArray[np.int64],
    rng: np.random.Generator,
) -> float:
    """Take one optimiser step on the clips of `batch`; return their mean loss."""
    device = next(model.parameters()).device
    micro = MICRO_BATCH if recipe.optimizer == "sgd" else len(batch)
    optimizer.zero_grad(set_to_none=True)
    total = 0.0
    for begin in range(0, len(batch), micro):
        part = batch[begin : begin + micro]
        drawn = [clips.clip(int(index), rng) for index in part]
        labels = torch.tensor([clips.labels[int(index)] for index in part], device=device)
        logits = model(pixel_values=to_model_input(drawn, recipe.channel_order).to(device)).logits
        loss = functional.cross_entropy(logits, labels, reduction="sum") / len(batch)
        loss.backward()
        total += float(loss.detach())
    if recipe.optimizer == "adamw":
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return total


def _save(model: nn.Module, optimizer: torch.optim.Optimizer, losses: list[float], checkpoint: Path) -> None:
    tensors = {f"model.{name}": tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            if value is not None:
                tensors[f"optimizer.{index}.{name}"] = torch.as_tensor(value).cpu().contiguous()
    with atomic_file(checkpoint) as temporary:
        save_file(tensors, temporary, metadata={"losses": json.dumps(losses)})


def _restore(model: nn.Module, optimizer: torch.optim.Optimizer, checkpoint: Path) -> list[float]:
    """Load what `_save` wrote; return the losses of the epochs done."""
    weights: dict[str, Tensor] = {}
    state: dict[int, dict[str, Tensor]] = {}
    with safe_open(checkpoint, framework="pt") as file:
        losses = json.loads(file.metadata()["losses"])
        for key in file.keys():  # noqa: SIM118 (not a dict)
            part, _, name = key.partition(".")
            if part == "model":
                weights[name] = file.get_tensor(key)
            else:
                index, _, field = name.partition(".")
                state.setdefault(int(index), {})[field] = file.get_tensor(key)
    model.load_state_dict(weights)
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    return [float(loss) for loss in losses]
