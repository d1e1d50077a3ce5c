"""The objective study as a Prefect flow: runs side by side, each stage a task, then the tables of all that is done.

A run that was cut off, or failed, is taken up by the next flow run; those that are done answer "Cached".
"""

from typing import Any

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.futures import PrefectFuture, wait
from prefect.task_runners import ThreadPoolTaskRunner

from flows.study import (
    Run,
    StudyRequest,
    done_runs,
    make_run,
    make_tables,
    share_cores,
    study_data,
    study_job,
    study_runs,
)
from flows.wiring.making import as_tasks
from tasks.artifacts.artifact import Artifact
from tasks.artifacts.building import StageFailed, running_options
from tasks.config import RunOptions
from tasks.study import PAGE


@task(task_run_name="run:{run.name}")
def study_run(request: StudyRequest, run: Run) -> None:
    """Make one run's stages."""
    job = study_job(request)
    make = as_tasks(job.workspace)
    make_run(request, job, study_data(job, make), run, make)


@flow(name="study_runs")
def make_runs(request: StudyRequest) -> list[str]:
    """Make the runs side by side; return the names of those that failed."""
    runs = study_runs(request)
    futures: list[PrefectFuture[None]] = [study_run.submit(request, run) for run in runs]
    wait(futures)
    return [run.name for run, future in zip(runs, futures, strict=True) if not future.state.is_completed()]


@flow(name="objective_study")
def objective_study(request: StudyRequest) -> str:
    """Make the runs that are asked for, then the tables; return the tables' folder.

    A run that fails leaves the others alone; StageFailed at the end says which did.
    """
    job = study_job(request)
    share_cores(request.side_by_side)
    token = running_options.set(RunOptions(workers=1, device=request.device))
    try:
        make = as_tasks(job.workspace)
        study_data(job, make)
        runner: Any = ThreadPoolTaskRunner(max_workers=request.side_by_side)
        failed = make_runs.with_options(task_runner=runner)(request)
        path = make_tables(request, job, list(done_runs(request, job, study_runs(request))), make)
    finally:
        running_options.reset(token)
    assert path is not None
    page = (Artifact.read(path).path / PAGE).read_text(encoding="utf-8")
    create_markdown_artifact(markdown=page, key=f"objective-study-{request.style}", description="What the losses do")
    if failed:
        raise StageFailed(f"study: {len(failed)} runs failed, the same command tries them again: {', '.join(failed)}")
    return str(path)
