"""The editor: (picture, instruction, seed) -> edited picture, around a diffusers InstructPix2Pix pipeline.

Loads and saves folders that `StableDiffusionInstructPix2PixPipeline.from_pretrained` loads unchanged.
"""

import copy
import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from diffusers import StableDiffusionInstructPix2PixPipeline, UNet2DConditionModel
from diffusers.utils.logging import disable_progress_bar
from torch import Tensor

from modeling.config import SamplingConfig
from modeling.data.images import Picture, squash, to_tensor, to_uint8
from modeling.diffusion.sampling import Conditions, make_scheduler, sample
from modeling.editors.checking import (
    BROKEN,
    check_size,
    check_weights,
    first_line,
    half_variant,
)
from modeling.editors.interface import NotFinite, check_lengths, no_pictures
from modeling.editors.tokens import write_vocabulary
from modeling.editors.whole_folder import check_folder
from modeling.editors.widening import widen_input

_LOADING = threading.Lock()
"""A lock around loading: meanwhile libraries replace parts of torch, and weights made by another thread would be empty.
"""


def loading() -> threading.Lock:
    """Return the lock that is held while a pipeline is loaded."""
    return _LOADING


def pick_device(name: str) -> torch.device:
    """Return the torch device of that name; auto takes a GPU when there is one. ValueError for one that is not here."""
    has_gpu = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if has_gpu else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        here = ", ".join(f"cuda:{place}" for place in range(torch.cuda.device_count())) if has_gpu else "no GPU"
        raise ValueError(
            f"Device {name!r} cannot be used here: torch {torch.__version__} sees {here}. Take --device auto or cpu."
        ) from error
    return device


