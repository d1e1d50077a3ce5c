"""Untrusted configs of a pipeline's parts -> the channels of its U-Net and autoencoder."""

from pathlib import Path
from typing import Any

from modeling.json_text import read_json

MAX_CONFIG_BYTES = 1 << 20
MAX_NUMBER = 65_536


def channels_of(folder: Path) -> tuple[int, int, int]:
    """Return channels of the latents, input channels of the U-Net, and pixels per latent; ValueError names the file."""
    unet, vae = folder / "unet" / "config.json", folder / "vae" / "config.json"
    told, of_vae = _config(unet), _config(vae)
    latent = _number(of_vae.get("latent_channels", 4), "latent_channels", vae)
    given = _number(told.get("in_channels", 4), "in_channels", unet)
    if of_vae.get("patch_size"):
        return latent, given, _number(of_vae["patch_size"], "patch_size", vae)
    blocks = of_vae.get("block_out_channels")
    if not isinstance(blocks, list) or not 1 <= len(blocks) <= 16:
        raise ValueError(f"{vae}: block_out_channels is {str(blocks)[:80]}; it must be a list of 1 to 16 numbers.")
    return latent, given, 2 ** (len(blocks) - 1)


def _config(path: Path) -> dict[str, Any]:
    content = read_json(path, at_most=MAX_CONFIG_BYTES)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: a config is an object, and this is a {type(content).__name__}.")
    return content


def _number(value: object, name: str, path: Path) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_NUMBER:
        raise ValueError(f"{path}: {name} is {str(value)[:80]}; it must be a whole number from 1 to {MAX_NUMBER}.")
    return value
