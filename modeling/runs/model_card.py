"""Facts about a finished run -> README.md, the model card that lies beside the weights."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from modeling.config import TrainConfig

CARD = """---
pipeline_tag: image-to-image
library_name: diffusers
tags: [instruct-pix2pix, editaction]
---

# {title}

Edits a picture by an instruction. Fine-tuned with EditAction from the first and last frames of labelled actions.

```python
{load}
edited = pipeline("take the cup out of the cupboard", image=picture).images[0]
```

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
LOAD = """from diffusers import StableDiffusionInstructPix2PixPipeline{extra_import}

pipeline = StableDiffusionInstructPix2PixPipeline.from_pretrained("pipeline", safety_checker=None)"""


def model_card(
    config: TrainConfig,
    *,
    num_examples: int,
    metrics: Sequence[Mapping[str, Any]],
    facts: Mapping[str, Any],
    own_autoencoder: bool,
) -> str:
    """Return the card. metrics: the entries of metrics.jsonl; facts: what the caller knows (data keys, commit)."""
    objective = config.objective
    num_done = len(metrics)
    last = metrics[-100:]
    means = {name: _mean([entry.get(name) for entry in last]) for name in ("loss", "static", "action", "reg")}
    num_skipped = int(metrics[-1]["skipped"]) if metrics else 0
    extra_import = "\nimport modeling.autoencoder  # the class of its autoencoder" if own_autoencoder else ""
    return CARD.format(
        title=facts.get("title", "EditAction editor"),
        load=LOAD.format(extra_import=extra_import),
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
        facts="\n".join(f"- {name}: {value}" for name, value in facts.items() if name != "title") or "Not recorded.",
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [each for each in values if each is not None]
    return sum(known) / len(known) if known else None
