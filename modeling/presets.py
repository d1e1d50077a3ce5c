"""Named settings: the paper's training run, its ablations, both readings of its loss weights, the two guidances."""

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


def ablations() -> dict[str, ObjectiveConfig]:
    """The rows of the paper's Table 5: each one part less than `editaction`."""
    whole = editaction()
    return {
        "without_action": replace(whole, lambda_action=0.0),
        "without_reg": replace(whole, lambda_reg=0.0),
        "without_freezing": replace(whole, freeze="none"),
    }


def paper() -> TrainConfig:
    """Section 4.3: batch 64, 10 000 steps, learning rate 1e-4, 256 px. What it leaves open is as InstructPix2Pix."""
    return TrainConfig()


def safe() -> TrainConfig:
    """`paper` with clipped gradients and a warm-up, for data that nobody has trained on yet."""
    return replace(paper(), max_grad_norm=1.0, num_warmup_steps=500)


def guidance_paper() -> SamplingConfig:
    """s_i = 1, s_c = 7.5 (section 4.3)."""
    return SamplingConfig(image_guidance=1.0, text_guidance=7.5)


def guidance_ip2p() -> SamplingConfig:
    """s_i = 1.5, s_c = 7.5: what InstructPix2Pix itself suggests."""
    return SamplingConfig(image_guidance=1.5, text_guidance=7.5)


GUIDANCES = {"paper": guidance_paper, "ip2p": guidance_ip2p}
"""The two by name."""
