"""Untrusted configs of a pipeline's parts -> the channels of its U-Net and autoencoder, and whether it sees a picture.

A text-to-image U-Net (4 channels in Stable Diffusion) takes no picture: as an editor it would give the same picture for
every input. This is known from two small JSON files, before any weights are read or fetched.
"""

from pathlib import Path

from modeling.hub import files_of_hub, is_hub_id
from modeling.json_text import read_config

CONFIGS = ("unet/config.json", "vae/config.json")
"""Files that state the channels."""
MAX_NUMBER = 65_536


def is_blind(place: str) -> bool:
    """Tell whether the pipeline at `place`, a folder or a hub id, is text-to-image: its U-Net takes no picture.

    False too where these files are not there, or cannot be fetched: whoever loads the pipeline says so.
    """
    folder = files_of_hub(place, CONFIGS) if is_hub_id(place) else Path(place)
    if folder is None or not all((folder / name).is_file() for name in CONFIGS):
        return False
    latent, given, _ = channels_of(folder)
    return given == latent


def refuse_blind(place: str, named: str) -> None:
    """ValueError, which begins with `named`, for a text-to-image pipeline where an editor of pictures is wanted."""
    if is_blind(place):
        raise ValueError(
            f"{named} is text-to-image: its U-Net takes no picture, so every picture would give the same edit. Train "
            "an editor from it first (editaction run --start ... --until editor), give an InstructPix2Pix pipeline, or "
            "name a method that edits with such a model (--method)."
        )


def channels_of(folder: Path) -> tuple[int, int, int]:
    """Return channels of the latents, input channels of the U-Net, and pixels per latent; ValueError names the file."""
    unet, vae = folder / "unet" / "config.json", folder / "vae" / "config.json"
    told, of_vae = read_config(unet), read_config(vae)
    latent = _number(of_vae.get("latent_channels", 4), "latent_channels", vae)
    given = _number(told.get("in_channels", 4), "in_channels", unet)
    if of_vae.get("patch_size"):
        return latent, given, _number(of_vae["patch_size"], "patch_size", vae)
    blocks = of_vae.get("block_out_channels")
    if not isinstance(blocks, list) or not 1 <= len(blocks) <= 16:
        raise ValueError(f"{vae}: block_out_channels is {str(blocks)[:80]}; it must be a list of 1 to 16 numbers.")
    return latent, given, 2 ** (len(blocks) - 1)


def _number(value: object, name: str, path: Path) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_NUMBER:
        raise ValueError(f"{path}: {name} is {str(value)[:80]}; it must be a whole number from 1 to {MAX_NUMBER}.")
    return value
