"""Tiny text-to-image U-Nets of several makes, amplified so that text and attention matter, for checks of the methods.

No method may depend on one network: these differ in levels, widths, blocks a level, heads (a number, or a list), text
width, kind of projection, GroupNorm, precision of attention, slicing, and transformers a block.
"""

import torch
from diffusers import UNet2DConditionModel

from tests.support.tiny_pipeline import tiny_unet

TEXT_LENGTH = 5


def _amplified(seed: int, factor: float, **config: object) -> UNet2DConditionModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        unet = UNet2DConditionModel(sample_size=8, in_channels=4, out_channels=4, **config)
    with torch.no_grad():
        for parameter in unet.parameters():
            if parameter.ndim > 1:
                parameter.mul_(factor)
    return unet.eval()


def two_levels() -> UNet2DConditionModel:
    """4 self-attentions: one down, one in the middle, two up."""
    return tiny_unet(4)


def stable_diffusion_2() -> UNet2DConditionModel:
    """10 self-attentions on four levels; heads are a list, projections linear, attention in fp32, as in version 2."""
    return _amplified(
        3,
        1.3,
        block_out_channels=(8, 12, 16, 16),
        layers_per_block=1,
        attention_head_dim=[2, 3, 4, 4],
        cross_attention_dim=20,
        norm_num_groups=4,
        use_linear_projection=True,
        upcast_attention=True,
    )


def three_levels_sliced() -> UNet2DConditionModel:
    """10 self-attentions: two in a transformer, none in the last level; another text width; attention in slices."""
    unet = _amplified(
        5,
        1.5,
        block_out_channels=(6, 12, 12),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        transformer_layers_per_block=[1, 2, 1],
        attention_head_dim=3,
        cross_attention_dim=12,
        norm_num_groups=2,
    )
    unet.set_attention_slice(1)
    return unet


NETWORKS = {make.__name__: make for make in (two_levels, stable_diffusion_2, three_levels_sliced)}
