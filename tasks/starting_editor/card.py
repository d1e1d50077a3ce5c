"""Figures of a starting editor -> its README.md (model card) and card.json, beside the weights."""

import hashlib
import json
from pathlib import Path
from typing import Any

from modeling.atomic import write_bytes, write_json

CARD = """---
license: apache-2.0
library_name: diffusers
pipeline_tag: image-to-image
tags: [instruct-pix2pix, editaction, drawn-kitchen]
---

# The drawn kitchen's starting editor

A small `StableDiffusionInstructPix2PixPipeline` that plays, in EditAction's drawn kitchen, the part that
InstructPix2Pix plays for real videos: it edits a picture by a sentence, knows things, colours, places and words, and
knows **no action**. Fine-tuning it on action videos is what EditAction's demo does.

```python
import modeling.autoencoder  # the class of its autoencoder; diffusers does not import modules by itself
import torch
from diffusers import StableDiffusionInstructPix2PixPipeline

pipeline = StableDiffusionInstructPix2PixPipeline.from_pretrained("{folder}", torch_dtype=torch.float32)
edited = pipeline("make the red apple green", image=picture, num_inference_steps=10, guidance_scale=1.5,
                  image_guidance_scale=1.0).images[0]
```

## What it can and cannot do

Read by the kitchen's oracle on {num_judged} held-out scenes, pictures of {picture_px} x {picture_px}, {sampling_steps}
DDIM steps, text scale {text_scale:g}, image scale 1. Carried out: all that the sentence asks for is there; kept:
nothing else changed.

| | carried out | kept |
|---|---|---|
| static edits (recolour, add, remove, replace) | {static_carried} % | {static_kept} % |
| actions (take out, put in, move, open, close, switch on, switch off) | {action_carried} % | {action_kept} % |

It can recolour, add, remove and replace one thing at a time, in scenes of one to five things, seen by the fixed camera.
It cannot move a thing, open or close a door, or switch anything; it is no use on photographs; a word outside its list
({num_words} words) is read as pieces that mean nothing to it.

## Data

{num_pairs} static pairs drawn from seed {seed} (`evaluation/kitchen/static_edits.py`): no video, no person, no web
data. The sentences use verbs of actions in static roles ("put a red apple on the table" adds one that was nowhere
before). The autoencoder keeps {latent_channels} principal components of {patch_px} x {patch_px} patches and leaves out
{left_out_percent} % of their variance.

## Training

{num_steps} steps of {batch_size} pairs in {num_cycles} cycles, each from the averaged weights of the one before;
U-Net and text model together, from scratch, L_static alone: v-prediction with zero terminal signal-to-noise ratio,
AdamW, cosine, EMA, 5/5/5 % conditioning dropout. {seconds} s on one CPU thread.{note} The cycles:

```json
{cycles}
```

Chosen by the oracle among these checkpoints of the last cycle (percent carried out + percent kept):

```json
{candidates}
```

Build it again: `editaction starting-editor --seed {seed} --steps {num_steps} --out DIR`.

## Weights

float16 safetensors, {megabytes:.1f} MB in all. SHA-256:

```json
{hashes}
```
"""


def weight_hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each weights file by its name in the folder."""
    files = sorted(folder.rglob("*.safetensors"))
    return {file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def write_card(folder: Path, facts: dict[str, Any]) -> None:
    """Write README.md for people and card.json with the same figures for programs."""
    sizes = facts["sizes"]
    hashes = weight_hashes(folder)
    text = CARD.format(
        folder="modeling/starting_editor",
        num_judged=facts["num_judged"],
        picture_px=sizes["picture_px"],
        sampling_steps=facts["sampling"]["num_steps"],
        text_scale=facts["sampling"]["text_scale"],
        static_carried=facts["static_edits"]["carried_out_percent"],
        static_kept=facts["static_edits"]["kept_percent"],
        action_carried=facts["actions"]["carried_out_percent"],
        action_kept=facts["actions"]["kept_percent"],
        num_words=facts["num_words"],
        num_pairs=facts["num_pairs"],
        seed=facts["seed"],
        latent_channels=sizes["latent_channels"],
        patch_px=sizes["patch_px"],
        left_out_percent=facts["left_out_percent"],
        num_steps=facts["num_steps"],
        batch_size=facts["cycles"][0]["training"]["batch_size"],
        num_cycles=len(facts["cycles"]),
        cycles=json.dumps(facts["cycles"], indent=1),
        note=facts.get("note", ""),
        seconds=facts["seconds"],
        candidates=json.dumps(facts["candidates"], indent=1),
        megabytes=sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6,
        hashes=json.dumps(hashes, indent=1),
    )
    write_bytes(folder / "README.md", text.encode())
    write_json(folder / "card.json", facts | {"weights_sha256": hashes})


TEXT_TO_IMAGE_CARD = """---
license: apache-2.0
library_name: diffusers
pipeline_tag: text-to-image
tags: [stable-diffusion, editaction, drawn-kitchen]
---

# The drawn kitchen's text-to-image model

A small `StableDiffusionPipeline` that draws scenes of EditAction's drawn kitchen from captions ("a red apple on the
table with blue cup in drawer"). It plays the part that Stable Diffusion v1.5 plays for Imagic, Plug-and-Play, DDPM
Noise Space, MasaCtrl and Prox-MasaCtrl. It has seen no action and no edit; it is no use for photographs.

Of {num_judged} held-out captions {shown_percent} % were drawn so that the kitchen's oracle finds all that the caption
says ({sampling_steps} DDIM steps, text scale {text_scale:g}, pictures of {picture_px} x {picture_px}).

Autoencoder, tokenizer, and the first weights of U-Net and text model are the starting editor's, the channels of the
picture left out; trained on {num_scenes} drawn scenes with captions, {num_steps} steps of {batch_size}, v-prediction
with zero terminal signal-to-noise ratio, {seconds} s on one CPU thread. Chosen among these checkpoints by the oracle
(step: percent): {candidates}

Build it again: `editaction text-to-image --seed {seed} --steps {num_steps} --out DIR`.

float16 safetensors, {megabytes:.1f} MB in all. SHA-256:

```json
{hashes}
```
"""


def write_text_to_image_card(folder: Path, facts: dict[str, Any]) -> None:
    """Write README.md and card.json of a text-to-image model."""
    hashes = weight_hashes(folder)
    text = TEXT_TO_IMAGE_CARD.format(
        **{
            name: facts[name] for name in ("num_judged", "shown_percent", "picture_px", "num_scenes", "seconds", "seed")
        },
        sampling_steps=facts["sampling"]["num_steps"],
        text_scale=facts["sampling"]["text_scale"],
        num_steps=facts["training"]["num_steps"],
        batch_size=facts["training"]["batch_size"],
        candidates=json.dumps(facts["candidates"]),
        megabytes=sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6,
        hashes=json.dumps(hashes, indent=1),
    )
    write_bytes(folder / "README.md", text.encode())
    write_json(folder / "card.json", facts | {"weights_sha256": hashes})
