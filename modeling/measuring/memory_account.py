"""Sizes of a start + a training config -> the memory of a training step on the device, line by line; imports no torch.

Weights, gradients and moments are counted exactly; activations are those measured at Stable Diffusion's size (438 MiB
a row of 32 x 32 latents in bf16, 37 with gradient checkpointing: what autograd saves), taken in proportion to latents
and width elsewhere. A row is an example, or twice that where L_action adds c'. On a CPU a whole pass allocates less
than that (benchmarks/step_memory.py: 224 and 22 MiB a row); on a GPU nobody has measured it yet.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from modeling.config import EmaPlace, TrainConfig
from modeling.editors.channels import channels_of
from modeling.editors.weight_files import weights_of
from modeling.json_text import read_config
from modeling.tensor_header import TensorEntry

GIB = 2.0**30
SAVED_MIB, SAVED_MIB_CHECKPOINTED = 438.0, 37.0
"""MiB of activations per row, at 32 x 32 latents and 320 channels."""
CONVERTED_CHECKPOINTED = 0.25
"""Share of the weights converted to bf16 that is there at one time with gradient checkpointing: layers outside of the
checkpoints and one layer inside, with its gradients. Counted at full size: 382 of 1,639 MiB (step_memory.py)."""
CUDA_GIB = 0.5
"""The CUDA context and what its libraries keep."""
RESERVE_GIB = 0.5
"""Memory of the card that a proposal leaves free, for holes between allocations and for a screen."""
FROZEN = {"attn2": (".attn2.",), "attn": (".attn1.", ".attn2."), "transformer": (".transformer_blocks.",), "none": ()}
"""Scope -> what the names of its weights hold."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Parameters of a start."""

    unet: int
    """All of the U-Net."""
    frozen: int
    """Number of the U-Net's weights that the objective freezes."""
    vae: int
    text_encoder: int
    width: int = 320
    """First width of the U-Net."""
    pixels_per_latent: int = 8


STABLE_DIFFUSION = Sizes(unet=859_532_484, frozen=47_749_120, vae=83_653_863, text_encoder=123_060_480)
"""Sizes of timbrooks/instruct-pix2pix with frozen cross-attention, for a start that is not on this machine yet."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The choices that save memory. They change numbers by rounding only, except 8-bit moments."""

    micro_batch: int = 1
    gradient_checkpointing: bool = False
    ema_on: EmaPlace = "device"
    adam_bits: int = 32

    @property
    def flags(self) -> str:
        """The options of `editaction run` that make this choice."""
        flags = [f"--micro-batch {self.micro_batch}"]
        flags += ["--gradient-checkpointing"] * self.gradient_checkpointing
        flags += ["--ema-on cpu"] * (self.ema_on == "cpu")
        flags += ["--adam-bits 8"] * (self.adam_bits == 8)
        return " ".join(flags)


def account(
    config: TrainConfig, sizes: Sizes, choice: Choice, *, cached: bool = True, cuda: bool = True
) -> dict[str, float]:
    """Return name -> GiB of what is on the device in a step; `cached`: autoencoder and text encoder have left it."""
    objective, low = config.objective, config.precision == "bf16"
    trained = sizes.unet - sizes.frozen
    rows = choice.micro_batch * (2 if objective.lambda_action else 1)
    area = (config.size_px / sizes.pixels_per_latent / 32) ** 2 * sizes.width / 320
    saved = (SAVED_MIB_CHECKPOINTED if choice.gradient_checkpointing else SAVED_MIB) * (1 if low else 2)
    parts = {
        "weights": 4 * sizes.unet,
        "gradients": 4 * trained,
        "moments": (2 if choice.adam_bits == 8 else 8) * trained,
        "average": 4 * trained if choice.ema_on == "device" else 0,
        "frozen start": (2 * sizes.unet if low else 4 * trained) if objective.lambda_reg else 0,
        "weights in bf16": 2 * sizes.unet * (CONVERTED_CHECKPOINTED if choice.gradient_checkpointing else 1) * low,
        "activations": rows * area * saved * 2**20,
        "autoencoder and text encoder": 0 if cached else 4 * (sizes.vae + sizes.text_encoder),
        "CUDA": CUDA_GIB * GIB if cuda else 0,
    }
    return {name: part / GIB for name, part in parts.items() if part}


def total_gib(config: TrainConfig, sizes: Sizes, choice: Choice, *, cached: bool = True, cuda: bool = True) -> float:
    """Return the sum of an account."""
    return sum(account(config, sizes, choice, cached=cached, cuda=cuda).values())


CHOICES = (
    Choice(micro_batch=4),
    Choice(micro_batch=1),
    Choice(micro_batch=4, gradient_checkpointing=True),
    Choice(micro_batch=4, gradient_checkpointing=True, ema_on="cpu"),
    Choice(micro_batch=1, gradient_checkpointing=True, ema_on="cpu"),
    Choice(micro_batch=1, gradient_checkpointing=True, ema_on="cpu", adam_bits=8),
)
"""Choices from the fastest to the smallest; only the last one needs another package (bitsandbytes)."""


def choice_for(config: TrainConfig, sizes: Sizes, gib: float) -> Choice | None:
    """Return the fastest choice that leaves RESERVE_GIB free on a card of `gib` GiB; None where none does."""
    return next((choice for choice in CHOICES if total_gib(config, sizes, choice) <= gib - RESERVE_GIB), None)


def sizes_of(start: Path, config: TrainConfig) -> Sizes:
    """Read the sizes off a folder's safetensors headers; Stable Diffusion's for a hub id, or a folder that is not whole
    (which is told elsewhere).
    """
    try:
        unet, vae_weights, text = (weights_of(start, part) for part in ("unet", "vae", "text_encoder"))
        width = int(read_config(start / "unet" / "config.json")["block_out_channels"][0])
        _, _, pixels_per_latent = channels_of(start)
    except (ValueError, TypeError, KeyError, IndexError):
        return STABLE_DIFFUSION
    held = FROZEN[config.objective.freeze]
    return Sizes(
        unet=_num_values(unet.values()),
        frozen=_num_values(entry for name, entry in unet.items() if any(kind in name for kind in held)),
        vae=_num_values(vae_weights.values()),
        text_encoder=_num_values(text.values()),
        width=width,
        pixels_per_latent=pixels_per_latent,
    )


def _num_values(entries: Iterable[TensorEntry]) -> int:
    return sum(entry.num_values for entry in entries)
