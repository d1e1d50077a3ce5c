"""Run a request's stages inside a Prefect flow: what every flow's body calls."""

from dataclasses import replace

from flows.wiring.job import MEASURED_AFTER, STAGE_ORDER, make_job
from flows.wiring.making import as_tasks, plan, run_job
from flows.wiring.request import Request
from tasks.artifacts.building import running_options
from tasks.fetching.annotations import fetch_annotations


class ItemsFailed(Exception):
    """Everything that could be done is done, but some rows failed; a retry of the run does those and nothing else."""


def run_stages(request: Request, *, last: str, allow_failed: bool) -> str:
    """Run every stage up to `last` or the request's earlier `until`; return the last one's folder.

    Stages that are done answer "Cached" at once. ItemsFailed at the end, unless allowed, when rows failed on the way.
    """
    until = min(request.until, last, key=STAGE_ORDER.index)
    made = STAGE_ORDER[: STAGE_ORDER.index(until) + 1]
    measure = tuple(name for name in request.measure if MEASURED_AFTER[name] in made)
    request = replace(request, until=until, measure=measure)
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
    failed = [f"{step.stage}: {step.num_failed} failed rows" for step in plan(make_job(request)) if step.num_failed]
    if failed:
        raise ItemsFailed("; ".join(failed))


def goes_beyond(request: Request, stage: str) -> bool:
    """Tell whether the request asks for more than `stage`."""
    return STAGE_ORDER.index(request.until) > STAGE_ORDER.index(stage)
