"""`editaction study`: go on with the objective study, or show the tables of what is done so far."""

from pathlib import Path
from typing import Any

import click

from flows.commands.watched import watched


@click.command()
@click.option("--workspace", default="workspace", show_default=True, help="Folder of all artifacts.")
@click.option("--style", type=click.Choice(["lc", "hc"]), default="lc", show_default=True, help="Fixed or head camera.")
@click.option("--start", "starts", multiple=True, metavar="NAME=FOLDER", help="A starting editor; may be repeated.")
@click.option(
    "--arms", default="all", show_default=True, help="Arms or roles: main, ablation, search, sweep, sharp, ..."
)
@click.option("--seeds", type=click.IntRange(min=1), default=5, show_default=True, help="At most so many of an arm.")
@click.option("--steps", type=click.IntRange(min=1), help="Steps of the budget 'steps'; 'compute' follows it.")
@click.option("--side-by-side", type=click.IntRange(min=1), default=1, show_default=True, help="Runs at the same time.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting: splits.num_train=1000.")
@click.option("--table", is_flag=True, help="Run nothing; show what is done so far.")
def study(starts: tuple[str, ...], steps: int | None, settings: tuple[str, ...], table: bool, **options: Any) -> None:
    """Compare objectives in the drawn kitchen: arms x starts x seeds, judged on held-out verb-object combinations."""
    from flows.study import StudyRequest
    from flows.wiring.job import parse_settings

    given = {"starts": starts, "steps": steps} | options
    request = StudyRequest(
        settings=parse_settings(list(settings)), **{name: each for name, each in given.items() if each}
    )
    if not table:
        _run(request)
    page = _tables(request)
    click.echo(page.read_text(encoding="utf-8"))
    click.echo(str(page.resolve()))


def _run(request: Any) -> None:
    with watched(Path(request.workspace)):
        from flows.objective_study import objective_study

        objective_study(request)


def _tables(request: Any) -> Path:
    """Make the tables of the runs that are done; return their page."""
    from flows.study import done_runs, make_tables, study_job, study_runs
    from flows.wiring.making import plainly
    from tasks.config import RunOptions
    from tasks.study import PAGE

    job = study_job(request)
    done = list(done_runs(request, job, study_runs(request)))
    if not done:
        raise ValueError(f"{request.workspace} has no finished run of this study yet; leave --table out to make some.")
    path = make_tables(request, job, done, plainly(job.workspace, RunOptions()))
    assert path is not None
    return path / PAGE
