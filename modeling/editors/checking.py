"""Checks of a pipeline's folder, which anybody may have written: its index and its loaded weights.

The libraries raise many kinds of errors for a broken folder; here they become a ValueError that names the folder.
"""

import importlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import nn

from modeling.editors.model_index import MAX_INDEX_BYTES, OWN_MODULE, read_model_index
from modeling.editors.weight_files import HALF_VARIANTS, SAFETENSORS_ALONE, pickled_names
from modeling.json_text import read_json

MAX_SIZE = 4_096
"""Largest side of latents that a U-Net may claim to be made for."""
MAX_LAYERS = 1_000
"""Largest number of layers that a config may claim."""
_TRUSTED_LIBRARIES = ("diffusers", "transformers", "stable_diffusion", OWN_MODULE)
BROKEN = (
    *(OSError, KeyError, ValueError, TypeError, AttributeError, IndexError, RuntimeError, ImportError, ArithmeticError),
    *(RecursionError, NotImplementedError, SafetensorError, StrictDataclassError),
)
"""The errors that diffusers and transformers raise while they load an incomplete or damaged pipeline."""


def check_parts(folder: Path) -> None:
    """Refuse a pipeline with parts from other libraries, or with code of its own."""
    for name, part in read_model_index(folder).items():
        if part[0] not in _TRUSTED_LIBRARIES or list((folder / name).glob("*.py")):
            raise ValueError(
                f"{folder}: part {name} is {part[1]} of {part[0]}, which is not loaded: its code is not part of "
                f"{', '.join(_TRUSTED_LIBRARIES)}."
            )
        _check_layers(folder, name)
        if part[0] == OWN_MODULE:
            importlib.import_module(OWN_MODULE)


def _check_layers(folder: Path, part: str) -> None:
    """Refuse a config with millions of layers: the libraries build them all before they look at the weights."""
    path = folder / part / "config.json"
    content = read_json(path, at_most=MAX_INDEX_BYTES) if path.is_file() else None
    for name, value in content.items() if isinstance(content, dict) else ():
        numbers = [
            number for number in (value if isinstance(value, list) else [value]) if isinstance(number, int | float)
        ]
        if "layers" in name and not all(number <= MAX_LAYERS for number in numbers):
            raise ValueError(f"{path}: {name} is {str(value)[:80]}; a model has at most {MAX_LAYERS} layers here.")


def half_variant(folder: Path, parts: Collection[str]) -> str | None:
    """Return which half-precision files stand for full ones: fp16 or bf16, or None where every part has full ones.

    A part with weights that are in no safetensors file (.bin, .ckpt, .pt) is a ValueError: such a file can run code.
    """
    variant = None
    for part in parts:
        weights = [path.name for path in (folder / part).glob("*.safetensors") if path.is_file()]
        pickled = pickled_names(folder, part)
        if pickled and not weights:
            raise ValueError(f"{folder}: {part}/ has only {', '.join(pickled)}, {SAFETENSORS_ALONE}")
        halves = [kind for kind in HALF_VARIANTS if any(f".{kind}." in name for name in weights)]
        if halves and all(name.count(".") > 1 for name in weights):
            variant = halves[0]
    return variant


def check_weights(folder: str | Path, **modules: nn.Module | Any) -> None:
    """Raise ValueError, which names the folder and the part, when weights are missing or not finite."""
    for name, module in modules.items():
        if not isinstance(module, nn.Module):
            continue
        tensors = [*module.named_parameters(), *module.named_buffers()]
        missing = [part for part, tensor in tensors if tensor.is_meta]
        if missing:
            raise ValueError(
                f"{folder}: {len(missing)} weights of {name} are missing, such as {missing[0]}. Fetch it anew."
            )
        bad = [
            part for part, tensor in tensors if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all())
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
