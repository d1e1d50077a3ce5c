"""Plug-and-Play: keep the layout by copying the source's features and self-attention (arXiv:2211.12572, section 4).

The source is inverted with the empty text. Rows [source, unconditional, conditional] are drawn together; the source row
is the inversion's latent of this time. The output of one residual's second convolution (before the shortcut is added),
and queries and keys of the self-attentions from one layer on, are copied from the source row into the other two, for
the first tau_f and tau_A of the steps (Algorithm 1).
"""

from collections.abc import Sequence
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from modeling.diffusion.attention import Change, copied_from_first, hooked, layers_from
from modeling.diffusion.inversion import DdimGrid, invert, make_grid
from modeling.editors.settings import PlugAndPlayConfig
from modeling.editors.text_to_image import Texts, TextToImageEditor, guided, predict


def feature_layer(unet: UNet2DConditionModel, config: PlugAndPlayConfig) -> nn.Module:
    """Return the convolution whose output is injected; ValueError when the U-Net has none there."""
    blocks = unet.up_blocks
    if not 0 <= config.feature_block < len(blocks) or not 0 <= config.feature_resnet < len(
        blocks[config.feature_block].resnets
    ):
        shape = [len(block.resnets) for block in blocks]
        raise ValueError(
            f"feature_block {config.feature_block} and feature_resnet {config.feature_resnet} name no residual; this "
            f"U-Net's up blocks have {shape}. Stable Diffusion v1.5 has [3, 3, 3, 3]."
        )
    layer: nn.Module = blocks[config.feature_block].resnets[config.feature_resnet].conv2
    return layer


def injections(unet: UNet2DConditionModel, config: PlugAndPlayConfig, step: int) -> dict[nn.Module, Change]:
    """Return the hooks of a step index."""
    modules: list[nn.Module] = []
    if step < int(config.num_steps * config.feature_share):
        modules.append(feature_layer(unet, config))
    if step < int(config.num_steps * config.attention_share):
        attentions: list[Any] = layers_from(unet, config.start_layer, field="start_layer")
        modules += [layer for attention in attentions for layer in (attention.to_q, attention.to_k)]
    return copied_from_first(modules, 3)


def check_grids(sampling: DdimGrid, inversion: DdimGrid) -> None:
    """Refuse an inversion that does not pass through the sampling times."""
    if missing := sorted(set(sampling.times) - set(inversion.times)):
        raise ValueError(
            f"The inversion's {len(inversion.times)} steps do not pass through the sampling times {missing[:3]}. Let "
            "inversion_steps be 999 or equal num_steps."
        )


@torch.no_grad()
def inverted_latents(
    unet: UNet2DConditionModel, grid: DdimGrid, source_BCHW: Tensor, texts: Texts, config: PlugAndPlayConfig
) -> dict[int, Tensor]:
    """Return the inversion's latents by their time."""
    on_the_way = invert(
        lambda latents, time: predict(unet, latents, time, texts.empties(), config.precision), source_BCHW, grid
    )
    return dict(zip(reversed(grid.times), on_the_way[1:], strict=True))


@torch.no_grad()
def plug_and_play(
    unet: UNet2DConditionModel, grid: DdimGrid, source_at: dict[int, Tensor], texts: Texts, negative_BLD: Tensor,
    config: PlugAndPlayConfig,
) -> Tensor:  # fmt: skip
    """Return the edited latents fp32 [B, C, H, W]. `source_at`: the inversion's latents by time."""
    latents = source_at[grid.times[0]]
    text = torch.cat([texts.empties(), negative_BLD.expand_as(texts.target), texts.target])
    for step, time in enumerate(grid.times):
        rows = torch.cat([source_at[time], latents, latents])
        with hooked(injections(unet, config, step)):
            _, none, full = predict(unet, rows, time, text, config.precision).chunk(3)
        latents = grid.down(latents, guided(none, full, config.text_guidance), time)
    return latents


class PlugAndPlay(TextToImageEditor):
    """Plug-and-Play on a text-to-image model. It draws no noise."""

    def check(self, config: PlugAndPlayConfig) -> None:
        """Refuse layers that the U-Net does not have, and an inversion that misses the sampling times."""
        layers_from(self.model.unet, config.start_layer, field="start_layer")
        feature_layer(self.model.unet, config)
        self._grids(config, "cpu")

    def edit_latents(
        self, source_BCHW: Tensor, texts: Texts, seeds: Sequence[int], config: PlugAndPlayConfig
    ) -> Tensor:
        """Return the edited latents; `seeds` are not used."""
        sampling, inversion = self._grids(config, source_BCHW.device)
        source_at = inverted_latents(self.model.unet, inversion, source_BCHW, texts, config)
        negative = self.model.encode_text([config.negative_prompt]).clone()
        return plug_and_play(self.model.unet, sampling, source_at, texts, negative, config)

    def _grids(self, config: PlugAndPlayConfig, device: torch.device | str) -> tuple[DdimGrid, DdimGrid]:
        scheduler_config = self.model.scheduler.config
        sampling = make_grid(scheduler_config, config, config.num_steps, device)
        inversion = make_grid(scheduler_config, config, config.inversion_steps, device)
        check_grids(sampling, inversion)
        return sampling, inversion
