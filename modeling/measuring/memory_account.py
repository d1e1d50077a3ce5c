"""Sizes of a start + a training config -> the memory of a training step on the device, line by line; imports no torch.

Weights, gradients and moments are counted exactly; activations are those measured at Stable Diffusion's size (438 MiB
a row of 32 x 32 latents in bf16, 37 with gradient checkpointing: what autograd saves), taken in proportion to latents
and width elsewhere. A row is an example, or twice that where L_action adds c'.
"""

import json
import struct
from dataclasses import dataclass
from pathlib import Path

from modeling.config import EmaPlace, TrainConfig

GIB = 2.0**30
SAVED_MIB, SAVED_MIB_CHECKPOINTED = 438.0, 37.0
"""MiB of activations per row, at 32 x 32 latents and 320 channels."""
CUDA_GIB = 0.5
"""The CUDA context and what its libraries keep."""
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
        "weights in bf16": 2 * sizes.unet if low else 0,
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
    Choice(micro_batch=1, gradient_checkpointing=True, ema_on="cpu", adam_bits=8),
)
"""Choices from the fastest to the smallest."""


def choice_for(config: TrainConfig, sizes: Sizes, gib: float) -> Choice | None:
    """Return the fastest choice that fits into `gib` GiB; None where none does."""
    return next((choice for choice in CHOICES if total_gib(config, sizes, choice) <= gib), None)


def sizes_of(start: Path, config: TrainConfig) -> Sizes:
    """Read the sizes off a folder's safetensors headers; Stable Diffusion's for a hub id."""
    unet = _shapes(start / "unet")
    if not unet:
        return STABLE_DIFFUSION
    held = FROZEN[config.objective.freeze]
    vae = json.loads((start / "vae" / "config.json").read_text(encoding="utf-8"))
    shape = json.loads((start / "unet" / "config.json").read_text(encoding="utf-8"))
    return Sizes(
        unet=sum(unet.values()),
        frozen=sum(count for name, count in unet.items() if any(kind in name for kind in held)),
        vae=sum(_shapes(start / "vae").values()),
        text_encoder=sum(_shapes(start / "text_encoder").values()),
        width=int(shape["block_out_channels"][0]),
        pixels_per_latent=int(vae.get("patch_size") or 2 ** (len(vae["block_out_channels"]) - 1)),
    )


def _shapes(folder: Path) -> dict[str, int]:
    """Return name -> number of values of the first safetensors file that is no variant; only its header is read."""
    files = sorted(
        path for path in folder.glob("*.safetensors") if "fp16" not in path.name and "non_ema" not in path.name
    )
    if not files:
        return {}
    with files[0].open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(min(length, 100_000_000)))
    counts = {}
    for name, entry in header.items():
        if name != "__metadata__":
            counts[name] = 1
            for side in entry["shape"]:
                counts[name] *= side
    return counts
