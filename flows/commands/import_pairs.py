"""The command `import-pairs`: pairs of pictures with instructions, made elsewhere -> shards."""

import json
from pathlib import Path

import click

from flows.commands.terminal import ITEMS_FAILED, console, counting

LAYOUTS = ("parquet", "instruct-pix2pix", "folders", "table")


@click.command("import-pairs")
@click.argument("path")
@click.option("--out", required=True, help="Folder to write; must not be there yet.")
@click.option("--layout", type=click.Choice(LAYOUTS), help="By default recognised from the files.")
@click.option(
    "--size", "size_px", type=click.IntRange(min=8), help="Squash pictures to this side; otherwise they stay unchanged."
)
@click.option(
    "--test", "num_test", type=click.IntRange(min=0), default=0, help="Number of pairs to set aside for testing."
)
def import_pairs(path: str, out: str, layout: str | None, size_px: int | None, num_test: int) -> None:
    """Read pairs (before, after, instruction) from a folder or Parquet files and write them as shards.

    \b
    editaction import-pairs MagicBrush/ --out shards --test 500
    python -m modeling.train --config train.json --shards shards/train --start-from timbrooks/instruct-pix2pix --out run
    """
    from tasks.imports.write import import_pairs as write

    with counting(console, "pairs") as tell:
        counts = write(Path(path), Path(out), layout=layout, size_px=size_px, num_test=num_test, on_progress=tell)
    console.print(f"{out}: {json.dumps(counts)}", soft_wrap=True, markup=False)
    if counts["rejected"]:
        console.print(f"{out}/rejected.jsonl lists what was left out, and why.", soft_wrap=True, markup=False)
        raise SystemExit(ITEMS_FAILED)
