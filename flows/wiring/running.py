"""Run a request's stages inside a Prefect flow: what every flow's body calls."""

from dataclasses import replace

from flows.wiring.job import make_job
from flows.wiring.making import as_tasks, plan, run_job
from flows.wiring.request import Request
from tasks.artifacts.building import running_options
from tasks.fetching.annotations import fetch_annotations
from tasks.stages import STAGES

ORDER = list(STAGES)


class ItemsFailed(Exception):
    """Everything that could be done is done, but some rows failed; a retry of the run does those and nothing else."""


def run_stages(request: Request, *, last: str, allow_failed: bool) -> str:
    """Run every stage up to `last` or the request's earlier `until`; return the last one's folder.

    Stages that are done answer "Cached" at once. ItemsFailed at the end, unless allowed, when rows failed on the way.
    """
    request = replace(request, until=min(request.until, last, key=ORDER.index))
    job = make_job(request)
    if job.annotations is not None and not job.annotations.is_file():
        reader, options = job.config.segments.reader, request.options
        fetch_annotations(job.annotations, reader, mirror=options.mirror, patience=options.patience)
    token = running_options.set(request.options)
    try:
        path = run_job(job, as_tasks(job.workspace))
    finally:
        running_options.reset(token)
    if not allow_failed:
        raise_for_failed_items(request)
    return str(path)


def raise_for_failed_items(request: Request) -> None:
    """Raise ItemsFailed when rows of the request's artifacts ended as failed."""
    failed = [f"{step.stage}: {step.reason}" for step in plan(make_job(request)) if step.state == "retry"]
    if failed:
        raise ItemsFailed("; ".join(failed))


def goes_beyond(request: Request, stage: str) -> bool:
    """Tell whether the request asks for more than `stage`."""
    return ORDER.index(request.until) > ORDER.index(stage)
