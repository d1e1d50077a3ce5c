"""Checks of a pipeline's folder, which anybody may have written: its index and its loaded weights.

The libraries raise many kinds of errors for a broken folder; here they become a ValueError that names the folder.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from modeling.json_text import parse_json

MAX_INDEX_BYTES = 1 << 20
MAX_SIZE = 4_096
"""Largest side of latents that a U-Net may claim to be made for."""
BROKEN = (
    *(OSError, KeyError, ValueError, TypeError, AttributeError, IndexError, RuntimeError, ImportError, ArithmeticError),
    *(RecursionError, NotImplementedError, SafetensorError),
)
"""The errors that diffusers and transformers raise while they load an incomplete or damaged pipeline."""


def read_model_index(folder: Path) -> dict[str, list[str]]:
    """Return the parts of a pipeline, name -> [library, class], without those that the index leaves empty.

    FileNotFoundError without model_index.json, ValueError, which names the folder, for one that is none.
    """
    path = folder / "model_index.json"
    try:
        if path.stat().st_size > MAX_INDEX_BYTES:
            raise ValueError(f"it has more than {MAX_INDEX_BYTES} bytes")
        index = parse_json(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{folder}: model_index.json is none ({error}). Give the folder of a pipeline.") from error
    if not isinstance(index, dict):
        raise ValueError(f"{folder}: model_index.json is none: it is a {type(index).__name__}, not an object.")
    parts: dict[str, list[str]] = {}
    for name, part in index.items():
        if not isinstance(part, list):
            continue
        if len(part) != 2 or not all(each is None or isinstance(each, str) for each in part):
            raise ValueError(f"{folder}: model_index.json is none: part {name[:80]!r} is {str(part)[:80]}.")
        if part[0] is not None:
            parts[name] = part
    if not parts:
        raise ValueError(f"{folder}: model_index.json is none: it names no parts.")
    return parts


def check_weights(folder: str | Path, **modules: nn.Module | Any) -> None:
    """Raise ValueError, which names the folder and the part, when weights are missing or not finite."""
    for name, module in modules.items():
        if not isinstance(module, nn.Module):
            continue
        tensors = [*module.named_parameters(), *module.named_buffers()]
        missing = [each for each, tensor in tensors if tensor.is_meta]
        if missing:
            raise ValueError(
                f"{folder}: {len(missing)} weights of {name} are missing, such as {missing[0]}. Fetch it anew."
            )
        bad = [
            each for each, tensor in tensors if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all())
        ]
        if bad:
            raise ValueError(f"{folder}: weights of {name} are not finite, such as {bad[0]}. Fetch the pipeline anew.")


def check_size(folder: str | Path, unet: Any) -> None:
    """Raise ValueError when a U-Net's config has no `sample_size`, or an impossible one."""
    size = getattr(unet.config, "sample_size", None)
    if not isinstance(size, int) or isinstance(size, bool) or not 0 < size <= MAX_SIZE:
        raise ValueError(
            f"{folder}: sample_size of the unet is {str(size)[:40]}; it must be a whole number up to {MAX_SIZE}."
        )


def first_line(error: BaseException) -> str:
    """Return the class of a library's error and the first line of what it says."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__
