"""The objective of EditAction: per-sample errors of predictions -> one number to minimise (paper Eqs. 2 and 5 to 7).

    e_c       error of the prediction under the instruction c                L_static = mean e_c
    e_c'      error under another action's instruction c'                    L_action = mean sigmoid(e_c - e_c')
    drift     squared distance to the frozen start's prediction under c      L_reg    = mean drift

All three share x_t, the noise and the timestep. An error is a negative log-likelihood up to constants, so the Bayes
posterior of c against c' is p = sigmoid(e_c' - e_c) and L_action = 1 - p. The quotient of exponentials that the paper
prints is the same number, but overflows: it is 0 at e = 88 and NaN from e = 89 in fp32.

A batch may come in parts (micro-batches, processes). Every function here returns the part's *share*: shares add up to
the loss of the whole batch, because means divide by the whole batch's counts.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from modeling.config import ActionForm, ObjectiveConfig


@dataclass(frozen=True, kw_only=True)
class Errors:
    """Per-sample errors of one part of a batch, fp32 [b] each."""

    static: Tensor
    """e_c."""
    negative: Tensor | None
    """e_c'; None when L_action has no weight and its forward pass was left out."""
    drift: Tensor | None
    """Squared distance to the frozen start; None when L_reg has no weight."""


@dataclass(frozen=True, kw_only=True)
class Shares:
    """One part's share of each loss; scalars with gradients."""

    static: Tensor
    action: Tensor
    reg: Tensor

    def total(self, config: ObjectiveConfig) -> Tensor:
        """Return L = L_static + lambda_action L_action + lambda_reg L_reg   (paper Eq. 7)."""
        return self.static + config.lambda_action * self.action + config.lambda_reg * self.reg


def squared_error(prediction_BCHW: Tensor, target_BCHW: Tensor) -> Tensor:
    """Return the mean over C, H and W of the squared difference: fp32 [B], whatever the inputs' type.

    The paper's ||.||^2 is a sum; this is a mean, as in InstructPix2Pix and Diffusion Classifier (arXiv:2303.16203).
    `action_temperature` = C H W gives the sigmoid of the sum.
    """
    return (prediction_BCHW.float() - target_BCHW.float()).square().mean(dim=(1, 2, 3))


def contrast(difference: Tensor, form: ActionForm) -> Tensor:
    """Map e_c - e_c' (any shape, finite for any finite input) to 1 - p (sigmoid) or to -log p (softplus)."""
    return torch.sigmoid(difference) if form == "sigmoid" else functional.softplus(difference)


def objective_shares(
    errors: Errors,
    has_contrast: Tensor,
    config: ObjectiveConfig,
    *,
    batch_size: int,
    num_contrasts: int,
    mean_difference: Tensor | None = None,
) -> Shares:
    """Return the part's shares of the three losses.

    has_contrast: bool [b], the samples that count in L_action. A sample whose text was dropped does not count (the
    empty text would be compared with c'), and neither does one without any other instruction. `batch_size` and
    `num_contrasts` count the whole batch; `mean_difference` is the whole batch's mean of e_c - e_c', needed for
    `action_reduction="batch"` when the batch comes in parts.
    """
    zero = errors.static.new_zeros(())
    action = zero
    if errors.negative is not None and num_contrasts:
        differences = (errors.static - errors.negative)[has_contrast] * config.action_temperature
        if config.action_reduction == "sample":
            action = contrast(differences, config.action_form).sum() / num_contrasts
        else:
            mean = differences.mean() if mean_difference is None else mean_difference * config.action_temperature
            action = _share_of_mean(differences, mean.detach(), num_contrasts, config.action_form)
    reg = zero if errors.drift is None else errors.drift.sum() / batch_size
    return Shares(static=errors.static.sum() / batch_size, action=action, reg=reg)


def _share_of_mean(differences: Tensor, mean: Tensor, count: int, form: ActionForm) -> Tensor:
    """Return a part's share of f(mean of all differences): its value in proportion to its size, its gradient f'(mean) /
    count.
    """
    slope = torch.sigmoid(mean) * (1 - torch.sigmoid(mean)) if form == "sigmoid" else torch.sigmoid(mean)
    moving = (differences - differences.detach()).sum()  # 0, with the gradient of the sum
    return contrast(mean, form) * (len(differences) / count) + slope * moving / count
