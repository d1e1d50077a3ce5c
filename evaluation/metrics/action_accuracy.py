"""Clips of eight frames -> the actions in them: whether an edit shows the action of its instruction.

An edit has no film of its own, so its clip is the input picture four times and the edited picture four times (paper,
section 4.2). The text does not say what the prediction is compared with, so there are two accuracies:
A, acc_match_gt (the headline): the prediction for (input, edit) against the prediction for (input, ground truth).
B, acc_label: the prediction against the annotated action; the ground truth is its upper bound, the copy its lower
bound.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import TimesformerForVideoClassification

from evaluation.classifier.clips import Clip
from evaluation.classifier.timesformer import ChannelOrder, to_model_input

UNKNOWN = -1
"""Label of an action that is not in the classifier's training: never predicted, so always wrong under B."""


@torch.inference_mode()
def predict_actions(
    model: TimesformerForVideoClassification,
    clips: Iterator[Clip] | Sequence[Clip],
    channel_order: ChannelOrder,
    *,
    batch_size: int = 32,
) -> NDArray[np.int64]:
    """Return the index of the likeliest action of each clip, int64 [N]."""
    model.eval()
    predicted: list[Tensor] = []
    waiting: list[Clip] = []
    for clip in clips:
        waiting.append(clip)
        if len(waiting) == batch_size:
            predicted.append(_likeliest(model, waiting, channel_order))
            waiting = []
    if waiting:
        predicted.append(_likeliest(model, waiting, channel_order))
    return torch.cat(predicted).numpy() if predicted else np.empty(0, dtype=np.int64)


def _likeliest(model: TimesformerForVideoClassification, clips: Sequence[Clip], order: ChannelOrder) -> Tensor:
    pixels = to_model_input(clips, order).to(next(model.parameters()).device)
    return model(pixel_values=pixels).logits.argmax(dim=1).cpu()


@dataclass(frozen=True, kw_only=True)
class Matches:
    """The edits that are right under each reading of the paper's accuracy; bool [N] each."""

    match_gt: NDArray[np.bool_]
    """A: same prediction as for the ground truth."""
    label: NDArray[np.bool_]
    """B: the annotated action is predicted."""


def matches(predicted: NDArray[np.int64], predicted_for_truth: NDArray[np.int64], labels: NDArray[np.int64]) -> Matches:
    """Compare the predictions for N edits with those for their ground truths and with their annotated actions."""
    if not len(predicted) == len(predicted_for_truth) == len(labels):
        raise ValueError(f"{len(predicted)} edits, {len(predicted_for_truth)} ground truths and {len(labels)} labels.")
    return Matches(match_gt=predicted == predicted_for_truth, label=predicted == labels)


def label_indices(verbs: Sequence[str], labels: Sequence[str]) -> NDArray[np.int64]:
    """Return the index of each verb among the labels, UNKNOWN for one that is not there."""
    index = {label: number for number, label in enumerate(labels)}
    return np.array([index.get(verb, UNKNOWN) for verb in verbs], dtype=np.int64)
