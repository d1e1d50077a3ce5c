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
