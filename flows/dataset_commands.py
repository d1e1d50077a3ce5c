"""The commands of `editaction` about the data itself: candidates for the long-distance set, and the dataset's page."""

from pathlib import Path

import click


@click.command()
@click.option("--workspace", default="workspace", show_default=True)
@click.option("--out", required=True, help="File to write: .html is a page to tick them in, .csv a table of all.")
@click.option("--limit", type=click.IntRange(min=1), default=400, show_default=True, help="Pairs on the page.")
def candidates(workspace: str, out: str, limit: int) -> None:
    """List pairs of which you can choose the long-distance test set; give your choice to `run --long-distance`."""
    from tasks.candidates import write_candidates

    number = write_candidates(Path(workspace), Path(out), limit)
    click.echo(f"{out}: {number} candidates")


@click.command()
@click.option("--workspace", default="workspace", show_default=True)
def dataset(workspace: str) -> None:
    """Write a page about the newest segments, with their pairs and splits where there are any; print where it lies."""
    from flows.making import stage_task
    from flows.presets import PRESETS
    from tasks.artifacts import artifacts_of, made_from
    from tasks.config import DatasetConfig, RunOptions

    root = Path(workspace)
    segments = artifacts_of(root, "segments")[-1:]
    if not segments:
        raise ValueError(f"{workspace} has no segments yet; `editaction run ... --until segments` makes them.")
    made = {"segments": segments[0]}
    for name, source in (("videos", "segments"), ("frames", "segments"), ("splits", "frames")):
        found = made_from(artifacts_of(root, name), source, made[source]) if source in made else []
        made |= {name: found[-1]} if found else {}
    label = segments[0].manifest["label"]
    config = PRESETS[label]().dataset if label in PRESETS else DatasetConfig()
    inputs = {name: each.path for name, each in made.items()}
    page = stage_task("dataset").run(root, label, config, options=RunOptions(), **inputs).path / "dataset.html"
    click.echo(str(page.resolve()))
