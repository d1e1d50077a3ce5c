"""A device and a number type -> the context in which a training step's networks compute in that type."""

import torch
from torch import autocast


def computing_in(dtype: torch.dtype, device: torch.device) -> autocast:
    """Return the autocast context; for fp32 it does nothing. Weights are converted where a layer needs them.

    Each weight is used once in a forward pass, so autocast's cache of converted weights would save nothing. It would
    keep 1.5 GiB at Stable Diffusion's size until the pass ends; without it a checkpointed layer's converted weights go
    with its activations. The numbers are the same.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16, cache_enabled=False)
