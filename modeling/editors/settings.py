"""The settings of the five text-to-image methods, as their papers and codes state them, and of a diffusers pipeline.

Each default (preset `paper`) is the value of the method's own code. Where the code states none, the field gives the
reason for ours. No torch is imported here, so recipes and the command line can use these configs cheaply.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

EditPrecision = Literal["fp32", "bf16", "fp16"]
PromptPolicy = Literal["instruction", "template", "caption_plus"]
Spacing = Literal["leading", "trailing"]
Proximal = Literal["code_l0", "code_l1", "soft", "hard", "none"]
Injection = Literal["src", "joint"]


@dataclass(frozen=True, kw_only=True)
class MethodConfig:
    """The settings that all five methods share."""

    size_px: int = 512
    """Side of the square that pictures are squashed to: one geometry for every system that is compared."""
    precision: EditPrecision = "fp32"
    """Number type of the U-Net's passes; latents and steps stay fp32."""
    prompt_policy: PromptPolicy = "instruction"
    """How the texts of a picture are made from its instruction (modeling/editors/prompts.py). The paper does not say.
    """
    num_steps: int = 50
    """N of sampling."""
    spacing: Spacing = "leading"
    """leading as in all five codes; trailing begins at pure noise, as models with zero terminal SNR need."""
    steps_offset: int = 1
    """1: the checkpoint's own scheduler. MasaCtrl's code makes one with 0."""
    final_alpha: Literal["first", "one"] = "first"
    """alpha-bar below the last step: that of timestep 0 in all five codes (set_alpha_to_one False)."""
    text_guidance: float = 7.5
    """Classifier-free guidance of the target prompt."""

    def __post_init__(self) -> None:
        if self.size_px < 1 or not 1 <= self.num_steps <= 1000:
            raise ValueError(f"size_px {self.size_px} is at least 1 and num_steps {self.num_steps} in [1, 1000].")


@dataclass(frozen=True, kw_only=True)
class MasaCtrlConfig(MethodConfig):
    """MasaCtrl (arXiv:2304.08465); its released code."""

    steps_offset: int = 0
    start_step: int = 4
    """S: mutual self-attention acts from this step on (0: noisiest)."""
    start_layer: int = 10
    """L: and in self-attentions from this one on, counted in the order of execution (SD v1.5 has 16)."""
    inversion_guidance: float = 1.0
    """Guidance of the inversion. The code's 7.5 is void with its empty source prompt: both passes are then equal. At 1
    and below the code makes one pass, with the source prompt.
    """
    reset_source: bool = False
    """Put the inversion's latent in place of the source row before each step: a choice of the code, off there."""
    end_step: int | None = None
    """Steps from here on are not controlled; the code's controller stops at its `total_steps` 50. None: never."""


@dataclass(frozen=True, kw_only=True)
class ProxMasaCtrlConfig(MasaCtrlConfig):
    """Prox-MasaCtrl (arXiv:2306.05414), the recipe of its authors' README."""

    source_guidance: float = 1.0
    """Guidance of the source row."""
    npi: bool = True
    """Negative-prompt inversion: the source prompt takes the place of the empty one."""
    npi_interp: float = 1.0
    """v: the target row's unconditional embedding is slerp(v, source, empty); 1: the empty one; 0: the source's."""
    npi_step: int = 0
    """Number of first steps in which both rows use the empty embedding."""
    prox: Proximal = "code_l0"
    """How the target row's guidance is thresholded. soft and hard are the paper's l1 and l0. code_l0 is what the
    released code does for l0: it is SOFT thresholding. code_l1 is what it does for l1: a function with jumps.
    """
    quantile: float = 0.6
    """Above 0: the threshold is this quantile of |guidance| at each step; else it is the negative of this number."""
    prox_step: int = 0
    """Thresholding from this step on."""
    inject_uncond: Injection = "src"
    """src: the unconditional half's target keys and values are the source's; joint: both together."""
    inject_cond: Injection = "src"
    """The same for the conditional half."""


@dataclass(frozen=True, kw_only=True)
class PlugAndPlayConfig(MethodConfig):
    """Plug-and-Play (arXiv:2211.12572), its first author's diffusers code."""

    inversion_steps: int = 999
    """N of the inversion: the code's default; the paper's time of 270 s a picture fits it. `fast` has 50."""
    feature_share: float = 0.8
    """tau_f: features are injected while the step's index is below int(N tau_f)."""
    attention_share: float = 0.5
    """tau_A: self-attention queries and keys likewise."""
    feature_block: int = 1
    """Up block whose residual's second convolution is injected."""
    feature_resnet: int = 1
    """Residual of that block."""
    start_layer: int = 8
    """Self-attentions are injected from this one on, counted in the order of execution."""
    negative_prompt: str = "ugly, blurry, black, low res, unrealistic"
    """Text in place of the empty text in the unconditional row."""


