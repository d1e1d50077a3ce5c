"""Settings of an edit -> the Python in a model card that makes the same edit with diffusers alone; imports no torch."""

import json

from modeling.config import SamplingConfig
from modeling.diffusion.schedulers import SCHEDULERS

LOAD = """import torch
from diffusers import {imported}
{extra_import}from PIL import Image

pipeline = StableDiffusionInstructPix2PixPipeline.from_pretrained(
    "{place}",  # this folder, or the hub id under which it is published
    torch_dtype=torch.{dtype},
    safety_checker=None,
)
{scheduler}picture = Image.open("picture.png").convert("RGB").resize(({size_px}, {size_px}), Image.LANCZOS)
edited = pipeline(
    {instruction},
    image=picture,
    num_inference_steps={num_steps},
    guidance_scale={text_guidance:.7g},{least}
    image_guidance_scale={image_guidance:.7g},
    generator=torch.Generator().manual_seed(0),
).images[0]
edited.save("edited.png")"""
LEAST_GUIDED = 1.000001
"""diffusers guides only where the text's scale is above 1."""


def snippet(
    sampling: SamplingConfig, *, place: str, own_autoencoder: bool, instruction: str, saved_scheduler: str
) -> str:
    """Return the Python that edits `picture.png` with the pipeline at `place`, as it stands in the card.

    saved_scheduler: class of the scheduler that the pipeline was saved with.
    """
    imported, scheduler = ["StableDiffusionInstructPix2PixPipeline"], ""
    class_name, changes = SCHEDULERS.get(sampling.scheduler, (saved_scheduler, {}))
    if class_name != saved_scheduler:
        arguments = "".join(f", {name}={value!r}" for name, value in changes.items())
        scheduler = f"pipeline.scheduler = {class_name}.from_config(pipeline.scheduler.config{arguments})\n"
        imported.insert(0, class_name)
    by_picture_alone = sampling.text_guidance == 1 and sampling.image_guidance > 1
    return LOAD.format(
        imported=", ".join(imported),
        extra_import="import modeling.autoencoder  # the class of its autoencoder\n" if own_autoencoder else "",
        place=place,
        dtype="float32" if sampling.precision == "fp32" else "bfloat16",
        scheduler=scheduler,
        size_px=sampling.size_px,
        instruction=_quoted(instruction),
        num_steps=sampling.num_steps,
        text_guidance=LEAST_GUIDED if by_picture_alone else sampling.text_guidance,
        least="  # 1, but diffusers guides by the picture only above it" if by_picture_alone else "",
        image_guidance=sampling.image_guidance,
    )


def remark(sampling: SamplingConfig) -> str:
    """Return what to say where diffusers cannot make the edit: it does not guide below 1; "" where it can."""
    if min(sampling.text_guidance, sampling.image_guidance) >= 1:
        return ""
    return (
        "diffusers leaves guidance out where a scale is below 1, so this snippet gives other edits than the measured "
        "ones: `editaction edit` makes these."
    )


def _quoted(text: str) -> str:
    """Return a text as a Python literal, without the backticks that would end the card's block of code."""
    return json.dumps(text, ensure_ascii=False).replace("`", "\\u0060")
