"""Named settings: the paper's training run, its ablations, both readings of its loss weights, the two guidances."""

import math
from collections.abc import Iterable
from dataclasses import replace

from modeling.config import ObjectiveConfig, SamplingConfig, TrainConfig

LAMBDA_GRID = (1e-3, 3e-3, 5e-3, 1e-2, 3e-2, 5e-2, 1e-1, 3e-1, 5e-1)
"""The grid that the paper prints as 10^-4, 30^-4, 50^-4, 10^-3 ... 50^-2, read as 10e-4, 30e-4, 50e-4 ... 50e-2: the
reading that increases along the printed order and is what such code notation looks like."""
LAMBDA_GRID_DECIMAL = (1e-4, 3e-4, 5e-4, 1e-3, 3e-3, 5e-3, 1e-2, 3e-2, 5e-2)
"""The same, read as 1.0e-4, 3.0e-4, 5.0e-4 ... with a lost decimal point."""


def editaction() -> ObjectiveConfig:
    """EditAction with lambda_action = 50e-4 and lambda_reg = 30e-2."""
    return ObjectiveConfig()


def editaction_decimal() -> ObjectiveConfig:
    """EditAction with lambda_action = 5.0e-4 and lambda_reg = 3.0e-2, the other reading of the printed weights."""
    return ObjectiveConfig(lambda_action=5e-4, lambda_reg=3e-2)


def fine_tuned() -> ObjectiveConfig:
    """The fine-tuned InstructPix2Pix of the paper's tables: L_static alone, nothing frozen."""
    return ObjectiveConfig(lambda_action=0.0, lambda_reg=0.0, freeze="none")


def ablations(whole: ObjectiveConfig | None = None) -> dict[str, ObjectiveConfig]:
    """The rows of the paper's Table 5: each leaves out one part of `whole` (default: `editaction`)."""
    whole = whole or editaction()
    return {
        "without_action": replace(whole, lambda_action=0.0),
        "without_reg": replace(whole, lambda_reg=0.0),
        "without_freezing": replace(whole, freeze="none"),
    }


GRIDS = {"grid": LAMBDA_GRID, "grid_decimal": LAMBDA_GRID_DECIMAL}
"""Names that stand for a whole grid of methods."""
EDITACTION = "editaction"


def methods_of(weights: Iterable[float]) -> tuple[str, ...]:
    """Return the methods that try each weight as λ1 and as λ2, the other being 0.

    >>> methods_of([0.001, 0.5])
    ('action_0.001', 'action_0.5', 'reg_0.001', 'reg_0.5')
    """
    weights = tuple(weights)
    return tuple(f"{term}_{weight:g}" for term in ("action", "reg") for weight in weights)


def method_names(given: str) -> tuple[str, ...]:
    """Return the methods in a text of names separated by commas; `table5`, `grid` and `grid_decimal` stand for several.

    Names: editaction, finetuned, without_action, without_reg, without_freezing; action_X is L_static + X L_action,
    reg_X is L_static + X L_reg. The paper chose its weights with the last two kinds (section 7.2).
    """
    several: dict[str, tuple[str, ...]] = {"table5": (EDITACTION, *ablations())}
    for name, grid in GRIDS.items():
        several[name] = methods_of(grid)
    names = [name for part in given.split(",") for name in several.get(part.strip(), (part.strip(),))]
    for name in names:
        method(name, editaction())
    return tuple(dict.fromkeys(names))


def method(name: str, whole: ObjectiveConfig) -> ObjectiveConfig:
    """Return the objective of a method, where `whole` is EditAction's: one trainer, many configs."""
    known = {EDITACTION: whole, "finetuned": fine_tuned(), **ablations(whole)}
    if name in known:
        return known[name]
    term, _, number = name.partition("_")
    weight = _positive(number)
    if term in ("action", "reg") and weight is not None:
        none = replace(whole, lambda_action=0.0, lambda_reg=0.0)
        return replace(none, lambda_action=weight) if term == "action" else replace(none, lambda_reg=weight)
    raise ValueError(
        f"There is no method {name!r}; choose of {', '.join(known)}, action_X and reg_X (a loss weight X), or table5, "
        f"{', '.join(GRIDS)}, which stand for several."
    )


def _positive(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 < number < math.inf else None


def paper() -> TrainConfig:
    """Section 4.3: batch 64, 10 000 steps, learning rate 1e-4, 256 px. All else follows InstructPix2Pix:

    AdamW (0.9, 0.999), weight decay 1e-2, constant rate without warm-up, no clipping; conditioning dropout 5 % each,
    since Eq. 8 at s_i = 1 still needs the prediction without text; an average of the weights with its ramp, which
    after 10 000 steps has forgotten the start. Flips, but not of instructions that say left or right; bf16 autocast
    with fp32 weights and errors, since fp32 alone would take twice the memory and time.
    """
    return TrainConfig()


def safe(config: TrainConfig | None = None) -> TrainConfig:
    """`paper`, or another config, with clipped gradients and a warm-up, for data without any experience."""
    config = config or paper()
    return replace(config, max_grad_norm=1.0, num_warmup_steps=min(500, config.num_steps // 20))


def guidance_paper() -> SamplingConfig:
    """s_i = 1, s_c = 7.5 (section 4.3)."""
    return SamplingConfig(image_guidance=1.0, text_guidance=7.5)


def guidance_ip2p() -> SamplingConfig:
    """s_i = 1.5, s_c = 7.5: what InstructPix2Pix itself suggests."""
    return SamplingConfig(image_guidance=1.5, text_guidance=7.5)


GUIDANCES = {"paper": guidance_paper, "ip2p": guidance_ip2p}
"""The two by name."""
