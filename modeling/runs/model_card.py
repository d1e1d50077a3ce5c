"""Facts about a finished run -> README.md, the model card that lies beside the weights."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from modeling.config import SamplingConfig, TrainConfig

CARD = """---
license: {license}
base_model: {base_model}
datasets: [{dataset}]
pipeline_tag: image-to-image
library_name: diffusers
tags: [instruct-pix2pix, editaction]
---

# {title}

Edits a picture by an instruction. Fine-tuned with EditAction from the first and last frames of labelled actions.

```python
{load}
```

Steps, scales, size and number type are those that this editor was made for; others give other, often worse, edits.
{strangers}
Here are the averaged (EMA) weights; `raw_unet/`, beside this folder, has the U-Net without averaging.

## Training

{num_examples} examples, {num_steps} steps of {batch_size}, {objective}.
Means over the last {num_last} steps: {last}.
{skipped}
```json
{config}
```

## Where it comes from

{facts}

## What it cannot do

It knows the actions and scenes that it was trained on, and inherits what its start knows and gets wrong. Its pictures
are not evidence of what an action would do.
"""
LOAD = """import torch
from diffusers import StableDiffusionInstructPix2PixPipeline
{extra_import}from PIL import Image

pipeline = StableDiffusionInstructPix2PixPipeline.from_pretrained(
    "{place}",  # this folder, or the hub id under which it is published
    torch_dtype=torch.{dtype},
    safety_checker=None,
)
picture = Image.open("picture.png").convert("RGB").resize(({size_px}, {size_px}), Image.LANCZOS)
edited = pipeline(
    "{instruction}",
    image=picture,
    num_inference_steps={num_steps},
    guidance_scale={text_guidance:g},
    image_guidance_scale={image_guidance:g},
    generator=torch.Generator().manual_seed(0),
).images[0]
edited.save("edited.png")"""
STRANGERS = """
Its autoencoder is a class of EditAction and not of diffusers: the import in the snippet needs EditAction's own
package, installed from its sources. Without it this folder cannot be loaded.
"""
LICENSES = {
    "timbrooks/instruct-pix2pix": "mit",
    "stable-diffusion-v1-5/stable-diffusion-v1-5": "creativeml-openrail-m",
    "starting_editor": "apache-2.0",
}
"""Start -> its licence, which its fine-tuned editors keep; the licences of other starts are not known here."""


def sampling_of(config: TrainConfig) -> SamplingConfig:
    """Return the sampling settings that fit this training: the paper's, or the kitchen's for small pictures."""
    if config.size_px >= 256:
        return SamplingConfig(precision=config.precision)
    return SamplingConfig(
        size_px=config.size_px, num_steps=10, text_guidance=1.0, scheduler="pipeline", precision="fp32"
    )


def snippet(sampling: SamplingConfig, *, place: str, own_autoencoder: bool, instruction: str) -> str:
    """Return the Python that edits `picture.png` with the pipeline at `place`, as it stands in the card."""
    return LOAD.format(
        extra_import="import modeling.autoencoder  # the class of its autoencoder\n" if own_autoencoder else "",
        place=place,
        dtype="float32" if sampling.precision == "fp32" else "bfloat16",
        size_px=sampling.size_px,
        num_steps=sampling.num_steps,
        text_guidance=sampling.text_guidance,
        image_guidance=sampling.image_guidance,
        instruction=instruction,
    )


def model_card(
    config: TrainConfig,
    *,
    num_examples: int,
    metrics: Sequence[Mapping[str, Any]],
    facts: Mapping[str, Any],
    own_autoencoder: bool,
    place: str = ".",
) -> str:
    """Return the card. metrics: the entries of metrics.jsonl; facts: what the caller knows (data keys, commit).

    place: where the pipeline lies as seen from the card. facts: `dataset` and `start` go into the card's head too.
    """
    objective = config.objective
    num_done = len(metrics)
    last = metrics[-100:]
    means = {name: _mean([entry.get(name) for entry in last]) for name in ("loss", "static", "action", "reg")}
    num_skipped = int(metrics[-1]["skipped"]) if metrics else 0
    start = str(facts.get("start", "")).split(" ")[0]
    return CARD.format(
        title=facts.get("title", "EditAction editor"),
        license=LICENSES.get(start, "other"),
        base_model=start or "unknown",
        dataset=facts.get("dataset", "unknown"),
        load=snippet(
            sampling_of(config),
            place=place,
            own_autoencoder=own_autoencoder,
            instruction="take the cup out of the cupboard",
        ),
        strangers=STRANGERS if own_autoencoder else "",
        num_examples=num_examples,
        num_steps=config.num_steps if num_done == config.num_steps else f"{num_done} of {config.num_steps}",
        batch_size=config.batch_size,
        objective=(
            f"L = L_static + {objective.lambda_action:g} L_action + {objective.lambda_reg:g} L_reg, "
            f"frozen: {objective.freeze}"
        ),
        num_last=len(last),
        last=", ".join(f"{name} {mean:.5f}" for name, mean in means.items() if mean is not None) or "none",
        skipped=f"{num_skipped} steps were skipped: no finite loss, or one far above all before.\n"
        if num_skipped
        else "",
        config=json.dumps(asdict(config), indent=1),
        facts="\n".join(f"- {name}: {value}" for name, value in facts.items() if name not in ("title", "dataset"))
        or "Not recorded.",
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
