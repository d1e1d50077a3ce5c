"""The commands of the drawn kitchen: its videos, and the starting editor that knows it."""

import json
from pathlib import Path
from typing import Literal, cast

import click

from flows.commands.terminal import console, counting


@click.command()
@click.option("--out", required=True, help="Folder to write to.")
@click.option("--style", type=click.Choice(["epic", "mpii"]), default="mpii", show_default=True)
@click.option("--videos", "num_videos", type=click.IntRange(min=1), default=8, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--workers", default=0, help="Processes; 0: one per core.")
def kitchen(out: str, style: str, num_videos: int, seed: int, workers: int) -> None:
    """Draw a kitchen and act in it: real video files with annotations in the real datasets' formats."""
    from tasks.kitchen import write_kitchen

    chosen = cast(Literal["epic", "mpii"], style)
    with counting(console, "videos") as tell:
        made = write_kitchen(
            Path(out), style=chosen, num_videos=num_videos, seed=seed, workers=workers, on_progress=tell
        )
    console.print(f"{out}: {json.dumps(made)}", soft_wrap=True)


@click.command(name="starting-editor")
@click.option("--out", required=True, help="Folder to write to; a build that was cut off goes on there.")
@click.option("--seed", default=0, show_default=True)
@click.option(
    "--steps", type=click.IntRange(min=1), help="Training steps; by default those of the one that is shipped."
)
@click.option("--threads", default=0, help="CPU threads; 0: all.")
def starting_editor(out: str, seed: int, steps: int | None, threads: int) -> None:
    """Train the kitchen's starting editor: it knows things and static edits, but no action."""
    from tasks.starting_editor.build import build_starting_editor

    with counting(console, "steps") as tell:
        made = build_starting_editor(Path(out), seed=seed, steps=steps, threads=threads, on_progress=tell)
    console.print(f"{out}: {json.dumps(made)}", soft_wrap=True)


@click.command(name="text-to-image")
@click.option("--out", required=True, help="Folder to write to; a build that was cut off goes on there.")
@click.option("--start", default="modeling/starting_editor", show_default=True, help="The starting editor.")
@click.option("--seed", default=0, show_default=True)
@click.option("--steps", type=click.IntRange(min=1), help="Training steps; by default those of the shipped one.")
@click.option("--threads", default=1, show_default=True, help="CPU threads; 0: all.")
def text_to_image(out: str, start: str, seed: int, steps: int | None, threads: int) -> None:
    """Train the kitchen's text-to-image model, with which Imagic, MasaCtrl and their like edit."""
    from tasks.starting_editor.text_to_image import build_text_to_image

    with counting(console, "steps") as tell:
        made = build_text_to_image(Path(out), Path(start), seed=seed, steps=steps, threads=threads, on_progress=tell)
    console.print(f"{out}: {json.dumps(made)}", soft_wrap=True)
