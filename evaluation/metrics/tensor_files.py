"""A file of weights from an untrusted source -> its tensors; no code in it is run.

safetensors are plain data; .pth, .pt, .pyth and .bin are read with torch's `weights_only=True`, which takes tensors
and plain values and refuses everything else. Such a refusal becomes an error; the file is never unpickled in another
way.
"""

import hashlib
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

STATE_NAMES = ("model_state", "state_dict", "model", "module")
"""Entries of a checkpoint in which other projects keep their state dict; the first that exists is read."""


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def misfit(wanted: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> str | None:
    """Return in words how `tensors` differ from the `wanted` ones of a network in names and shapes; None: they fit."""
    lacking, strange = sorted(wanted.keys() - tensors.keys()), sorted(tensors.keys() - wanted.keys())
    wrong = sorted(name for name in wanted.keys() & tensors.keys() if wanted[name].shape != tensors[name].shape)
    if not (lacking or strange or wrong):
        return None
    return (
        f"{len(lacking)} tensors are missing, {len(strange)} are left over, {len(wrong)} have another shape "
        f"(such as {(lacking or strange or wrong)[0]})"
    )


def load_checkpoint(path: Path) -> Any:
    """Return what a file of torch holds, tensors on the CPU; ValueError when it holds more than tensors and values."""
    if _is_program(path):
        raise ValueError(f"{path} is a TorchScript archive, a program: it is refused. Give a plain state dict.")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} holds more than tensors, numbers and texts, and reading it could run code: it is refused. "
            "Have it saved again as a plain state dict, best as safetensors."
        ) from error
    except (RuntimeError, EOFError, OSError, zipfile.BadZipFile, ValueError, KeyError, IndexError) as error:
        raise ValueError(f"{path} is not a readable file of tensors: {str(error).splitlines()[0][:200]}") from error


def _is_program(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") or "/code/" in name for name in archive.namelist())


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a state dict by name: safetensors, a bare dict, or a checkpoint that has one inside."""
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise ValueError(f"{path} is not a readable safetensors file: {error}") from error
    return state_of(load_checkpoint(path), path)


def state_of(content: Any, path: Path) -> dict[str, Tensor]:
    """Return the state dict in a loaded checkpoint; ValueError where there is none."""
    if isinstance(content, Mapping):
        for name in STATE_NAMES:
            if isinstance(content.get(name), Mapping):
                return state_of(content[name], path)
        tensors = {str(name): entry for name, entry in content.items() if isinstance(entry, Tensor)}
        if tensors and len(tensors) == len(content):
            return tensors
    raise ValueError(f"{path} holds no state dict, bare or under {', '.join(STATE_NAMES)}.")
