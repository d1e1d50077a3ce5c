"""Pictures [B, 3, H, W] in [-1, 1] <-> latents [B, C, H/p, W/p]: principal components of p x p patches.

A linear stand-in for Stable Diffusion's autoencoder, with the same methods (`encode(x).latent_dist.mode()`,
`decode(z).sample`), so that a StableDiffusionInstructPix2PixPipeline takes it. Components are half whitened (divided by
the fourth root of their variance) and then scaled together to unit variance, hence `scaling_factor` 1.

Shape suffixes: B batch, C components, D values of a patch (3 p p), N patches.
"""

from typing import Any

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.autoencoders.vae import DecoderOutput, DiagonalGaussianDistribution
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor
from torch.nn import functional


class PatchAutoencoder(ModelMixin, ConfigMixin):
    """Encodes each patch by itself into its principal components."""

    @register_to_config
    def __init__(
        self,
        patch_size: int = 16,
        latent_channels: int = 64,
        block_out_channels: tuple[int, ...] = (64, 64, 64, 64, 64),
        scaling_factor: float = 1.0,
    ) -> None:
        super().__init__()
        # The pipeline takes 2 ** (len(block_out_channels) - 1) as the factor between picture and latents.
        if 2 ** (len(block_out_channels) - 1) != patch_size:
            raise ValueError(f"patch_size {patch_size} needs {patch_size.bit_length()} block_out_channels.")
        values = 3 * patch_size**2
        self.mean_D = torch.nn.Parameter(torch.zeros(values), requires_grad=False)
        self.encoder_CD = torch.nn.Parameter(torch.zeros(latent_channels, values), requires_grad=False)
        self.decoder_DC = torch.nn.Parameter(torch.zeros(values, latent_channels), requires_grad=False)

    @torch.no_grad()
    def fit(self, patches_ND: Tensor) -> float:
        """Set the components from sample patches, float [N, D]; return the share of variance that they miss."""
        mean_D = patches_ND.mean(dim=0)
        centred_ND = (patches_ND - mean_D).double()
        variance, vectors_DD = torch.linalg.eigh(centred_ND.T @ centred_ND / len(centred_ND))
        num = self.config["latent_channels"]
        top = variance.flip(0)[:num].clamp_min(1e-8)
        vectors_DC = vectors_DD.flip(1)[:, :num]
        # The sign of an eigenvector is arbitrary: fixed here, so that equal patches give equal weights.
        signs = vectors_DC.gather(0, vectors_DC.abs().argmax(dim=0, keepdim=True)).sign()
        vectors_DC = vectors_DC * signs
        scale = top.pow(-0.25) / top.sqrt().mean().sqrt()
        self.mean_D.copy_(mean_D)
        self.encoder_CD.copy_((vectors_DC * scale).T)
        self.decoder_DC.copy_(vectors_DC / scale)
        return float(1 - top.sum() / variance.sum())

    def encode(self, pictures: Tensor, return_dict: bool = True) -> Any:
        """Encode float [B, 3, H, W] in [-1, 1]; the returned distribution has variance 0."""
        side = self.config["patch_size"]
        patches_BDN = functional.unfold(pictures, kernel_size=side, stride=side)
        latents_BCN = self.encoder_CD @ (patches_BDN - self.mean_D[:, None])
        latents = latents_BCN.unflatten(-1, (pictures.shape[-2] // side, pictures.shape[-1] // side))
        moments = torch.cat([latents, torch.zeros_like(latents)], dim=1)
        posterior = DiagonalGaussianDistribution(moments, deterministic=True)
        return AutoencoderKLOutput(latent_dist=posterior) if return_dict else (posterior,)

    def decode(self, latents: Tensor, return_dict: bool = True, generator: torch.Generator | None = None) -> Any:
        """Decode float [B, C, h, w] into pictures [B, 3, h p, w p]; `generator` is not used."""
        side = self.config["patch_size"]
        patches_BDN = self.decoder_DC @ latents.flatten(2) + self.mean_D[:, None]
        size = (latents.shape[-2] * side, latents.shape[-1] * side)
        pictures = functional.fold(patches_BDN, output_size=size, kernel_size=side, stride=side)
        return DecoderOutput(sample=pictures) if return_dict else (pictures,)


def patches_of(pictures: Tensor, side: int) -> Tensor:
    """Cut pictures [B, 3, H, W] into their patches [N, 3 side side], as `fit` takes them."""
    return functional.unfold(pictures, kernel_size=side, stride=side).transpose(1, 2).flatten(0, 1)
