"""Run the stages of a request inside a Prefect flow; every flow calls this."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from prefect.runtime import flow_run

from flows.wiring.checks import refuse
from flows.wiring.failed_share import stopping_before_training
from flows.wiring.form import Until
from flows.wiring.items_on import PROCESSES, items_on
from flows.wiring.job import MEASURED_AFTER, STAGE_ORDER, make_job
from flows.wiring.making import as_tasks, plan, run_job
from flows.wiring.request import Request
from flows.wiring.shown import RunPage, add_tags
from tasks.artifacts.building import running_options, watching
from tasks.artifacts.locks import at_work, running_as
from tasks.config import RunOptions
from tasks.fetching.annotations import fetch_annotations


class ItemsFailed(Exception):
    """Some rows failed, all others are done. A retry of the run tries only the failed ones."""


class PagesLost(ItemsFailed):
    """Everything is done except pages, such as the dataset's; a retry of the run makes these."""


def run_stages(request: Request, *, last: Until, allow_failed: bool) -> str:
    """Run every stage up to `last` or the request's earlier `until`; return the last stage's folder.

    Finished stages are "Cached" at once. At the end ItemsFailed is raised when rows failed, unless allowed, and
    PagesLost when a page could not be made.
    """
    until = min(request.until, last, key=STAGE_ORDER.index)
    made = STAGE_ORDER[: STAGE_ORDER.index(until) + 1]
    measure = tuple(name for name in request.measure if MEASURED_AFTER[name] in made)
    request = replace(request, until=until, measure=measure)
    if flow_run.get_run_count() > 1:  # a retry of the flow run tries the failed items, and repeats nothing else
        request = replace(request, retry_failed=True, refresh=())
    if request.items_on != PROCESSES:  # other machines work in other folders
        request = replace(request, workspace=str(Path(request.workspace).absolute()))
    job = make_job(request)
    if job.annotations is not None and not job.annotations.is_file():
        reader, options = job.config.segments.reader, request.options
        fetch_annotations(job.annotations, reader, mirror=options.mirror, patience=options.patience)
    refuse(job, plan(job, options=request.options))
    with run_in(job.workspace, request.options):
        lost: list[str] = []
        make = stopping_before_training(as_tasks(job.workspace), job.workspace, request.max_failed_share)
        path = run_job(job, make, on_lost_page=lost.append)
    if lost:
        raise PagesLost("; ".join(lost))
    if not allow_failed:
        raise_for_failed_items(request)
    return str(path)


@contextmanager
def run_in(workspace: Path, options: RunOptions) -> Iterator[None]:
    """Run stages with these options inside the `with` block, as one run for others who share the workspace."""
    add_tags()
    watching_token = watching.set(RunPage(watching.get()))
    name_token = running_as.set(f"run {flow_run.get_name()}" if flow_run.get_name() else "a run")
    options_token = running_options.set(options)
    try:
        with at_work(workspace), items_on(options):
            yield
    finally:
        running_options.reset(options_token)
        running_as.reset(name_token)
        watching.reset(watching_token)


def raise_for_failed_items(request: Request) -> None:
    """Raise ItemsFailed when rows of the request's artifacts failed."""
    failed = [f"{step.stage}: {step.num_failed} failed rows" for step in plan(make_job(request)) if step.num_failed]
    if failed:
        raise ItemsFailed("; ".join(failed))
