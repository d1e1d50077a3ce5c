"""A text-to-image U-Net -> one that also takes a picture: zero weights for the new channels."""

import torch
from diffusers import UNet2DConditionModel
from torch import nn


def widen_input(unet: UNet2DConditionModel, *, num_latent_channels: int) -> None:
    """Give a text-to-image U-Net the picture's input channels, in place: zero weights, bias copied.

    It then ignores the picture until it is trained. An InstructPix2Pix U-Net is left as it is.
    """
    old = unet.conv_in
    if old.in_channels == 2 * num_latent_channels:
        return
    if old.in_channels != num_latent_channels:
        raise ValueError(
            f"The U-Net takes {old.in_channels} channels and the autoencoder's latents have {num_latent_channels}; "
            f"wanted are {2 * num_latent_channels} (InstructPix2Pix) or {num_latent_channels} (text-to-image)."
        )
    new = nn.Conv2d(
        2 * num_latent_channels, old.out_channels, old.kernel_size, old.stride, old.padding, device=old.weight.device
    )
    with torch.no_grad():
        new.weight.zero_()
        new.weight[:, :num_latent_channels] = old.weight
        assert new.bias is not None
        new.bias.copy_(old.bias)
    unet.conv_in = new
    unet.register_to_config(in_channels=2 * num_latent_channels)
