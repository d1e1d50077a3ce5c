"""A file of weights from an untrusted source -> its tensors; no code in it is run.

safetensors are plain data; .pth, .pt, .pyth and .bin are read with torch's `weights_only=True`, which takes tensors
and plain values and refuses everything else. Such a refusal becomes an error; the file is never unpickled in another
way.
"""

import hashlib
import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from modeling.editors.checking import BROKEN, first_line

STATE_NAMES = ("model_state", "state_dict", "model", "module")
"""Entries of a checkpoint in which other projects keep their state dict; the first that exists is read."""
MAX_CLAIM = 4
"""All tensors together claim at most this many times the bytes of their file; some files name one tensor twice."""
_SPARE_BYTES = 1 << 20
_BROKEN = (*BROKEN, EOFError, AssertionError, MemoryError, struct.error, zipfile.BadZipFile)
"""Errors that torch and zipfile raise for a file with changed bytes."""


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
    try:
        _check_archive(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} holds more than tensors, numbers and texts, and reading it could run code: it is refused. "
            "Have it saved again as a plain state dict, best as safetensors."
        ) from error
    except _Refused as error:
        raise ValueError(str(error)) from error
    except _BROKEN as error:
        raise ValueError(f"{path} is not a readable file of tensors ({first_line(error)}).") from error


class _Refused(ValueError):
    """A whole file that is not read; its message says why."""


def _check_archive(path: Path) -> None:
    """Refuse a program, and an archive whose members are larger than it: torch takes the memory that they claim."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if any(member.filename.endswith("/constants.pkl") or "/code/" in member.filename for member in members):
        raise _Refused(f"{path} is a TorchScript archive, a program: it is refused. Give a plain state dict.")
    if (claimed := sum(member.file_size for member in members)) > (size := path.stat().st_size):
        raise _Refused(f"{path} claims {claimed} bytes of tensors in a file of {size}: it is refused.")


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a state dict by name: safetensors, a bare dict, or a checkpoint that has one inside."""
    if path.suffix == ".safetensors":
        try:
            return _checked(load_file(path), path)
        except (SafetensorError, OSError) as error:
            raise ValueError(f"{path} is not a readable safetensors file: {error}") from error
    return _checked(state_of(load_checkpoint(path), path), path)


def _checked(tensors: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Return tensors that are plain, finite, and no larger than their file can hold; ValueError for others."""
    strange = [name for name, tensor in tensors.items() if tensor.layout != torch.strided or tensor.is_quantized]
    strange += [name for name, tensor in tensors.items() if tensor.is_meta or tensor.is_complex()]
    if strange:
        raise ValueError(f"{path}: the tensor {strange[0]:.80} is none of plain numbers.")
    claimed, size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()), path.stat().st_size
    if claimed > MAX_CLAIM * size + _SPARE_BYTES:
        raise ValueError(f"{path} claims {claimed} bytes of tensors in a file of {size}: it is refused.")
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor.float()).all()):
            raise ValueError(f"{path}: weights are not finite, such as {name:.80}. Fetch the file anew.")
    return tensors


def state_of(content: Any, path: Path) -> dict[str, Tensor]:
    """Return the state dict in a loaded checkpoint; ValueError where there is none."""
    for _ in range(len(STATE_NAMES)):  # one inside another; a pickle can hold a dict that is in itself
        inner = [content[name] for name in STATE_NAMES if isinstance(content, Mapping) and name in content]
        content = next((candidate for candidate in inner if isinstance(candidate, Mapping)), content)
    if isinstance(content, Mapping):
        tensors = {str(name): entry for name, entry in content.items() if isinstance(entry, Tensor)}
        if tensors and len(tensors) == len(content):
            return tensors
    raise ValueError(f"{path} holds no state dict, bare or under {', '.join(STATE_NAMES)}.")
