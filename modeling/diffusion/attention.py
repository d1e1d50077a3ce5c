"""Changes inside diffusers' own U-Net by forward hooks on its linear layers and convolutions; no model code is copied.

Self-attentions are counted in the order in which they run: down blocks, middle, up blocks (Stable Diffusion v1.5 has
16: 0 to 5, 6, 7 to 15). `unet.attn_processors` lists them in another order. All hooks are set inside `hooked`, which
removes them even when an edit fails.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

Change = Callable[[Tensor], Tensor]
"""Maps a module's output to its replacement."""


def self_attentions(unet: UNet2DConditionModel) -> list[Any]:
    """Return the self-attentions (`attn1`) in the order of execution."""
    blocks = [*unet.down_blocks, unet.mid_block, *unet.up_blocks]
    transformers = [
        transformer for block in blocks if block is not None for transformer in getattr(block, "attentions", None) or ()
    ]
    attentions = [part.attn1 for transformer in transformers for part in getattr(transformer, "transformer_blocks", ())]
    if any(getattr(attention, "fused_projections", False) for attention in attentions):
        raise ValueError("The U-Net's attention projections are fused; load it without fusing them.")
    return attentions


def layers_from(unet: UNet2DConditionModel, first: int, *, field: str) -> list[Any]:
    """Return the self-attentions from index `first` on; ValueError, which names the setting, when there is none.

    `first` may be one past the last: the list is then empty, and the method changes nothing.
    """
    attentions = self_attentions(unet)
    if not 0 <= first <= len(attentions):
        raise ValueError(
            f"{field} is {first}, and this U-Net has {len(attentions)} self-attentions (Stable Diffusion v1.5 has 16). "
            f"Give {field} from 0 to {len(attentions)}."
        )
    return attentions[first:]


@contextmanager
def hooked(changes: Mapping[nn.Module, Change]) -> Iterator[None]:
    """Apply `changes` to the outputs of modules inside the `with` block."""
    with ExitStack() as stack:
        for module, change in changes.items():
            handle = module.register_forward_hook(lambda _module, _inputs, output, change=change: change(output))
            stack.callback(handle.remove)
        yield


def mutual(attentions: Sequence[Any], num_parts: int, joint_parts: Sequence[bool]) -> dict[nn.Module, Change]:
    """Let target rows see the source rows' keys and values.

    The batch is `num_parts` times [sources, targets], as [uncond sources, uncond targets, cond sources, cond targets].
    Where `joint_parts` is False for a part, the target's keys and values are the source's; where it is True, they are
    the source's and the target's own together. When any part is joint, the other rows get their own keys and values
    twice. That does not change their attention: each weight is halved and counted twice.
    """

    def change(output_BLD: Tensor) -> Tensor:
        rows = []
        for part, is_joint in zip(output_BLD.chunk(num_parts), joint_parts, strict=True):
            source, target = part.chunk(2)
            if not any(joint_parts):
                rows += [source, source]
                continue
            rows += [torch.cat([source, source], dim=1), torch.cat([source, target if is_joint else source], dim=1)]
        return torch.cat(rows)

    return {layer: change for attention in attentions for layer in (attention.to_k, attention.to_v)}


def copied_from_first(modules: Sequence[nn.Module], num_parts: int) -> dict[nn.Module, Change]:
    """Let the first of `num_parts` equal parts of the batch overwrite the others in the modules' outputs."""

    def change(output: Tensor) -> Tensor:
        return torch.cat([output.chunk(num_parts)[0]] * num_parts)

    return dict.fromkeys(modules, change)
