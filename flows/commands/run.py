"""The commands that run the main job: `demo` on the drawn kitchen, `run` on anything."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from flows.commands.ending import print_answer, print_stages
from flows.commands.help_pages import CommandInSections
from flows.commands.job_options import data_options, job_options
from flows.commands.planned import earlier_seconds, print_plan, tell_problems
from flows.commands.terminal import ITEMS_FAILED, console
from flows.commands.watched import watched
from flows.wiring.form import PresetName
from flows.wiring.job import make_job
from flows.wiring.request import Request
from flows.wiring.settings import parse_places, parse_seeds, parse_settings, read_settings
from modeling.presets import method_names
from tasks.artifacts.addresses import shown_address
from tasks.artifacts.storage import STORE_VARIABLE
from tasks.fetching.sites import MIRROR_VARIABLE, check_mirror


@click.command(cls=CommandInSections)
@job_options
def demo(**options: Any) -> None:
    """Run the main job on the drawn kitchen: videos, pairs, training, edits, scores, report."""
    plan_only = options.pop("plan_only")
    carry_out(request_of("demo", None, None, **options), plan_only)


@click.command(cls=CommandInSections)
@data_options
@job_options
def run(preset: PresetName, annotations: str | None, videos: str | None, **options: Any) -> None:
    """Run the main job, or its stages up to --until; finished stages are not run again."""
    plan_only = options.pop("plan_only")
    carry_out(request_of(preset, annotations, videos, **options), plan_only)


def request_of(
    preset: PresetName,
    annotations: str | None,
    videos: str | None,
    *,
    settings: tuple[str, ...],
    settings_file: str | None,
    methods: str,
    training_seeds: str,
    adam_bits: str | None,
    editors: str,
    edits: tuple[str, ...],
    limit: int | None,
    more_annotations: tuple[str, ...] = (),
    **options: Any,
) -> Request:
    """Return the request of a command line."""
    if limit is not None and not editors:
        raise click.UsageError("--limit belongs to the text-to-image methods: name some with --editors.")
    given: dict[str, Any] = read_settings(Path(settings_file)) if settings_file else {}
    given |= parse_settings(list(settings))
    given |= {"editor.adam_bits": int(adam_bits)} if adam_bits else {}
    given |= {"text_editors.limit": limit} if limit is not None else {}
    return Request(
        preset=preset,
        annotations=annotations,
        more_annotations=list(more_annotations),
        videos=videos,
        settings=given,
        methods=method_names(methods),
        training_seeds=parse_seeds(training_seeds),
        editors=tuple(part.strip() for part in editors.split(",") if part.strip()),
        edits=parse_places(edits, "--edits"),
        **options,
    )


def carry_out(request: Request, plan_only: bool) -> None:
    """Run a request, or say what it would run; ends with the status that fits."""
    from flows.wiring.checks import problems_of
    from flows.wiring.making import plan
    from flows.wiring.training_plan import training_plan
    from flows.wiring.tuning_cost import rows_cost, tuning_cost

    job = make_job(request)
    steps = plan(job, options=request.options, before=earlier_seconds(job.workspace))
    problems = problems_of(job, steps)
    if plan_only:
        print_plan(steps)
        for line in [*training_plan(job), *rows_cost(job, steps), *tuning_cost(job, steps)]:
            console.print(line, soft_wrap=True, markup=False)
        return tell_problems(problems)
    if problems:
        raise ValueError("\n".join(problem.message for problem in problems))
    for line in tuning_cost(job, steps):
        console.print(line, soft_wrap=True, markup=False)
    lost = ""
    if not all(step.is_cached for step in steps) or "PREFECT_API_URL" in os.environ:
        lost = _run_flow(request)
    found_before = {step.path for step in steps if step.is_cached}
    _finish(plan(job), job.workspace, found_before, lost)


def _run_flow(request: Request) -> str:
    """Run the reproduce flow on a Prefect server, with progress on the terminal; return which pages failed, and why."""
    if request.mirror is not None:
        # Prefect's database keeps the parameters of flows: the address goes there without its secrets.
        check_mirror(request.mirror)
        os.environ[MIRROR_VARIABLE] = request.mirror
        request = replace(request, mirror=shown_address(request.mirror))
    if request.store is not None:
        os.environ[STORE_VARIABLE] = request.store
        request = replace(request, store=shown_address(request.store))
    with watched(Path(request.workspace)):
        from flows.reproduce import reproduce
        from flows.wiring.running import ItemsFailed, PagesLost

        try:
            reproduce(request)
        except PagesLost as error:
            return str(error)
        except ItemsFailed:  # _finish reports it from the manifests
            pass
    return ""


def _finish(steps: list[Any], workspace: Path, found_before: set[str | None], lost: str = "") -> None:
    """Print the result, and end with the right exit status. `lost`: pages that could not be made, and why."""
    print_stages(steps, found_before)
    print_answer(steps, workspace)
    failed = [step for step in steps if step.num_failed]
    if failed:
        listed = "; ".join(f"{step.stage}: {step.num_failed} failed rows" for step in failed)
        console.print(f"\n{listed}. `editaction records STAGE --rejected` lists them; --retry-failed tries them again.")
    if lost:
        console.print(f"\nA page could not be made, all else is there: {lost}. The same command tries it again.")
    if failed or lost:
        sys.exit(ITEMS_FAILED)
    if not all(step.is_cached for step in steps):
        raise click.ClickException("not everything asked for is there; `editaction status` shows what is.")
