"""Name of a sampler -> its class in diffusers, and what it changes in another scheduler's config; imports no torch."""

from collections.abc import Mapping
from typing import Any

from modeling.config import SchedulerName

SCHEDULERS: Mapping[SchedulerName, tuple[str, Mapping[str, Any]]] = {
    "euler_ancestral": ("EulerAncestralDiscreteScheduler", {}),
    "euler": ("EulerDiscreteScheduler", {}),
    # The own defaults of these two clip the latent to [-1, 1], and DDIM's ends at alpha 1; Stable Diffusion is meant
    # without either.
    "ddim": ("DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False}),
    "ddpm": ("DDPMScheduler", {"clip_sample": False}),
    "dpmpp_2m": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", "solver_order": 2}),
}
"""All samplers but `pipeline`, which is the one saved with the editor."""
