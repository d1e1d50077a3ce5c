"""Facts about a finished run -> README.md, the model card that lies beside the weights."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from modeling.config import SamplingConfig, TrainConfig
from modeling.runs.card_snippet import snippet

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

{settings}
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
MADE_FOR = (
    "Steps, scales, size and number type are those that such an editor is made for; others give other, often worse, "
    "edits."
)
"""What training's card says of its snippet; the report's card says that its numbers were measured so."""
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


def model_card(
    config: TrainConfig,
    *,
    num_examples: int,
    metrics: Sequence[Mapping[str, Any]],
    facts: Mapping[str, Any],
    own_autoencoder: bool,
    saved_scheduler: str = "",
    place: str = ".",
) -> str:
    """Return the card. metrics: the entries of metrics.jsonl; facts: what the caller knows (data keys, commit).

    saved_scheduler: class of the pipeline's scheduler; place: where the pipeline lies as seen from the card. facts:
    `dataset` and `start` go into the card's head too.
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
            saved_scheduler=saved_scheduler,
        ),
        settings=MADE_FOR,
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
