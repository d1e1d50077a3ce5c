"""A job + its plan -> the cost of Imagic, before any work: it tunes the whole model for every picture."""

from collections.abc import Collection

from flows.wiring.job import Job
from flows.wiring.making import Step


def tuning_cost(job: Job, steps: Collection[Step]) -> list[str]:
    """Return one sentence when Imagic has pictures to edit, else nothing."""
    label = f"{job.config.preset}-imagic"
    if not any(step.stage == "edits" and step.label == label and not step.is_cached for step in steps):
        return []
    texts = job.config.text_editors
    each = texts.imagic.embedding_steps + texts.imagic.unet_steps
    if texts.limit is None:
        return [f"imagic tunes the model for {each:,} steps for every test picture; --limit N edits N of them."]
    return [f"imagic tunes the model for {each:,} steps for each of {texts.limit:,} test pictures at most."]
