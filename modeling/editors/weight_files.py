"""A part of a pipeline's folder -> the safetensors files that its weights are read from; imports no torch.

As diffusers and transformers choose them: one file, or shards that an index names; a half-precision variant where there
are no full ones.
"""

from pathlib import Path

from modeling.json_text import read_json
from modeling.tensor_header import TensorEntry, read_header

STEMS = {"text_encoder": "model"}
"""Part -> beginning of the names of its weight files, where it is not that of diffusers."""
HALF_VARIANTS = ("fp16", "bf16")
"""Words in the names of half-precision weights, as in diffusion_pytorch_model.fp16.safetensors."""
MAX_INDEX_BYTES = 16 << 20
PICKLED = (".bin", ".ckpt", ".pt")
SAFETENSORS_ALONE = (
    "and weights are read from safetensors alone. Load the pipeline with diffusers once and save it again with "
    "save_pretrained(FOLDER, safe_serialization=True)."
)
"""Ends what is said of a part without safetensors."""
WEIGHTED = ("unet", "vae", "text_encoder")
"""Parts of a pipeline with weights."""


def check_weight_files(folder: Path, named: str) -> None:
    """ValueError, which begins with `named`, where a part of the pipeline in `folder` has no safetensors."""
    for part in WEIGHTED:
        if not list((folder / part).glob("*.safetensors")):
            others = pickled_names(folder, part)
            there = f"only {', '.join(others)}" if others else "no weights"
            raise ValueError(f"{named}: {part}/ has {there}, {SAFETENSORS_ALONE}")


def pickled_names(folder: Path, part: str) -> list[str]:
    """Return the names of a part's files in formats that can run code when they are read."""
    return sorted(path.name for path in (folder / part).glob("*") if path.suffix in PICKLED and path.is_file())


def weight_files(folder: Path, part: str) -> list[Path]:
    """Return the files with a part's weights; empty where it has none. ValueError where some of them are missing."""
    inside, stem = folder / part, STEMS.get(part, "diffusion_pytorch_model")
    for variant in ("", *(f".{name}" for name in HALF_VARIANTS)):
        if (whole := inside / f"{stem}{variant}.safetensors").is_file():
            return [whole]
        for name in (f"{stem}.safetensors.index{variant}.json", f"{stem}{variant}.safetensors.index.json"):
            if (index := inside / name).is_file():
                return _shards(index)
    if strange := sorted(path.name for path in inside.glob("*.safetensors")):
        raise ValueError(
            f"{part}/ has {strange[0]}, but neither {stem}.safetensors nor {stem}.safetensors.index.json, which names "
            "shards. Fetch the folder whole."
        )
    return []


def _shards(index: Path) -> list[Path]:
    content = read_json(index, at_most=MAX_INDEX_BYTES)
    places = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(places, dict) or not all(isinstance(name, str) and "/" not in name for name in places.values()):
        raise ValueError(f"{index}: this is no index of shards: it has no weight_map of names to files.")
    files = [index.parent / name for name in sorted(set(places.values()))]
    if missing := [file.name for file in files if not file.is_file()]:
        raise ValueError(
            f"{index.parent.name}/ lacks {len(missing)} of {len(files)} shards, such as {missing[0]}. Fetch them."
        )
    return files


def weights_of(folder: Path, part: str) -> dict[str, TensorEntry]:
    """Return the tensors of a part by name, from the headers of its files; ValueError for damaged or missing ones."""
    tensors: dict[str, TensorEntry] = {}
    for file in weight_files(folder, part):
        tensors |= read_header(file)
    return tensors
