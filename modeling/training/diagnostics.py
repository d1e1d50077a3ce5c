"""Errors and gradient norms of a step -> figures that show how strongly each loss acts."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from modeling.config import ObjectiveConfig
from modeling.objective.losses import Errors, Shares
from modeling.training.batches import MicroBatch


def gradient_ratios(entry: Mapping[str, float], objective: ObjectiveConfig) -> dict[str, float]:
    """Return the gradient norms of the weighted L_action and L_reg, relative to that of L_static."""
    static = entry.get("static_gradient_norm")
    weights = {"action": objective.lambda_action, "reg": objective.lambda_reg}
    return {
        f"{name}_gradient_ratio": weight * entry[f"{name}_gradient_norm"] / static
        for name, weight in weights.items()
        if static and f"{name}_gradient_norm" in entry
    }


def contrast_figures(errors: Errors, batch: MicroBatch, num_contrasts: int) -> dict[str, Tensor]:
    """Return the shares of mean |e_c - e_c'|, mean sigmoid(e_c - e_c') and P(e_c < e_c')."""
    if errors.negative is None or not num_contrasts:
        return {}
    differences = (errors.static - errors.negative).detach()[batch.has_contrast]
    return {
        "difference": differences.abs().sum() / num_contrasts,
        "sigmoid": differences.sigmoid().sum() / num_contrasts,
        "told_apart": (differences < 0).sum() / num_contrasts,
    }


def gradient_norms(shares: Shares, weights: Sequence[Tensor], *, scale: float) -> dict[str, Tensor]:
    """Return the gradient norm of each used loss, unweighted; the sum over processes is the mean.

    scale: size of the whole batch over this part's and over the number of processes, so that a part stands for all.
    """
    norms = {}
    for name in ("static", "action", "reg"):
        share = getattr(shares, name)
        if share.requires_grad:
            gradients = torch.autograd.grad(share, weights, retain_graph=True, allow_unused=True)
            present = [gradient for gradient in gradients if gradient is not None]
            norms[f"{name}_gradient_norm"] = nn.utils.get_total_norm(present) * scale
            # Now, and not when the next ones are there: each set is as large as the weights.
            del gradients, present
    return norms
