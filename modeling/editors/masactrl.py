"""MasaCtrl: keep what things look like by attending to the source picture's keys and values (arXiv:2304.08465).

The source is inverted by DDIM; from the same noise two rows are drawn, one with the source text and one with the target
text. From step S on and in self-attentions from L on, the target row's keys and values are the source row's (section
3.2, Algorithm 1), separately in the unconditional and conditional halves.
"""

from collections.abc import Sequence

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from modeling.diffusion.attention import Change, hooked, layers_from, mutual
from modeling.diffusion.inversion import DdimGrid, Predict, invert, make_grid
from modeling.editors.settings import EditPrecision, MasaCtrlConfig
from modeling.editors.text_to_image import Texts, TextToImageEditor, guided, predict


def predict_source(
    unet: UNet2DConditionModel, texts: Texts, scale: float, precision: EditPrecision = "fp32"
) -> Predict:
    """Return the prediction function of the inversion: the source text with guidance `scale` against the empty text.

    A scale of 1 and below gives the source text's pass alone, as in the code.
    """

    def one_pass(latents: Tensor, time: int) -> Tensor:
        return predict(unet, latents, time, texts.source, precision)

    def two_passes(latents: Tensor, time: int) -> Tensor:
        text = torch.cat([texts.empty.expand_as(texts.source), texts.source])
        none, full = predict(unet, torch.cat([latents] * 2), time, text, precision).chunk(2)
        return guided(none, full, scale)

    # With the empty source text both passes are equal, and guidance changes nothing.
    return one_pass if scale <= 1 or not texts.has_source else two_passes


def control(unet: UNet2DConditionModel, config: MasaCtrlConfig, joint: tuple[bool, bool]) -> dict[nn.Module, Change]:
    """Return the hooks of mutual self-attention for rows [u source, u target, c source, c target]."""
    return mutual(layers_from(unet, config.start_layer, field="start_layer"), 2, joint)


def is_controlled(step: int, config: MasaCtrlConfig) -> bool:
    """Tell whether mutual self-attention acts at a step index."""
    return step >= config.start_step and (config.end_step is None or step < config.end_step)


@torch.no_grad()
def masactrl(
    unet: UNet2DConditionModel, grid: DdimGrid, source_BCHW: Tensor, texts: Texts, config: MasaCtrlConfig
) -> tuple[Tensor, Tensor]:
    """Return the edited latents and the reconstruction, the source row at the end: fp32 [B, C, H, W] each."""
    on_the_way = invert(predict_source(unet, texts, config.inversion_guidance, config.precision), source_BCHW, grid)
    source = target = on_the_way[-1]
    text = torch.cat([texts.empties(), texts.empties(), texts.source, texts.target])
    changes = control(unet, config, (False, False))
    for step, time in enumerate(grid.times):
        if config.reset_source:
            source = on_the_way[-1 - step]
        rows = torch.cat([source, target])
        with hooked(changes if is_controlled(step, config) else {}):
            none, full = predict(unet, torch.cat([rows, rows]), time, text, config.precision).chunk(2)
        source, target = grid.down(rows, guided(none, full, config.text_guidance), time).chunk(2)
    return target, source


class MasaCtrl(TextToImageEditor):
    """MasaCtrl on a text-to-image model. It draws no noise."""

    def check(self, config: MasaCtrlConfig) -> None:
        """Refuse layers that the U-Net does not have, and grids that its schedule does not hold."""
        layers_from(self.model.unet, config.start_layer, field="start_layer")
        make_grid(self.model.scheduler.config, config, config.num_steps)

    def edit_latents(self, source_BCHW: Tensor, texts: Texts, seeds: Sequence[int], config: MasaCtrlConfig) -> Tensor:
        """Return the target row; `seeds` are not used."""
        grid = make_grid(self.model.scheduler.config, config, config.num_steps, source_BCHW.device)
        return masactrl(self.model.unet, grid, source_BCHW, texts, config)[0]
