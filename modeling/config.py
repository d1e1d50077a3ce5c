"""The configs of training and sampling: all that decides an editor and an edit. They are checked when made.

The defaults are the paper's stated numbers (section 4.3). Where the paper is silent the default is InstructPix2Pix's,
and the field says so. Device, workers and micro-batch are not here: they must not change a result.
"""

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

Freeze = Literal["attn2", "attn", "transformer", "none"]
ActionForm = Literal["sigmoid", "softplus"]
ActionReduction = Literal["sample", "batch"]
NegativeKind = Literal["disjoint", "same_verb", "same_object", "swapped"]
Precision = Literal["fp32", "bf16"]
LearningRateSchedule = Literal["constant", "cosine"]
AdamBits = Literal[8, 32]
EmaPlace = Literal["device", "cpu"]
CacheMode = Literal["auto", "on", "off"]
SchedulerName = Literal["euler_ancestral", "euler", "ddim", "ddpm", "dpmpp_2m", "pipeline"]


def _check_choice(name: str, value: object, choices: object) -> None:
    if value not in get_args(choices):
        raise ValueError(f"{name} is {value!r}; choose one of {', '.join(map(str, get_args(choices)))}.")


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """L = L_static + lambda_action L_action + lambda_reg L_reg   (paper Eq. 7)."""

    lambda_action: float = 5e-3
    """Weight of the contrastive loss. The paper prints "50^-4", read as 50e-4."""
    lambda_reg: float = 0.3
    """Weight of the pull towards the frozen start. The paper prints "30^-2", read as 30e-2."""
    action_form: ActionForm = "sigmoid"
    """sigmoid(e_c - e_c') is the paper's Eq. 5 (1 - p); softplus is -log p."""
    action_temperature: float = 1.0
    """Multiplies e_c - e_c'. With errors averaged over elements 1 leaves the sigmoid near 0.5."""
    action_reduction: ActionReduction = "sample"
    """sample: one sigmoid per sample, then their mean. batch: one sigmoid of the batch's mean errors."""
    freeze: Freeze = "attn2"
    """Which attention weights stay at the start's values: the paper freezes cross-attention (attn2)."""
    negatives: NegativeKind = "disjoint"
    """disjoint: c' shares no word with c, as in the paper. same_verb: the same verb with another object. same_object:
    another verb with the same object. swapped: c with its object exchanged for another thing, though nobody wrote that.
    Where there is none of a kind, a disjoint one, counted.
    """
    action_every: int = 1
    """L_action counts at every n-th step, beginning with the first; the other steps skip its forward pass."""
    action_from: float = 0.0
    """L_action counts for timesteps from this share of the schedule on; the others skip its forward pass."""
    action_to: float = 1.0
    """L_action counts for timesteps below this share of the schedule; 1 is pure noise."""

    def __post_init__(self) -> None:
        _check_choice("freeze", self.freeze, Freeze)
        _check_choice("action_form", self.action_form, ActionForm)
        _check_choice("action_reduction", self.action_reduction, ActionReduction)
        _check_choice("negatives", self.negatives, NegativeKind)
        if self.action_every < 1:
            raise ValueError(f"action_every is {self.action_every}; it must be at least 1.")
        if not 0 <= self.action_from < self.action_to <= 1:
            raise ValueError(
                f"action_from {self.action_from} and action_to {self.action_to} are shares, 0 to 1, in order."
            )
        for name in ("lambda_action", "lambda_reg"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; a loss weight is 0 or more.")
        if self.action_temperature <= 0:
            raise ValueError(f"action_temperature is {self.action_temperature}; it must be above 0.")

    def contrasts_at(self, step: int) -> bool:
        """Tell whether L_action counts at step `step` (from 0)."""
        return self.lambda_action > 0 and step % self.action_every == 0

    @property
    def contrasts_everywhere(self) -> bool:
        """Whether L_action counts at every timestep."""
        return self.action_from <= 0 and self.action_to >= 1


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One fine-tuning run."""

    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    """The losses and what is frozen."""
    size_px: int = 256
    """Side of the square training pictures."""
    batch_size: int = 64
    """Examples per step, over all processes and micro-batches."""
    num_steps: int = 10_000
    """Optimiser steps."""
    learning_rate: float = 1e-4
    """AdamW's learning rate."""
    lr_schedule: LearningRateSchedule = "constant"
    """constant as InstructPix2Pix, or cosine down to 0 at the last step."""
    num_warmup_steps: int = 0
    """Steps of linear warm-up."""
    adam_beta1: float = 0.9
    """AdamW's first decay (torch's default, as InstructPix2Pix)."""
    adam_beta2: float = 0.999
    """AdamW's second decay."""
    weight_decay: float = 1e-2
    """AdamW's weight decay."""
    adam_bits: AdamBits = 32
    """Bits of AdamW's moments; 8 bits take a quarter of the memory and need bitsandbytes (the extra `8bit`)."""
    max_grad_norm: float | None = None
    """Clip the gradient's norm to this; None as InstructPix2Pix."""
    spike_ratio: float | None = 3.0
    """A step is skipped when its loss is above this factor times the largest of the last 100 losses; None: never.

    The largest loss is the measure because noise alone stays below three times the worst of a hundred batches (it
    reached 1.7 times in two runs of 3 200 steps of 8 in the drawn kitchen).
    """
    ema_decay: float = 0.9999
    """Upper bound of the average's decay min(ema_decay, (1 + n) / (10 + n))."""
    conditioning_dropout: float = 0.05
    """p: text alone, both, and picture alone are dropped with probability p each."""
    flip_probability: float = 0.5
    """Probability of mirroring both pictures; pairs whose instruction says left or right are never mirrored."""
    precision: Precision = "bf16"
    """Autocast type of the networks; weights and errors stay fp32. fp32 on CPU presets."""
    seed: int = 0
    """Decides batch order, noise, timesteps, dropout, flips and negatives."""
    checkpoint_every: int = 500
    """Steps between checkpoints."""

    def __post_init__(self) -> None:
        _check_choice("precision", self.precision, Precision)
        _check_choice("lr_schedule", self.lr_schedule, LearningRateSchedule)
        _check_choice("adam_bits", self.adam_bits, AdamBits)
        for name in ("size_px", "batch_size", "num_steps", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        if self.spike_ratio is not None and self.spike_ratio <= 1:
            raise ValueError(f"spike_ratio is {self.spike_ratio}; it must be above 1, or None.")
        if not 0 <= self.conditioning_dropout <= 1 / 3:
            raise ValueError(f"conditioning_dropout is {self.conditioning_dropout}; it lies in [0, 1/3].")
        if not 0 <= self.flip_probability <= 1:
            raise ValueError(f"flip_probability is {self.flip_probability}; it lies in [0, 1].")
        for name in ("adam_beta1", "adam_beta2", "ema_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; a decay is at least 0 and below 1.")
        for name in ("learning_rate", "max_grad_norm"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name} is {value}; it must be a number above 0.")
        for name in ("num_warmup_steps", "weight_decay", "seed"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 0.")


@dataclass(frozen=True, kw_only=True)
class SamplingConfig:
    """How an editor edits."""

    size_px: int = 512
    """Side of the square pictures that the editor works on."""
    num_steps: int = 100
    """Denoising steps."""
    image_guidance: float = 1.0
    """s_i of Eq. 8. At 1 the unconditional pass has weight 0 and is left out."""
    text_guidance: float = 7.5
    """s_c of Eq. 8."""
    scheduler: SchedulerName = "euler_ancestral"
    """Sampler; `pipeline` takes the one saved with the editor."""
    precision: Precision = "bf16"
    """Autocast type of the U-Net."""

    def __post_init__(self) -> None:
        _check_choice("scheduler", self.scheduler, SchedulerName)
        _check_choice("precision", self.precision, Precision)
        if self.num_steps < 1 or self.size_px < 1:
            raise ValueError(f"num_steps {self.num_steps} and size_px {self.size_px} must be at least 1.")
        if not (math.isfinite(self.image_guidance) and math.isfinite(self.text_guidance)):
            raise ValueError(f"guidance {self.image_guidance} and {self.text_guidance} must be finite numbers.")
