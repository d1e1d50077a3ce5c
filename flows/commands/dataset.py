"""The commands about the data: its page, candidates for the long-distance set, list of pairs, exports."""

import json
from pathlib import Path
from typing import Any

import click

from flows.commands.screen import say, tell
from flows.commands.terminal import console, counting
from tasks.artifacts.artifact import artifacts_of, made_from, newest_artifact


@click.command()
@click.option("--workspace", default="workspace", show_default=True)
@click.option("--out", required=True, help="File to write: .html is a page to tick candidates, .csv a table of all.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=400, show_default=True, help="Number of pairs on the page."
)
def candidates(workspace: str, out: str, limit: int) -> None:
    """List candidates for the long-distance test set; give your choice to `run --long-distance`."""
    from tasks.splitting.candidates import write_candidates

    number = write_candidates(Path(workspace), Path(out), limit)
    tell(f"{out}: {number} candidates")


@click.command("dataset")
@click.option("--workspace", default="workspace", show_default=True)
def dataset_page(workspace: str) -> None:
    """Write a page about the newest segments, with pairs and splits where they exist; print its path."""
    from flows.commands.prefect_apart import import_prefect
    from flows.wiring.making import stage_task
    from flows.wiring.presets import PRESETS
    from tasks.config import DatasetConfig

    root = Path(workspace)
    segments = artifacts_of(root, "segments")[-1:]
    if not segments:
        raise ValueError(f"{workspace} has no segments yet; `editaction run ... --until segments` makes them.")
    made = {"segments": segments[0]}
    for name, source in (("videos", "segments"), ("frames", "segments"), ("splits", "frames")):
        of_stage = made_from(artifacts_of(root, name), source, made[source]) if source in made else []
        made |= {name: of_stage[-1]} if of_stage else {}
    label = segments[0].manifest["label"]
    config = PRESETS[label]().dataset if label in PRESETS else DatasetConfig()
    inputs: dict[str, Any] = {name: artifact.path for name, artifact in made.items()}
    import_prefect()
    page = stage_task("dataset").run(root, label, config, **inputs).path / "dataset.html"
    tell(page.resolve())


@click.command()
@click.option("--workspace", default="workspace", show_default=True)
@click.option("--out", required=True, help="Parquet file to write.")
def manifest(workspace: str, out: str) -> None:
    """Write the newest shards as a list of ids, times and hashes without pixels. The same pairs can be cut from it
    again.
    """
    from tasks.annotations.pair_list import write_pair_list

    num_pairs = write_pair_list(Path(out), newest_artifact(Path(workspace), "shards"))
    console.print(f"{out}: {num_pairs} pairs, {Path(out).stat().st_size} bytes", soft_wrap=True)


@click.command()
@click.option(
    "--to", "target", type=click.Choice(["hf-parquet", "control-folders"]), required=True, help="Which format."
)
@click.option("--workspace", default="workspace", show_default=True)
@click.option("--shards", help="A folder of tars, instead of the workspace's newest.")
@click.option("--split", default="train", show_default=True, help="With control-folders: the split to write.")
@click.option("--out", required=True, help="Folder to write; it must not exist yet.")
def export(target: str, workspace: str, shards: str | None, split: str, out: str) -> None:
    """Write shards in the formats of other tools.

    hf-parquet: Parquet with image columns and a card, for Hugging Face `datasets`. control-folders: target/ and
    control/ with equal names and .txt, for ai-toolkit, musubi-tuner, SimpleTuner and DiffSynth.
    """
    from tasks.exports.control_folders import export_control_folders, formulas_in
    from tasks.exports.hugging_face import export_hf_parquet

    folder = Path(shards) if shards else newest_artifact(Path(workspace), "shards").path
    with counting(console, "examples") as tell:
        if target == "control-folders":
            sizes = export_control_folders(folder, Path(out), split, on_progress=tell)
        else:
            sizes = export_hf_parquet(folder, Path(out), on_progress=tell)
    console.print(f"{out}: {json.dumps(sizes)}", soft_wrap=True)
    if target == "control-folders" and (num_formulas := formulas_in(Path(out))):
        say(
            f"warning: {num_formulas} cells of {out}/metadata.csv are formulas to a spreadsheet. They stay as they "
            "are, as trainers read them to the letter; look at pairs.jsonl instead."
        )
