"""One training step in two ways, on the same weights, examples, noise and timesteps: the project's and a plain recipe.

The recipe is that of diffusers' example script train_instruct_pix2pix, written anew: at every step the pictures are
read, resized and mirrored, the autoencoder encodes both, the text encoder embeds the instructions and the empty text,
and torch's AdamW moves the weights after clipping. What the script draws by chance it is handed here, so that both
train on the same batch and their losses can be compared.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from benchmarks.editors import WORDS, make_pipeline
from modeling.config import ObjectiveConfig, TrainConfig
from modeling.data.example import Example
from modeling.data.images import encode_png, squash, to_tensor
from modeling.data.loader import Examples
from modeling.data.tars import write_shard
from modeling.editors.instruct_pix2pix import Editor
from modeling.presets import editaction, fine_tuned
from modeling.runs.fine_tuning import TrainOptions, make_batches, make_trainer
from modeling.runs.micro_batch import gradients_that_fit
from modeling.runs.watcher import Watcher
from modeling.training.batches import Batches
from modeling.training.draws import StepDraws
from modeling.training.trainer import Trainer

OBJECTIVES = {
    "static": fine_tuned(),
    "static_frozen": ObjectiveConfig(lambda_action=0.0, lambda_reg=0.0),
    "editaction": editaction(),
    "editaction_unfrozen": ObjectiveConfig(freeze="none"),
}
"""L_static only and EditAction, each with and without its cross-attention frozen; the recipe trains `static`."""


def write_pairs(folder: Path, *, count: int, size_px: int) -> Path:
    """Write one shard of drawn pairs with random instructions of four words; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    examples = []
    for number in range(count):
        files = []
        for coarse in rng.integers(0, 256, (2, 8, 8, 3), dtype=np.uint8):
            picture = Image.fromarray(coarse).resize((size_px, size_px), Image.Resampling.BICUBIC)
            files.append(encode_png(np.asarray(picture)))
        metadata: dict[str, Any] = dict.fromkeys(("verb", "object", "start_point", "end_point"), "")
        metadata |= {"instruction": " ".join(rng.choice(WORDS, 4)), "segment_id": f"pair-{number:06d}"}
        metadata |= {"split": "train", "video_id": "pair", "start_s": 0.0, "stop_s": 1.0, "overlaps": False}
        examples.append(Example(**metadata, source_file=files[0], edited_file=files[1]))
    write_shard(folder / "train-000000.tar", examples)
    return folder


class OurStep:
    """The project's step, with its caches filled."""

    def __init__(self, sizes: str, config: TrainConfig, examples: Examples, options: TrainOptions):
        self.editor = Editor(make_pipeline(sizes), options.device)
        self.batches: Batches = make_batches(self.editor, examples, config, options, Watcher(lambda line: None))
        self.trainer: Trainer = make_trainer(self.editor, config, options)

    def __call__(self, step: int) -> float:
        """Do step `step` and return its loss."""
        gradients = gradients_that_fit(self.trainer, self.batches, step, Watcher(lambda line: None))
        return float(self.trainer.move(step, gradients)["loss"])


class RecipeStep:
    """The recipe's step. bf16 means frozen parts in bf16 and the U-Net under autocast, as in the script."""

    def __init__(self, sizes: str, config: TrainConfig, examples: Examples, device: torch.device):
        self._config = config
        self._examples = examples
        self._device = device
        self._dtype = torch.bfloat16 if config.precision == "bf16" else torch.float32
        pipeline = make_pipeline(sizes)
        self._tokenizer = pipeline.tokenizer
        self._vae = pipeline.vae.to(device, self._dtype).requires_grad_(False)
        self._text_encoder = pipeline.text_encoder.to(device, self._dtype).requires_grad_(False)
        self.unet = pipeline.unet.to(device).train()
        self._alphas = pipeline.scheduler.alphas_cumprod.to(device)
        self._optimizer = torch.optim.AdamW(
            self.unet.parameters(),
            lr=config.learning_rate,
            betas=(config.adam_beta1, config.adam_beta2),
            weight_decay=config.weight_decay,
        )

    def __call__(self, draws: StepDraws) -> float:
        """Do a step with the given `draws`, on the whole batch at once, and return its loss."""
        loss = self._loss(draws)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.unet.parameters(), 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad()
        return loss.item()

    def _loss(self, draws: StepDraws) -> Tensor:
        source, edited = self._pictures(draws)
        with torch.no_grad():
            posterior = self._vae.encode(edited).latent_dist
            clean = posterior.mean + posterior.std * draws.encoder_noise.to(self._device)
            clean = clean * self._vae.config.scaling_factor
            condition = self._vae.encode(source).latent_dist.mode()
            text = self._embed([self._examples.instructions[example] for example in draws.examples])
            no_text = self._embed([""])
        text_kept, image_kept = self._kept(draws.text_dropped, 3), self._kept(draws.image_dropped, 4)
        noise, timesteps = draws.noise.to(self._device), draws.timesteps.to(self._device)
        signal = self._alphas[timesteps][:, None, None, None]
        noisy = signal.sqrt() * clean + (1 - signal).sqrt() * noise
        inputs = torch.cat([noisy, condition * image_kept], dim=1)
        with self._autocast():
            prediction = self.unet(inputs, timesteps, torch.where(text_kept, text, no_text), return_dict=False)[0]
        return functional.mse_loss(prediction.float(), noise.float())

    @contextlib.contextmanager
    def _autocast(self) -> Iterator[None]:
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._dtype == torch.bfloat16):
            yield

    def _pictures(self, draws: StepDraws) -> tuple[Tensor, Tensor]:
        sources, edits = [], []
        for index, flip in zip(draws.examples, draws.flips, strict=True):
            example = self._examples[int(index)]
            pair = [squash(image, self._config.size_px) for image in (example.source_image, example.edited_image)]
            source, edited = (image[:, ::-1] if flip else image for image in pair)
            sources.append(source)
            edits.append(edited)
        tensors = [to_tensor(np.stack(pictures)).to(self._device, self._dtype) for pictures in (sources, edits)]
        return tensors[0], tensors[1]

    def _embed(self, texts: list[str]) -> Tensor:
        tokens = self._tokenizer(texts, padding="max_length", max_length=77, truncation=True, return_tensors="pt")
        states: Tensor = self._text_encoder(tokens.input_ids.to(self._device))[0]
        return states

    def _kept(self, dropped: np.ndarray, num_dimensions: int) -> Tensor:
        kept = torch.from_numpy(~dropped).to(self._device)
        return kept.reshape(-1, *[1] * (num_dimensions - 1))
