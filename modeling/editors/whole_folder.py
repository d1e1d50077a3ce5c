"""A pipeline's folder -> one sentence about what keeps it from editing or from being a start, before weights are read.

The libraries find such things out late, one by one, and in their own words; some they do not find at all: a folder
without its tokenizer loads, and edits by nothing.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from modeling.editors.channels import channels_of
from modeling.editors.checking import BROKEN, check_parts, first_line
from modeling.editors.model_index import OWN_MODULE, read_model_index
from modeling.editors.weight_files import check_weight_files, weights_of
from modeling.json_text import read_config, read_json

PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
"""Parts of an editor."""
UNET, VAE = "UNet2DConditionModel", "AutoencoderKL"
PREDICTIONS = ("epsilon", "v_prediction")
"""The quantities that a U-Net may predict."""
MAX_TOKENIZER_BYTES = 32 << 20
WHOLE = "Fetch the folder whole."


def check_folder(folder: Path, named: str) -> None:
    """ValueError, which begins with `named`, for a folder that is no InstructPix2Pix or Stable Diffusion pipeline."""
    try:
        check_parts(folder)
        check_weight_files(folder, str(folder))
        index = read_model_index(folder)
        _check_classes(index)
        _check_files(folder)
        _check_channels(folder)
        _check_text(folder)
        _check_tokens(folder)
        _check_scheduler(folder, index["scheduler"][1])
        weights_of(folder, "text_encoder")
        _check_shapes(folder, "unet", UNET)
        if index["vae"][1] == VAE:
            _check_shapes(folder, "vae", VAE)
    except ValueError as error:
        told = str(error).removeprefix(f"{folder}: ").replace(f"{folder}/", "")
        raise ValueError(f"{named}: {told}") from error


def _check_classes(index: Mapping[str, list[str]]) -> None:
    for part in PARTS:
        if part not in index:
            raise ValueError(
                f"model_index.json names no {part}, and an editor has {', '.join(PARTS)}. Other kinds of pipelines "
                "edit by the name of their class (--editors, --method)."
            )
        library, name = index[part]
        if library == OWN_MODULE:
            continue
        here = {"diffusers": diffusers, "transformers": transformers}.get(library)
        if here is None or not hasattr(here, name):
            version = getattr(here, "__version__", "")
            raise ValueError(f"its {part} is a {name}, which {library} {version} does not have. Take another pipeline.")
    if index["unet"][1] != UNET:
        raise ValueError(f"its unet is a {index['unet'][1]}, and an editor's is a {UNET}. Take another pipeline.")


def _check_files(folder: Path) -> None:
    for name in ("unet/config.json", "vae/config.json", "text_encoder/config.json", "scheduler/scheduler_config.json"):
        if not (folder / name).is_file():
            raise ValueError(f"there is no {name}. {WHOLE}")
    words = folder / "tokenizer"
    if not (words / "tokenizer.json").is_file() and not all(
        (words / name).is_file() for name in ("vocab.json", "merges.txt")
    ):
        raise ValueError(f"tokenizer/ has no tokenizer.json, and no vocab.json with merges.txt. {WHOLE}")


def _config(folder: Path, name: str) -> dict[str, Any]:
    try:
        return read_config(folder / name)
    except ValueError as error:
        raise ValueError(f"{error} {WHOLE}") from error


def _check_channels(folder: Path) -> None:
    latent, given, _ = channels_of(folder)
    if given not in (latent, 2 * latent):
        raise ValueError(
            f"its U-Net takes {given} channels, where {2 * latent} (InstructPix2Pix) or {latent} (text-to-image) are "
            "wanted: inpainting and other models are no starts. Take another pipeline."
        )


def _check_text(folder: Path) -> None:
    """Check that the U-Net reads what the text encoder gives."""
    unet, text = _config(folder, "unet/config.json"), _config(folder, "text_encoder/config.json")
    if unet.get("addition_embed_type") is not None:
        raise ValueError("its U-Net wants more than a text, as Stable Diffusion XL's does: no start.")
    read, given = unet.get("cross_attention_dim"), text.get("hidden_size")
    if unet.get("encoder_hid_dim") is None and isinstance(read, int) and isinstance(given, int) and read != given:
        raise ValueError(
            f"its U-Net reads texts of {read} numbers a token, and its text encoder gives {given}: they do not belong "
            "together. Fetch the folder anew."
        )


def _check_tokens(folder: Path) -> None:
    """Check that the text encoder knows all tokens."""
    known = _config(folder, "text_encoder/config.json").get("vocab_size")
    last = _last_token(folder / "tokenizer" / "tokenizer.json")
    if isinstance(known, int) and last >= known:
        raise ValueError(
            f"its tokenizer has tokens up to {last}, and its text encoder knows {known}: they do not belong together. "
            "Fetch the folder anew."
        )


def _last_token(path: Path) -> int:
    """Return the largest number of a token; -1 where the tokenizer is in the older two files."""
    content = read_json(path, at_most=MAX_TOKENIZER_BYTES) if path.is_file() else None
    model = content.get("model") if isinstance(content, dict) else None
    words = model.get("vocab") if isinstance(model, dict) else None
    numbers = words.values() if isinstance(words, dict) else ()
    return max((number for number in numbers if isinstance(number, int)), default=-1)


def _check_scheduler(folder: Path, name: str) -> None:
    config = _config(folder, "scheduler/scheduler_config.json")
    if (predicted := config.get("prediction_type", PREDICTIONS[0])) not in PREDICTIONS:
        raise ValueError(
            f"scheduler/scheduler_config.json: prediction_type is {str(predicted)[:40]}; editors know "
            f"{' and '.join(PREDICTIONS)} alone."
        )
    try:
        scheduler = getattr(diffusers, name).from_config(config)
    except BROKEN as error:
        raise ValueError(f"scheduler/scheduler_config.json describes no {name} ({first_line(error)}).") from error
    if not hasattr(scheduler, "alphas_cumprod"):
        raise ValueError(f"its scheduler is a {name}, whose noise is not Stable Diffusion's. Take another pipeline.")


def _check_shapes(folder: Path, part: str, class_name: str) -> None:
    """Compare a part's weights with its config: names and shapes, no values.

    Names of the autoencoder are not asked for: published ones have older names for its attention.
    """
    config = _config(folder, f"{part}/config.json")
    try:
        with torch.device("meta"):
            wanted = getattr(diffusers, class_name).from_config(config).state_dict()
    except BROKEN as error:
        raise ValueError(f"{part}/config.json describes no {class_name} ({first_line(error)}). {WHOLE}") from error
    there = weights_of(folder, part)
    missing = sorted(wanted.keys() - there.keys())
    if missing and part == "unet":
        raise ValueError(f"{part}/ lacks {len(missing)} of {len(wanted)} weights, such as {missing[0]}. {WHOLE}")
    for name in sorted(wanted.keys() & there.keys()):
        if tuple(wanted[name].shape) != there[name].shape:
            raise ValueError(
                f"{part}/: {name} has the shape {list(there[name].shape)}, and {part}/config.json asks for "
                f"{list(wanted[name].shape)}: they do not belong together. Fetch the folder anew."
            )
