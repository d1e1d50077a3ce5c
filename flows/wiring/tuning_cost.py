"""A job + its plan -> the cost of the text-to-image methods, before any work; Imagic tunes its model as well."""

from collections.abc import Collection

from flows.wiring.job import Job
from flows.wiring.making import Step
from modeling.editors.settings import METHOD_CONFIGS
from modeling.editors.unet_rows import unet_rows


def to_edit(job: Job, steps: Collection[Step]) -> list[str]:
    """Return the text-to-image methods that still have pictures to edit."""
    waiting = {step.label for step in steps if step.stage == "edits" and not step.is_cached}
    return [name for name in job.editors if name in METHOD_CONFIGS and f"{job.config.preset}-{name}" in waiting]


def rows_cost(job: Job, steps: Collection[Step]) -> list[str]:
    """Return one line with the U-Net rows that each method still to edit needs for a test picture, else nothing."""
    counts = []
    for name in to_edit(job, steps):
        settings = getattr(job.config.text_editors, name)
        plain, tuned = unet_rows(settings, has_source=settings.prompt_policy == "caption_plus")
        counts.append(f"{name} {plain:,}" + (f" and {tuned:,} of training" if tuned else ""))
    return [f"U-Net rows for one test picture and seed: {', '.join(counts)}"] if counts else []


def tuning_cost(job: Job, steps: Collection[Step]) -> list[str]:
    """Return one sentence when Imagic has pictures to edit, else nothing."""
    if "imagic" not in to_edit(job, steps):
        return []
    texts = job.config.text_editors
    num_steps = texts.imagic.embedding_steps + texts.imagic.unet_steps
    if texts.limit is None:
        return [f"imagic tunes the model for {num_steps:,} steps for every test picture; --limit N edits N of them."]
    return [f"imagic tunes the model for {num_steps:,} steps for each of {texts.limit:,} test pictures at most."]
