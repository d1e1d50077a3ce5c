"""The commands about scores: make all tables again from one Parquet, add other systems' pictures, compare two runs."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from flows.commands.screen import console
from flows.commands.terminal import ITEMS_FAILED
from flows.wiring.settings import parse_places

WORSE = 3
"""Exit status of `compare` when the second is shown to be worse."""
Rows = Sequence[Sequence[str]]


@click.command()
@click.option("--workspace", default="workspace", show_default=True, help="Workspace with the newest scores.")
@click.option("--from", "source", help="A scores.parquet, instead of the workspace's newest.")
@click.option(
    "--edits",
    multiple=True,
    metavar="NAME=PLACE",
    help="Pictures made elsewhere, as another row: a folder of SEED/SEGMENT_ID.png, or a CSV segment_id,seed,picture.",
)
@click.option("--survey", help="Folder that `survey --import` wrote: its Table 2 comes into the same set.")
@click.option("--paper", type=click.Choice(["lc", "hc"]), help="Show the paper's values of this data set beside ours.")
@click.option(
    "--out", required=True, help="Folder for scores.parquet, scores.json and the tables; it must not exist yet."
)
def scores(
    workspace: str, source: str | None, edits: tuple[str, ...], survey: str | None, paper: str | None, out: str
) -> None:
    """Make every table again as HTML, CSV, Markdown and LaTeX from the pair scores; no network is run.

    With --edits the pictures of another system are scored on the same pairs first, by the workspace's classifier and
    feature networks.
    """
    from evaluation.pages.paper_tables import paper_tables
    from evaluation.pages.scores_page import render_scores
    from evaluation.pages.table_files import write_tables
    from evaluation.scoring.pair_table import FILE, read_pair_table, scores_content, told_as_damage, write_pair_table
    from modeling.atomic import atomic_folder, write_bytes, write_json
    from tasks.artifacts.artifact import newest_artifact

    folder = Path(out)
    if folder.exists():
        raise ValueError(f"{folder} is there already; name a folder that is not.")
    if survey is not None and not (Path(survey) / "table2.csv").is_file():
        raise ValueError(f"--survey {survey}: there is no table2.csv; name the folder that `survey --import` wrote.")
    made = [(name, Path(place)) for name, place in parse_places(edits, "--edits").items()]
    if made and source is not None:
        raise ValueError("--edits needs the networks of a workspace; leave --from out.")
    path = Path(source) if source is not None else newest_artifact(Path(workspace), "scores").path / FILE
    splits, header = read_pair_table(path)
    if made:
        from flows.wiring.made_elsewhere import with_pictures

        splits, left_out = with_pictures(Path(workspace), splits, made)
        for name, split, counts in left_out:
            told = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))
            console.print(f"{name} on {split}: left out {told}")
    with told_as_damage(path):
        content = scores_content(splits, header)
    with atomic_folder(folder) as temporary:
        write_pair_table(temporary / FILE, splits, header)
        write_json(temporary / "scores.json", content)
        tables = paper_tables(content, paper)  # type: ignore[arg-type]
        write_tables(temporary, tables)
        (temporary / "index.html").write_text(render_scores(content, tables), encoding="utf-8")
        for suffix in (".csv", ".md", ".tex", ".html") if survey is not None else ():
            write_bytes(temporary / f"table2{suffix}", (Path(survey or "") / f"table2{suffix}").read_bytes())
    console.print(f"{folder}: scores of {len(content['splits'])} splits in HTML, CSV, Markdown and LaTeX")


@click.command()
@click.argument("runs", nargs=-1, metavar="[OLD NEW]")
@click.option("--json", "as_json", is_flag=True, help="Two runs: as JSON.")
@click.option("--editor", "editors", multiple=True, help="An editor, as in `edit`; give two or more.")
@click.option("--image", help="Pictures for the editors: a picture, a folder, a CSV or shards.")
@click.option("--instruction", help="What the editors do. Instructions in a CSV have priority; shards have their own.")
@click.option("--out", help="Folder for the editors' page index.html and their pictures.")
@click.option(
    "--seed", "seeds", multiple=True, type=int, help="Seed of the edits, by default 0; can be given several times."
)
def compare(
    runs: tuple[str, ...],
    as_json: bool,
    editors: tuple[str, ...],
    image: str | None,
    instruction: str | None,
    out: str | None,
    seeds: tuple[int, ...],
) -> None:
    """Compare two runs, OLD and NEW, or several editors on the same pictures.

    Runs: each a workspace or a scores.parquet. Prints what changed, by how much, and whether n could show it. Exit
    status 3: something is shown to be worse.

    Editors: --editor A --editor B --image DIR --instruction TEXT --out DIR. Writes one page with the editors' edits
    side by side. Exit status 3: an edit failed.
    """
    if not editors:
        if image or instruction or out or seeds:
            raise click.UsageError("--image, --instruction, --out and --seed go with --editor A --editor B.")
        if len(runs) != 2:
            raise click.UsageError("Name two runs, OLD NEW, or two editors, --editor A --editor B.")
        return _compare_runs(*runs, as_json)
    if runs or as_json:
        raise click.UsageError("Two runs and --json do not go with --editor; leave one of them out.")
    if image is None or out is None:
        raise click.UsageError("--editor goes with --image (what they edit) and --out (a folder for the page).")
    from flows.commands.side_by_side import compare_editors

    if compare_editors(editors, image, instruction, out, seeds or (0,)):
        sys.exit(ITEMS_FAILED)


def _compare_runs(first: str, second: str, as_json: bool) -> None:
    from evaluation.pages.compare import change_rows, not_compared, unmatched
    from evaluation.pages.compare import compare as compared
    from evaluation.scoring.pair_table import read_pair_table

    old, new = (read_pair_table(_scores_file(Path(place))) for place in (first, second))
    changes = compared(old, new)
    for what in [*unmatched(old[0], new[0]), *not_compared(old[1], new[1])]:
        click.echo(f"not compared: {what}", err=True)
    rows = change_rows(changes)
    if as_json:
        click.echo(json.dumps([dict(zip(rows[0], row, strict=True)) for row in rows[1:]], indent=1))
    else:
        _print_rows(rows)
    if any(change.is_worse for change in changes):
        sys.exit(WORSE)


def _scores_file(place: Path) -> Path:
    from evaluation.scoring.pair_table import FILE
    from tasks.artifacts.artifact import newest_artifact

    if place.is_file():
        return place
    if (place / FILE).is_file():
        return place / FILE
    if place.is_dir():
        return newest_artifact(place, "scores").path / FILE
    raise ValueError(f"There is no workspace, folder or file {place} with scores.")


def _print_rows(rows: Rows) -> None:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in rows[0]:
        table.add_column(heading)
    for row in rows[1:]:
        table.add_row(*row)
    console.print(table)
