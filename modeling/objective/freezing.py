"""The frozen weights of the editor, and the frozen copy of the start that L_reg compares with."""

import copy

import torch
from torch import nn

from modeling.config import Freeze

_PARTS: dict[Freeze, tuple[str, ...]] = {
    "attn2": (".attn2.",),  # what connects text and picture; on Stable Diffusion 80 tensors, 43 962 560 parameters
    "attn": (".attn1.", ".attn2."),
    "transformer": (".attentions.",),
    "none": (),
}


def is_frozen(name: str, scope: Freeze) -> bool:
    """Tell whether the parameter `name` of a UNet2DConditionModel belongs to `scope`."""
    return any(part in f".{name}" for part in _PARTS[scope])


def freeze(unet: nn.Module, scope: Freeze) -> dict[str, nn.Parameter]:
    """Freeze the parameters of `scope` and return the trainable ones by name, in the network's order."""
    trainable = {}
    for name, parameter in unet.named_parameters():
        parameter.requires_grad_(not is_frozen(name, scope))
        if parameter.requires_grad:
            trainable[name] = parameter
    return trainable


def frozen_copy(unet: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Return a copy of `unet` without gradients; weights that are frozen in `unet` are shared and cost no memory.

    In bf16 the copied weights of matrix products and convolutions are stored in bf16: autocast would convert them at
    every use anyway. Norms stay fp32.
    """
    shared = {id(weight): weight for weight in unet.parameters() if not weight.requires_grad}
    copied: nn.Module = copy.deepcopy(unet, memo=dict(shared))
    for module in copied.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            for parameter in module.parameters(recurse=False):
                if id(parameter) not in shared:
                    parameter.data = parameter.data.to(dtype)
    return copied.requires_grad_(False).eval()
