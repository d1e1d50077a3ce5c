"""The command `choose-lambdas`: a grid of short trainings, ranked by FID_output as in section 7.2 of the paper."""

from pathlib import Path
from typing import Any

import click

from flows.commands.help_pages import CommandInSections
from flows.commands.job_options import data_options, job_options
from flows.commands.run import carry_out, request_of
from flows.commands.terminal import console
from flows.wiring.job import make_job
from modeling.presets import GRIDS, methods_of


@click.command("choose-lambdas", cls=CommandInSections)
@data_options
@click.option(
    "--grid",
    type=click.Choice(list(GRIDS)),
    default="grid",
    show_default=True,
    help="How 10^-4, 30^-4 ... are read: 10e-4, 30e-4 ... or 1.0e-4, 3.0e-4 ...",
)
@click.option("--weights", help="These weights instead of the grid, such as 0.001,0.03,0.5.")
@click.option("--steps", type=click.IntRange(min=1), default=1000, show_default=True, help="Training steps of each.")
@click.option("--split", help="Test set that decides; without it the first.")
@job_options
def choose_lambdas(
    preset: Any,
    annotations: str | None,
    videos: str | None,
    grid: str,
    weights: str | None,
    steps: int,
    split: str | None,
    **options: Any,
) -> None:
    """Choose λ1 and λ2: train each weight of the grid for a while, rank by FID_output, write the choice as JSON.

    `run --settings FILE` takes it. --methods and --until are given by the command itself.
    """
    from flows.wiring.making import plan

    options |= {"methods": ",".join(methods_of(_weights(weights))) if weights else grid, "until": "scores"}
    options["settings"] = (*options["settings"], f"editor.num_steps={steps}")
    plan_only = options.pop("plan_only")
    request = request_of(preset, annotations, videos, **options)
    try:
        carry_out(request, plan_only)
    finally:  # items that failed end the command with a status of its own; the others are ranked
        scores_paths = [step.path for step in plan(make_job(request)) if step.stage == "scores" and step.is_cached]
        if scores_paths and scores_paths[0] and not plan_only:
            _tell_choice(Path(request.workspace), Path(scores_paths[0]), split)


def _weights(text: str) -> list[float]:
    """Return the weights in a text; ValueError for what is none. Whether one fits is checked with its method."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise ValueError(f"--weights {text!r:.80}: give numbers divided by commas, such as 0.001,0.03,0.5.") from error


def _tell_choice(workspace: Path, scores: Path, split: str | None) -> None:
    from flows.wiring.lambda_choice import CHOICE, told, write_choice
    from tasks.artifacts.artifact import Artifact

    folder = write_choice(workspace, Artifact.read(scores), split)
    console.print(told(folder), markup=False)
    console.print(
        f"{folder / CHOICE}: take it with `run --settings`; {folder / 'index.html'} shows it.",
        markup=False,
        soft_wrap=True,
    )
