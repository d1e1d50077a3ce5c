"""Shards -> `target/` and `control/` with equal names and .txt, as trainers of today's large editors expect pairs.

    target/<id>.png|jpg   the picture after the action     target/<id>.txt   the instruction
    control/<id>.png|jpg  the picture before it, of the same name
    metadata.csv          image, prompt, edit_image: the same pairs for trainers that read a table (DiffSynth)
    pairs.jsonl                all fields of each pair in the shards

ai-toolkit takes target as folder_path and control as control_path, musubi-tuner as image_directory and
control_directory, SimpleTuner as a data set and its conditioning data set. One split per folder: these trainers know no
splits.
"""

import csv
import json
from collections.abc import Callable
from pathlib import Path

from modeling.atomic import atomic_folder
from modeling.data.example import Example, metadata_of, picture_format
from modeling.data.images import decode_image, encode_png
from modeling.data.loader import Examples
from modeling.sheets import safe_cell

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
"""Endings of pictures in such folders."""


def export_control_folders(
    shards: Path, out: Path, split: str, on_progress: Callable[[int, int], None]
) -> dict[str, int]:
    """Write the examples of one split; return split -> examples. Equal shards give equal bytes.

    ValueError when `out` is not empty, there is no such split, or a written file lacks its partner.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} is there already. Name a new folder, or remove it.")
    examples = Examples(shards)
    splits = examples.column("split")
    places = [place for place, split_of_pair in enumerate(splits) if split_of_pair == split]
    if not places:
        there = ", ".join(sorted(set(splits)))
        raise ValueError(f"{shards}: no example of split {split!r}; there are {there}. Choose one with --split.")
    with atomic_folder(out) as folder:
        for name in ("target", "control"):
            (folder / name).mkdir()
        with (
            (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as table,
            (folder / "pairs.jsonl").open("w", encoding="utf-8") as lines,
        ):
            writer = csv.writer(table)
            writer.writerow(["image", "prompt", "edit_image"])
            for done, place in enumerate(places, start=1):
                example = examples[place]
                name = _write(folder, example)
                writer.writerow([f"target/{name}", example.instruction, f"control/{name}"])
                lines.write(json.dumps(metadata_of(example) | {"file_name": name}) + "\n")
                on_progress(done, len(places))
        missing = missing_partners(folder)
        if missing:
            raise ValueError(f"{out}: {len(missing)} partners are missing, such as {missing[0]}. Is the disk full?")
    return {split: len(places)}


def formulas_in(out: Path) -> int:
    """Return how many cells of `metadata.csv` a spreadsheet would compute.

    They stay as they are: a trainer reads this table to the letter, and would learn an apostrophe before each.
    """
    with (out / "metadata.csv").open(encoding="utf-8", newline="") as table:
        return sum(safe_cell(cell) != cell for row in csv.reader(table) for cell in row)


def _write(folder: Path, example: Example) -> str:
    """Write one pair; return the name of both pictures. Files stay unchanged, unless one is PNG and one JPEG."""
    files = {"control": example.source_file, "target": example.edited_file}
    kinds = {picture_format(file) for file in files.values()}
    if len(kinds) > 1:
        kinds = {"png"}
        files = {name: _as_png(file) for name, file in files.items()}
    name = f"{example.segment_id}.{kinds.pop()}"
    for part, content in files.items():
        (folder / part / name).write_bytes(content)
    (folder / "target" / f"{example.segment_id}.txt").write_text(example.instruction, encoding="utf-8")
    return name


def _as_png(file: bytes) -> bytes:
    return file if picture_format(file) == "png" else encode_png(decode_image(file))


def missing_partners(folder: Path) -> list[str]:
    """Return which pictures lack their partner of the same name, or their .txt; [] when all are there."""
    pictures = {
        name: {path.name for path in (folder / name).iterdir() if path.suffix.lower() in PICTURES}
        for name in ("target", "control")
    }
    missing = [f"control/{name}" for name in sorted(pictures["target"] - pictures["control"])]
    missing += [f"target/{name}" for name in sorted(pictures["control"] - pictures["target"])]
    texts = {path.stem for path in (folder / "target").glob("*.txt")}
    return missing + [
        f"target/{Path(name).stem}.txt" for name in sorted(pictures["target"]) if Path(name).stem not in texts
    ]
