"""A published TimeSformer -> its transformers model: the authors' .pyth files, hub folders with safetensors or a .bin.

The reference's 69 kinds of tensor are renamed one to one, and none is reshaped. Every tensor must be used and none may
be missing; the reference itself loads the tensors that fit and ignores the rest silently. Source:
github.com/facebookresearch/TimeSformer, a5ef29a. Nothing of a file is run: safetensors, or `weights_only=True`
(evaluation/metrics/tensor_files.py).
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from transformers import TimesformerConfig, TimesformerForVideoClassification

from evaluation.metrics.tensor_files import load_tensors, misfit
from modeling.editors.checking import BROKEN, first_line
from modeling.hub import folder_or_hub_id
from modeling.json_text import read_config

HEAD_WIDTH = 64
"""Width of an attention head in all published checkpoints; the tensors do not tell the number of heads."""
FILES = ("model.safetensors", "pytorch_model.bin")
"""Files of weights in a hub folder; the first that exists is read."""
PARTS = {
    "temporal_norm1": "temporal_layernorm",
    "temporal_attn.qkv": "temporal_attention.attention.qkv",
    "temporal_attn.proj": "temporal_attention.output.dense",
    "temporal_fc": "temporal_dense",
    "norm1": "layernorm_before",
    "attn.qkv": "attention.attention.qkv",
    "attn.proj": "attention.output.dense",
    "norm2": "layernorm_after",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}
"""Names of the parts of a block: reference -> transformers, as whole parts of a name."""
OUTSIDE = {
    "cls_token": "timesformer.embeddings.cls_token",
    "pos_embed": "timesformer.embeddings.position_embeddings",
    "time_embed": "timesformer.embeddings.time_embeddings",
    "patch_embed.proj": "timesformer.embeddings.patch_embeddings.projection",
    "norm": "timesformer.layernorm",
    "head": "classifier",
}
"""Outside the blocks."""
MAX_LAYERS = 200
"""The published models have 12 and 24."""
MAX_NUMBER = 1_000_000
"""Largest number in a config; the widest model has 3 072."""
NOT_READ = {"id2label", "label2id", "num_labels", "dtype", "torch_dtype", "architectures", "model_type"}
"""Settings of a config that are not read: the labels come from the weights, and the others do not change the result."""
Tensors = Mapping[str, Tensor]


def renamed(name: str) -> str | None:
    """Return transformers' name, without prefix, of a reference tensor; None for a tensor that is not part of the
    model.
    """
    name = re.sub(r"^((module|model)\.)*", "", name)
    if name in OUTSIDE:
        return OUTSIDE[name]
    stem, _, kind = name.rpartition(".")
    block = re.fullmatch(r"blocks\.(\d+)\.(.+)", stem)
    if block is not None:
        part = PARTS.get(block[2])
        return part and f"timesformer.encoder.layer.{block[1]}.{part}.{kind}"
    return f"{OUTSIDE[stem]}.{kind}" if stem in OUTSIDE else None


def shape_of(tensors: Tensors, path: Path, num_heads: int | None) -> TimesformerConfig:
    """Infer the config of a model from its renamed tensors; ValueError when it has no divided attention."""
    lacking = [name for name in OUTSIDE.values() if not any(given.startswith(name) for given in tensors)]
    first = "timesformer.encoder.layer.0."
    if lacking or f"{first}temporal_dense.weight" not in tensors:
        what = (lacking or ["the attention over time (a model of space only, or of joint attention)"])[0]
        raise ValueError(f"{path} is no TimeSformer with divided attention over space and time: it lacks {what}.")
    kernel = tensors["timesformer.embeddings.patch_embeddings.projection.weight"]
    width, patch_px = int(kernel.shape[0]), int(kernel.shape[-1])
    num_patches = int(tensors["timesformer.embeddings.position_embeddings"].shape[1]) - 1
    if num_heads is None and width % HEAD_WIDTH:
        raise ValueError(f"{path}: the number of heads of width {width} cannot be guessed; set classifier.num_heads.")
    num_layers = len({name.split(".")[3] for name in tensors if name.startswith("timesformer.encoder.")})
    if num_layers > MAX_LAYERS:
        raise ValueError(f"{path}: {num_layers} blocks; a TimeSformer has at most {MAX_LAYERS} here.")
    config = TimesformerConfig(
        image_size=patch_px * math.isqrt(num_patches),
        patch_size=patch_px,
        num_frames=int(tensors["timesformer.embeddings.time_embeddings"].shape[1]),
        hidden_size=width,
        num_hidden_layers=num_layers,
        num_attention_heads=num_heads or width // HEAD_WIDTH,
        intermediate_size=int(tensors[f"{first}intermediate.dense.weight"].shape[0]),
    )
    config.num_labels = int(tensors["classifier.weight"].shape[0])
    return config


def filled(config: TimesformerConfig, tensors: Tensors, path: Path) -> TimesformerForVideoClassification:
    """Return the model with these tensors; ValueError when tensors are missing, left over or of another shape."""
    try:
        with torch.device("meta"):  # the claimed size is checked before memory is taken
            wanted = TimesformerForVideoClassification(config).state_dict()
        if difference := misfit(wanted, tensors):
            raise ValueError(f"{path} does not fit its TimeSformer: {difference}.")
        model = TimesformerForVideoClassification(config)
        model.load_state_dict(dict(tensors))
    except BROKEN as error:
        raise _told(error, path) from error
    return model.eval()


def _told(error: Exception, path: Path) -> ValueError:
    """Return the error of a library as one that names the file; our own is one already."""
    if isinstance(error, ValueError) and str(error).startswith(str(path)):
        return error
    return ValueError(f"{path} is no TimeSformer that can be made ({first_line(error)}).")


def load_reference(path: Path, num_heads: int | None = None) -> TimesformerForVideoClassification:
    """Return the model of an original checkpoint (.pyth, or the same tensors as safetensors), with its own head."""
    tensors: dict[str, Tensor] = {}
    for name, tensor in load_tensors(path).items():
        new_name = renamed(name)
        if new_name is None:
            raise ValueError(f"{path}: the tensor {name} is of no TimeSformer with divided attention.")
        if new_name in tensors:
            raise ValueError(f"{path}: {name} is there twice, under two prefixes; nobody knows which counts.")
        tensors[new_name] = tensor.float()
    try:
        config = shape_of(tensors, path, num_heads)
    except BROKEN as error:
        raise _told(error, path) from error
    return filled(config, tensors, path)


def load_folder(folder: Path) -> TimesformerForVideoClassification:
    """Return the model of a hub folder: config.json beside safetensors, or else pytorch_model.bin, weights only."""
    weights_file = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if weights_file is None or not (folder / "config.json").is_file():
        raise ValueError(f"{folder} holds no TimeSformer: it wants config.json and one of {' or '.join(FILES)}.")
    config = _read_config(folder / "config.json")
    tensors = {name: tensor.float() for name, tensor in load_tensors(weights_file).items()}
    if "classifier.weight" in tensors:
        config.num_labels = len(tensors["classifier.weight"])
    return filled(config, tensors, weights_file)


def _read_config(path: Path) -> TimesformerConfig:
    """Read the numbers of a config; labels, names and code that it may speak of are left out."""
    content = read_config(path)
    names = TimesformerConfig().to_dict().keys() - NOT_READ
    given = {name: value for name, value in content.items() if name in names}
    for name, value in given.items():
        if isinstance(value, int | float) and not 0 <= value <= MAX_NUMBER:
            raise ValueError(f"{path}: {name} is {value!r:.40}; it must be from 0 to {MAX_NUMBER}.")
    try:
        config = TimesformerConfig(**given)
    except BROKEN as error:
        raise _told(error, path) from error
    if config.num_hidden_layers > MAX_LAYERS:
        raise ValueError(f"{path}: num_hidden_layers is {config.num_hidden_layers}; it may be {MAX_LAYERS}.")
    return config


def load_published(start: str, num_heads: int | None = None) -> TimesformerForVideoClassification:
    """Return the model that `start` names: an original checkpoint, a hub folder, or a hub id, which is fetched."""
    path = Path(start)
    if path.is_file():
        return load_reference(path, num_heads)
    folder = path if path.is_dir() else folder_or_hub_id(start, "config.json", "classifier.start")
    return load_folder(folder or _fetched(start))


def _fetched(hub_id: str) -> Path:
    from huggingface_hub import snapshot_download

    folder = Path(snapshot_download(hub_id, allow_patterns=["config.json", FILES[0]]))
    if not (folder / FILES[0]).is_file():
        folder = Path(snapshot_download(hub_id, allow_patterns=["config.json", FILES[1]]))
    return folder
