"""Any diffusers pipeline that edits a picture by a sentence, by the name of its class.

The class comes out of diffusers itself, weights are safetensors, and parts with code of their own are refused, so that
nothing that comes with the weights is run.
"""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from diffusers.utils.logging import disable_progress_bar
from PIL import Image

from modeling.data.images import Picture, squash
from modeling.editors.channels import refuse_blind
from modeling.editors.checking import BROKEN, check_parts, check_weights, first_line
from modeling.editors.instruct_pix2pix import loading, pick_device
from modeling.editors.interface import NotFinite, OnProgress, check_lengths, no_pictures
from modeling.editors.model_index import MAX_INDEX_BYTES
from modeling.editors.settings import EditPrecision, PipelineConfig, check_class_name
from modeling.json_text import read_json

_TYPES: Mapping[EditPrecision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
SPARED = {"safety_checker", "feature_extractor", "image_encoder"}
"""Parts that a class names and can edit without."""


class PipelineEditor:
    """A diffusers pipeline whose call takes a prompt and an image."""

    is_deterministic = False

    def __init__(self, pipeline: Any):
        self._pipeline = pipeline
        self._arguments = set(inspect.signature(pipeline.__call__).parameters)
        check_call(type(pipeline).__name__, self._arguments)
        pipeline.set_progress_bar_config(disable=True)

    @property
    def device(self) -> torch.device:
        """Device on which the pipeline computes."""
        return torch.device(self._pipeline.device)

    @property
    def unet(self) -> torch.nn.Module | None:
        """The pipeline's denoising network under any known name; None where there is none."""
        return getattr(self._pipeline, "unet", None) or getattr(self._pipeline, "transformer", None)

    @classmethod
    def load(
        cls,
        class_name: str,
        start: str | Path,
        device: str = "auto",
        precision: EditPrecision = "fp32",
    ) -> "PipelineEditor":
        """Load a folder or hub id with the diffusers class `class_name`; ValueError says what is wrong."""
        kind = pipeline_class(class_name)
        disable_progress_bar()
        folder = Path(start)
        try:
            if not folder.is_dir():
                folder = Path(kind.download(str(start), use_safetensors=True))
            check_parts(folder)
            check_pipeline_folder(class_name, folder, str(start))
            with loading():
                pipeline = kind.from_pretrained(
                    folder, dtype=_TYPES[precision], use_safetensors=True, local_files_only=True
                )
            check_weights(start, **pipeline.components)
        except BROKEN as error:
            if isinstance(error, ValueError) and str(error).startswith((str(start), str(folder))):
                raise
            raise ValueError(f"{start}: no {class_name} could be loaded ({first_line(error)}).") from error
        return cls(pipeline.to(pick_device(device)))

    def edit(
        self,
        images: Sequence[Picture] | Picture,
        instructions: Sequence[str],
        seeds: Sequence[int],
        config: PipelineConfig,
        *,
        batch_size: int | None = None,
        on_progress: OnProgress | None = None,
    ) -> Picture:
        """Edit the pictures one by one, each with a generator of its own."""
        check_lengths(images, instructions, seeds)
        edited = [no_pictures(config.size_px)]
        for number, (image, instruction, seed) in enumerate(zip(images, instructions, seeds, strict=True), 1):
            edited.append(self._edit_one(squash(image, config.size_px), instruction, int(seed), config)[None])
            if on_progress is not None:
                on_progress(number, len(images))
        return np.concatenate(edited)

    def _edit_one(self, image: Picture, instruction: str, seed: int, config: PipelineConfig) -> Picture:
        options: dict[str, Any] = {"height": config.size_px, "width": config.size_px}
        options = {name: value for name, value in options.items() if name in self._arguments}
        if config.num_steps is not None:
            options["num_inference_steps"] = config.num_steps
        check_options(type(self._pipeline).__name__, self._arguments, config.options)
        try:
            output = self._pipeline(
                prompt=instruction,
                image=Image.fromarray(image),
                generator=torch.Generator().manual_seed(seed),
                output_type="np",
                **(options | dict(config.options)),
            ).images[0]
        except torch.OutOfMemoryError:
            raise
        except BROKEN as error:
            told, given = first_line(error)[:200], " and arguments" if config.options else ""
            raise ValueError(
                f"{type(self._pipeline).__name__} cannot edit with these weights{given} ({told})."
            ) from error
        if not np.isfinite(output).all():
            raise NotFinite(f"{type(self._pipeline).__name__} gave no finite picture for {instruction!r}.")
        if np.ptp(output) == 0 and np.ptp(image) > 0:
            raise ValueError(
                f"{type(self._pipeline).__name__} gave a picture of one colour for {instruction!r}: weights that do "
                "not fit, or a safety checker, do so."
            )
        return squash((output * 255).round().clip(0, 255).astype(np.uint8), config.size_px)


def pipeline_class(name: str) -> Any:
    """Return the diffusers pipeline class of that name; ValueError for what is none.

    Names alone are allowed, and of these only classes that diffusers itself defines.
    """
    check_class_name(name)
    kind: Any = getattr(diffusers, name, None)
    is_pipeline = inspect.isclass(kind) and issubclass(kind, diffusers.DiffusionPipeline)
    if not (is_pipeline and kind.__module__.startswith("diffusers.pipelines.")):
        raise ValueError(f"diffusers {diffusers.__version__} has no pipeline class {name!r}.")
    check_call(name, set(inspect.signature(kind.__call__).parameters))
    return kind


def check_call(name: str, arguments: set[str]) -> None:
    """Refuse a pipeline that does not take a picture and a sentence, or that takes a mask as well."""
    if missing := {"prompt", "image", "generator"} - arguments:
        raise ValueError(f"{name} takes no {', '.join(sorted(missing))}, so it edits no picture by an instruction.")
    if "mask_image" in arguments:
        raise ValueError(f"{name} wants a mask of what to change, and an instruction gives none.")


def check_pipeline_folder(name: str, folder: Path, named: str) -> None:
    """ValueError, which begins with `named`, for a folder whose parts are not those of the class; weights are not read.

    Parts that only look at the result (safety checker) may be missing.
    """
    kind = pipeline_class(name)
    index = read_json(folder / "model_index.json", at_most=MAX_INDEX_BYTES)
    needed = set(kind._get_signature_keys(kind)[0]) - SPARED
    if not isinstance(index, dict) or (missing := sorted(needed - index.keys())):
        told = ", ".join(missing) if isinstance(index, dict) else "all of them"
        own = str(index.get("_class_name"))[:80] if isinstance(index, dict) else "nothing"
        raise ValueError(f"{named}: a {name} has {', '.join(sorted(needed))}, and this folder, a {own}, lacks {told}.")
    gone = [part for part in sorted(needed) if index[part][0] is not None and not (folder / part).is_dir()]
    if gone:
        raise ValueError(f"{named}: there is no folder {gone[0]}/, which model_index.json names. Fetch it whole.")
    if "InstructPix2Pix" in name:
        refuse_blind(str(folder), named)


def check_options(name: str, arguments: Iterable[str], options: Mapping[str, Any]) -> None:
    """Refuse options that the call of a pipeline does not take."""
    if unknown := sorted(set(options) - set(arguments)):
        raise ValueError(f"{name} takes no {', '.join(unknown)}.")


def check_pipeline(name: str, options: Mapping[str, Any]) -> None:
    """ValueError for a class that edits no picture by an instruction, or takes no such options; nothing is loaded."""
    check_options(name, inspect.signature(pipeline_class(name).__call__).parameters, options)