@dataclass(frozen=True, kw_only=True)
class NoiseSpaceConfig(MethodConfig):
    """DDPM Noise Space (An Edit Friendly DDPM Noise Space, arXiv:2304.06140), its authors' code."""

    num_steps: int = 100
    text_guidance: float = 15.0
    source_guidance: float = 3.5
    """Guidance when the noise maps are extracted; without a source prompt the unconditional pass alone is used."""
    skip: int = 36
    """T_skip: number of first steps that the reverse process leaves out."""
    eta: float = 1.0
    """The code puts eta * variance under the root and eta * sqrt(variance) before the noise map; above 0."""
    zero_last_noise: bool = True
    """Whether the last step's noise map is set to 0, as the code does; replay is exact without it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.eta <= 0 or not 0 <= self.skip <= self.num_steps:
            raise ValueError(f"eta {self.eta} is above 0 and skip {self.skip} in [0, {self.num_steps}].")


@dataclass(frozen=True, kw_only=True)
class ImagicConfig(MethodConfig):
    """Imagic (arXiv:2210.09276), the diffusers community pipeline."""

    embedding_steps: int = 500
    """Steps on the embedding alone."""
    embedding_rate: float = 1e-3
    """Adam's rate for them."""
    unet_steps: int = 1000
    """Steps on all of the U-Net."""
    unet_rate: float = 2e-6
    """Adam's rate for them."""
    alpha: float = 1.2
    """The embedding that is drawn: alpha * target + (1 - alpha) * optimised; above 1 it is extrapolated."""
    loss_scale: float = 1.0
    """Factor on the loss; it matters to Adam only through epsilon. The reference has 65536 on a GPU."""


def paper_settings(name: str) -> MethodConfig:
    """Return the settings of a method's paper or, where that is silent, of its authors' code."""
    return METHOD_CONFIGS[name]()


def fast_settings(name: str) -> MethodConfig:
    """Return cheaper settings where the codes offer some: Plug-and-Play with 50 inversion steps (PnPInversion's)."""
    config = paper_settings(name)
    return replace(config, inversion_steps=50) if isinstance(config, PlugAndPlayConfig) else config


def with_steps(config: MethodConfig, num_steps: int) -> MethodConfig:
    """Return the settings for another number of sampling steps; what is counted in steps keeps its share of them.

    That is the steps left out or without control, and an inversion in as many steps as the sampling. ValueError for a
    number outside [1, 1000].
    """
    changes: dict[str, Any] = {"num_steps": num_steps}
    share = num_steps / config.num_steps
    if isinstance(config, NoiseSpaceConfig):
        changes["skip"] = round(config.skip * share)
    if isinstance(config, MasaCtrlConfig):
        changes["start_step"] = round(config.start_step * share)
    if isinstance(config, PlugAndPlayConfig) and config.inversion_steps == config.num_steps:
        changes["inversion_steps"] = num_steps
    return replace(config, **changes)


METHOD_CONFIGS: dict[str, type[MethodConfig]] = {
    "imagic": ImagicConfig,
    "plug_and_play": PlugAndPlayConfig,
    "ddpm_noise_space": NoiseSpaceConfig,
    "masactrl": MasaCtrlConfig,
    "prox_masactrl": ProxMasaCtrlConfig,
}
"""Config class of each method by its name."""
DETERMINISTIC = ("plug_and_play", "masactrl", "prox_masactrl")
"""Methods that draw no noise: one seed stands for all."""
RESERVED_ARGUMENTS = frozenset(
    {"prompt", "image", "generator", "output_type", "return_dict", "num_images_per_prompt", "latents"}
)
"""Arguments of a diffusers pipeline's call that are given by us, or that would give no single picture back."""


@dataclass(frozen=True, kw_only=True)
class PipelineConfig:
    """How a diffusers pipeline that edits by an instruction is called."""

    size_px: int = 512
    """Side of the square pictures that it is given and gives."""
    num_steps: int | None = None
    """`num_inference_steps`; None: the pipeline's own."""
    precision: EditPrecision = "fp32"
    """Number type of its weights."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of the call, such as {"guidance_scale": 7.5}."""

    def __post_init__(self) -> None:
        if self.size_px < 1 or (self.num_steps is not None and self.num_steps < 1):
            raise ValueError(f"size_px {self.size_px} and num_steps {self.num_steps} are at least 1.")
        if taken := sorted(RESERVED_ARGUMENTS & self.options.keys()):
            raise ValueError(f"arguments: {taken[0]} is given by the run itself. Leave it out.")


def check_class_name(name: str) -> None:
    """ValueError for what cannot be a pipeline class of diffusers: a name such as FluxKontextPipeline, and no path."""
    if re.fullmatch(r"[A-Z][A-Za-z0-9]*Pipeline", name) is None or name == "DiffusionPipeline":
        raise ValueError(
            f"{name[:80]!r} is no pipeline class of diffusers. Give its bare name, such as FluxKontextPipeline; "
            "modules and paths are never imported."
        )


METHOD_PRESETS = {"paper": paper_settings, "fast": fast_settings}
"""Named settings."""