def default_batch_size(size_px: int) -> int:
    """Return how many pictures of a side are edited at a time: 8 at 512 px, up to 64 smaller ones."""
    return max(1, min(64, 8 * 512**2 // size_px**2))


class Editor:
    """The parts of an InstructPix2Pix pipeline: autoencoder, text encoder, tokenizer, U-Net and scheduler."""

    def __init__(self, pipeline: StableDiffusionInstructPix2PixPipeline, device: str | torch.device = "cpu"):
        self.device = torch.device(device)
        self.vae = pipeline.vae.to(self.device).requires_grad_(False).eval()
        self.text_encoder = pipeline.text_encoder.to(self.device).requires_grad_(False).eval()
        self.unet: UNet2DConditionModel = pipeline.unet.to(self.device).eval()
        self.scheduler = pipeline.scheduler
        # Tokenizing leaves its padding behind in the tokenizer, where it would be saved: the saved one stays unused.
        self._unused_tokenizer = pipeline.tokenizer
        self.tokenizer = copy.deepcopy(pipeline.tokenizer)
        self.tokenizer.model_max_length = min(
            self.tokenizer.model_max_length, self.text_encoder.config.max_position_embeddings
        )
        self.pixels_per_latent = 2 ** (len(self.vae.config.block_out_channels) - 1)
        """Side, in pixels, of the square that one latent position stands for."""
        self.scaling_factor = float(self.vae.config.scaling_factor)
        """Factor on the edited picture's latents before noise is added."""
        self._fit_input()

    def _fit_input(self) -> None:
        """Give the U-Net the number of input channels that its use needs."""
        self.sees_pictures = self.unet.conv_in.in_channels != self.num_latent_channels
        """False: text-to-image, whose input is widened; until it is trained it ignores the picture."""
        widen_input(self.unet, num_latent_channels=self.num_latent_channels)

    @property
    def is_deterministic(self) -> bool:
        """False: an edit starts from the seed's noise."""
        return False

    @classmethod
    def load(cls, start: str | Path, device: str = "auto") -> Self:
        """Load a pipeline folder or hub id: InstructPix2Pix, or a 4-channel Stable Diffusion, whose input is widened.

        Weights come from safetensors alone and as fp32, from half-precision files where a part has no others; no code
        comes with them. ValueError says what is missing.
        """
        disable_progress_bar()  # of loading, which takes a moment; edits show their own
        options: dict[str, Any] = {"use_safetensors": True, "safety_checker": None, "feature_extractor": None}
        folder = Path(start)
        try:
            if not folder.is_dir():
                folder = Path(StableDiffusionInstructPix2PixPipeline.download(str(start), **options))
            check_folder(folder, str(start))
            options["variant"] = half_variant(folder, ("unet", "vae", "text_encoder"))
            with loading():
                pipeline = StableDiffusionInstructPix2PixPipeline.from_pretrained(
                    folder, dtype=torch.float32, requires_safety_checker=False, local_files_only=True, **options
                )
            check_weights(start, unet=pipeline.unet, vae=pipeline.vae, text_encoder=pipeline.text_encoder)
            check_size(start, pipeline.unet)
        except BROKEN as error:
            if isinstance(error, ValueError) and str(error).startswith((str(start), str(folder))):
                raise
            raise ValueError(
                f"{start}: no pipeline could be loaded ({first_line(error)}). Give a folder with model_index.json and "
                "safetensors weights, or a hub id that can be reached."
            ) from error
        return cls(pipeline, pick_device(device))

    def put_encoders(self, device: str | torch.device) -> None:
        """Move autoencoder and text encoder, such as off a GPU whose memory training needs; they work anywhere."""
        self.vae.to(torch.device(device))
        self.text_encoder.to(torch.device(device))

    @property
    def num_latent_channels(self) -> int:
        """C of a latent [C, H, W]."""
        return int(self.vae.config.latent_channels)

    def latent_shape(self, size_px: int) -> tuple[int, int, int]:
        """Return (C, H, W) of the latents of square pictures; ValueError for a side that does not divide."""
        if size_px % self.pixels_per_latent:
            raise ValueError(f"size_px is {size_px}; this editor wants a multiple of {self.pixels_per_latent}.")
        side = size_px // self.pixels_per_latent
        return self.num_latent_channels, side, side

    @torch.inference_mode()
    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Return the text encoder's last hidden states: fp32 [N, L, D]; no text is ""."""
        tokens = self.tokenizer(
            list(texts),
            padding="max_length",
            max_length=self.tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        )
        masked = getattr(self.text_encoder.config, "use_attention_mask", False)
        mask = tokens.attention_mask.to(self.text_encoder.device) if masked else None
        states: Tensor = self.text_encoder(tokens.input_ids.to(self.text_encoder.device), attention_mask=mask)[0]
        return states.to(self.device)

    @torch.inference_mode()
    def encode_condition(self, images_NCHW: Tensor) -> Tensor:
        """Return the latents that condition an edit: the mode, *not* multiplied by the scaling factor.

        InstructPix2Pix left the factor out by accident, and its weights rely on that
        (github.com/timothybrooks/instruct-pix2pix issue 36).
        """
        mode: Tensor = self.vae.encode(images_NCHW.to(self.vae.device)).latent_dist.mode()
        return mode.to(self.device)

    @torch.inference_mode()
    def encode_target(self, images_NCHW: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return mean and standard deviation of the scaled latents that training adds noise to; no deviation (None) for
        an encoder without spread.
        """
        posterior = self.vae.encode(images_NCHW.to(self.vae.device)).latent_dist
        mean = posterior.mode().to(self.device) * self.scaling_factor
        if getattr(posterior, "deterministic", not hasattr(posterior, "std")):
            return mean, None
        return mean, posterior.std.to(self.device) * self.scaling_factor

    @torch.inference_mode()
    def decode(self, latents_NCHW: Tensor) -> Picture:
        """Return the pictures of scaled latents: uint8 [N, H, W, 3]."""
        pictures = self.vae.decode((latents_NCHW / self.scaling_factor).to(self.vae.device), return_dict=False)[0]
        if not torch.isfinite(pictures).all():
            raise NotFinite("The edit came out as NaN or infinity; there is no picture. Try precision fp32.")
        return to_uint8(pictures)

    def edit(
        self,
        images: Sequence[Picture] | Picture,
        instructions: Sequence[str],
        seeds: Sequence[int],
        config: SamplingConfig,
        *,
        batch_size: int | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Picture:
        """Edit uint8 RGB pictures of any sizes: uint8 [N, size_px, size_px, 3].

        A picture depends on its instruction and seed alone, not on its neighbours nor on `batch_size` (within 1/255):
        by default 8 at 512 px and up to 64 of smaller ones.
        """
        check_lengths(images, instructions, seeds)
        self.latent_shape(config.size_px)
        batch_size = batch_size or default_batch_size(config.size_px)
        scheduler = make_scheduler(config.scheduler, self.scheduler)
        edited = [no_pictures(config.size_px)]
        for first in range(0, len(images), batch_size):
            rows = slice(first, first + batch_size)
            pictures = np.stack([squash(image, config.size_px) for image in images[rows]])
            conditions = Conditions(
                picture=self.encode_condition(to_tensor(pictures)),
                text=self.encode_text(instructions[rows]),
                no_text=self.encode_text([""]),
            )
            generators = [torch.Generator().manual_seed(int(seed)) for seed in seeds[rows]]
            edited.append(self.decode(sample(self.unet, scheduler, conditions, generators, config)))
            if on_progress is not None:
                on_progress(min(first + batch_size, len(images)), len(images))
        return np.concatenate(edited)

    def compile(self) -> None:
        """Compile the U-Net for faster edits: the first batch of a shape takes a minute more. Wants a C++ compiler."""
        self.unet.compile()

    def save(self, folder: Path) -> None:
        """Write the pipeline to `folder`: weights as safetensors, the same bytes for the same weights anywhere."""
        pipeline = StableDiffusionInstructPix2PixPipeline(
            vae=self.vae,
            text_encoder=self.text_encoder,
            tokenizer=self._unused_tokenizer,
            unet=self.unet,
            scheduler=self.scheduler,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        pipeline.save_pretrained(folder, safe_serialization=True)
        write_vocabulary(folder / "tokenizer")
        forget_origin(folder)


def forget_origin(folder: Path) -> None:
    """Take the paths that a saved pipeline was loaded from out of its JSON files."""
    for path in sorted(folder.rglob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict) and {"_name_or_path", "name_or_path"} & content.keys():
            content.pop("_name_or_path", None)
            content.pop("name_or_path", None)
            path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
