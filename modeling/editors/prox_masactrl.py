"""Prox-MasaCtrl: MasaCtrl with negative-prompt inversion and thresholded guidance (arXiv:2306.05414, section 3).

Rows as in MasaCtrl. The unconditional text of the source row is the source text, that of the target row is turned from
it towards the empty text by slerp (NPI). The target row's guidance d = full - none is shrunk where it is small.
"""

from collections.abc import Sequence

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from modeling.diffusion.attention import hooked, layers_from
from modeling.diffusion.inversion import DdimGrid, invert, make_grid
from modeling.editors.masactrl import control, is_controlled, predict_source
from modeling.editors.settings import Proximal, ProxMasaCtrlConfig
from modeling.editors.text_to_image import Texts, TextToImageEditor, guided, predict


def slerp(share: float, first_BLD: Tensor, second_BLD: Tensor) -> Tensor:
    """Turn flattened embeddings from the first to the second by `share` of their angle w: [B, L, D].

    sin((1 - v) w) / sin(w) first + sin(v w) / sin(w) second.   At v = 0 and 1, and for equal ones, it is exact: the
    formula is 0 / 0 there.
    """
    first, second = first_BLD.flatten(1), second_BLD.flatten(1)
    if share == 0 or torch.equal(first, second):
        return first_BLD
    if share == 1:
        return second_BLD
    cosine = (first / first.norm(dim=1, keepdim=True) * (second / second.norm(dim=1, keepdim=True))).sum(1)
    angle = torch.acos(cosine.clamp(-1, 1))[:, None]
    turned = (torch.sin((1 - share) * angle) * first + torch.sin(share * angle) * second) / torch.sin(angle)
    same = (first == second).all(dim=1, keepdim=True)
    return torch.where(same, first, turned).view_as(first_BLD)


def shrink(guidance_BCHW: Tensor, prox: Proximal, quantile: float) -> Tensor:
    """Threshold each picture's guidance separately at lam: a quantile of its |d|, or a fixed number.

    code_l0, soft: d - clip(d, -lam, lam).   hard: d where |d| > lam, else 0.   code_l1: the released code shrinks what
    is soft-thresholded again: soft for lam < d < 2 lam, d - 2 lam above, d + 2 lam below -lam.
    """
    if prox == "none":
        return guidance_BCHW
    size = guidance_BCHW.abs().flatten(1)
    if quantile > 0:
        bound = torch.quantile(size, quantile, dim=1).view(-1, 1, 1, 1)
    else:
        bound = torch.full_like(size[:, :1], -quantile).view(-1, 1, 1, 1)
    if prox == "hard":
        return torch.where(guidance_BCHW.abs() > bound, guidance_BCHW, 0.0)
    soft = guidance_BCHW - guidance_BCHW.clamp(-bound, bound)
    if prox == "code_l1":
        lowered = torch.where(soft > 0, soft - bound, soft)
        return torch.where(lowered < 0, lowered + bound, lowered)
    return soft


def unconditional_rows(texts: Texts, config: ProxMasaCtrlConfig, step: int) -> Tensor:
    """Return the unconditional embeddings of [sources, targets] at a step: [2 B, L, D]."""
    if not config.npi or step < config.npi_step:
        return torch.cat([texts.empties()] * 2)
    turned = slerp(config.npi_interp, texts.source, texts.empty.expand_as(texts.source))
    return torch.cat([texts.source, turned])


@torch.no_grad()
def prox_masactrl(
    unet: UNet2DConditionModel, grid: DdimGrid, source_BCHW: Tensor, texts: Texts, config: ProxMasaCtrlConfig
) -> tuple[Tensor, Tensor]:
    """Return the edited latents and the reconstruction: fp32 [B, C, H, W] each."""
    on_the_way = invert(predict_source(unet, texts, config.inversion_guidance, config.precision), source_BCHW, grid)
    source = target = on_the_way[-1]
    changes = control(unet, config, (config.inject_uncond == "joint", config.inject_cond == "joint"))
    for step, time in enumerate(grid.times):
        if config.reset_source:
            source = on_the_way[-1 - step]
        rows = torch.cat([source, target])
        text = torch.cat([unconditional_rows(texts, config, step), texts.source, texts.target])
        with hooked(changes if is_controlled(step, config) else {}):
            none, full = predict(unet, torch.cat([rows, rows]), time, text, config.precision).chunk(2)
        (none_source, none_target), (full_source, full_target) = none.chunk(2), full.chunk(2)
        prox = config.prox if step >= config.prox_step else "none"
        target_output = none_target + config.text_guidance * shrink(full_target - none_target, prox, config.quantile)
        output = torch.cat([guided(none_source, full_source, config.source_guidance), target_output])
        source, target = grid.down(rows, output, time).chunk(2)
    return target, source


class ProxMasaCtrl(TextToImageEditor):
    """Prox-MasaCtrl on a text-to-image model. It draws no noise."""

    def check(self, config: ProxMasaCtrlConfig) -> None:
        """Refuse layers that the U-Net does not have, and grids that its schedule does not hold."""
        layers_from(self.model.unet, config.start_layer, field="start_layer")
        make_grid(self.model.scheduler.config, config, config.num_steps)

    def edit_latents(
        self, source_BCHW: Tensor, texts: Texts, seeds: Sequence[int], config: ProxMasaCtrlConfig
    ) -> Tensor:
        """Return the target row; `seeds` are not used."""
        grid = make_grid(self.model.scheduler.config, config, config.num_steps, source_BCHW.device)
        return prox_masactrl(self.model.unet, grid, source_BCHW, texts, config)[0]
