"""A folder or Parquet files of pairs made elsewhere -> the pairs, for all known layouts.

parquet          Hugging Face: two image columns and a text (InstructPix2Pix, MagicBrush, our own export, others)
instruct-pix2pix its authors' own: folders with prompt.json and <seed>_0.jpg, <seed>_1.jpg
table            metadata.csv, .jsonl (or pairs.*) beside the pictures that it names
folders          two folders with equal names and .txt: control/target, before/after, input/output, source/target
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modeling.data.example import METADATA
from modeling.json_text import parse_json
from modeling.sheets import strict_dicts
from tasks.annotations.parquet_batches import column_names, rows_in_batches
from tasks.exports.control_folders import PICTURES
from tasks.imports.found import AFTER, BEFORE, IDS, TEXT, Found, FoundPair, column_of, inside, rejected, split_of

FOLDERS = (("control", "target"), ("before", "after"), ("input", "output"), ("source", "target"), ("source", "edited"))
"""Names of the folders with the pictures before and after."""
TABLES = ("pairs.jsonl", "metadata.jsonl", "pairs.csv", "metadata.csv")
MAX_TEXT_BYTES = 100_000
"""A longer .txt or prompt.json file is no instruction."""
LAYOUTS = ("parquet", "instruct-pix2pix", "folders", "table")


def layout_of(path: Path) -> str:
    """Return the layout of the data at `path`; ValueError, which names all known layouts, when it has none of them."""
    if path.is_file() and path.suffix.lower() == ".parquet":
        return "parquet"
    if path.is_dir():
        if next(path.rglob("*.parquet"), None) is not None:
            return "parquet"
        if any((path / one).is_dir() and (path / other).is_dir() for one, other in FOLDERS):
            return "folders"
        if any((path / name).is_file() for name in TABLES):
            return "table"
        if next(path.glob("*/prompt.json"), None) is not None:
            return "instruct-pix2pix"
    raise ValueError(
        f"{path}: no pairs of a known layout. Known are Parquet files with two image columns and a text; folders with "
        f"prompt.json (InstructPix2Pix); {' or '.join(TABLES)} beside pictures; and two folders with equal names and "
        f".txt, such as {', '.join('/ and '.join(folder) + '/' for folder in FOLDERS[:2])}."
    )


def find_pairs(path: Path, layout: str) -> Iterator[Found]:
    """Yield the pairs of a layout in its order, and the rejected rows."""
    readers = {"parquet": _parquet, "instruct-pix2pix": _instruct_pix2pix, "folders": _folders, "table": _table}
    if layout not in readers:
        raise ValueError(f"There is no layout {layout!r}; choose of {', '.join(LAYOUTS)}.")
    yield from readers[layout](path)


def _parquet(path: Path) -> Iterator[Found]:
    files = [path] if path.is_file() else sorted(path.rglob("*.parquet"))
    for file in files:
        names = dict.fromkeys(column_names(file))
        before, after, text = (column_of(names, wanted) for wanted in (BEFORE, AFTER, TEXT))
        if before is None or after is None or text is None:
            raise ValueError(
                f"{file}: no columns for the pictures before and after and the instruction; there are "
                f"{', '.join(names)[:300]}. Known are {', '.join(BEFORE[:4])}; {', '.join(AFTER[:4])}; "
                f"{', '.join(TEXT[:3])}."
            )
        wanted = [before, after, text, *(n for n in (*IDS, "turn_index", *METADATA) if n in names)]
        for number, row in enumerate(rows_in_batches(file, list(dict.fromkeys(wanted))), start=1):
            yield _from_row(row, f"{file.stem}-{number:06d}", split_of(file.stem), (before, after, text))


def _from_row(row: dict[str, Any], place: str, split: str, columns: tuple[str, str, str]) -> FoundPair:
    """Return the pair of one row; a MagicBrush picture's turns are one group."""
    before, after, text = columns
    name = column_of(row, IDS)
    group = str(row[name]) if name is not None and row[name] is not None else place
    turn = row.get("turn_index")
    known = {field: row[field] for field in METADATA if row.get(field) is not None and field in row}
    return FoundPair(
        name=group if turn is None else f"{group}-{turn}",
        group=str(known.get("video_id", group)),
        split=str(known.get("split") or split),
        instruction=row[text],
        before=_bytes(row[before]),
        after=_bytes(row[after]),
        metadata=known,
    )


def _bytes(cell: object) -> object:
    """Return the bytes of an image cell: struct{bytes, path}, or bytes themselves; None where they are not in it."""
    if isinstance(cell, dict):
        cell = cell.get("bytes")
    return cell if isinstance(cell, bytes) else None


def _instruct_pix2pix(path: Path) -> Iterator[Found]:
    for folder in sorted(prompt_file.parent for prompt_file in path.glob("*/prompt.json")):
        prompt = _read_text(path, folder / "prompt.json")
        try:
            content = parse_json(prompt or "")
            instruction = content["edit"] if "edit" in content else content["instruction"]
        except (ValueError, KeyError, TypeError) as error:
            yield rejected(folder.name, "failed", "bad_prompt", f"{folder.name}/prompt.json: {error}")
            continue
        seeds: dict[str, dict[str, Path | None]] = {}
        for file in sorted(folder.iterdir()):
            seed_and_side = re.fullmatch(r"(.+)_([01])", file.stem)
            if seed_and_side and file.suffix.lower() in PICTURES:
                seeds.setdefault(seed_and_side[1], {})[seed_and_side[2]] = inside(path, str(file.relative_to(path)))
        if not seeds:
            yield rejected(
                folder.name, "failed", "missing_partner", f"{folder.name}: no <seed>_0 and <seed>_1 pictures"
            )
        for seed, files in seeds.items():
            yield FoundPair(
                name=f"{folder.name}-{seed}",
                group=folder.name,
                split="train",
                instruction=instruction,
                before=files.get("0"),
                after=files.get("1"),
            )


def _folders(path: Path) -> Iterator[Found]:
    names = next(folder for folder in FOLDERS if all((path / name).is_dir() for name in folder))
    known = {row["file_name"]: row for row in _rows(path / "pairs.jsonl") if "file_name" in row}
    known = {Path(str(name)).stem: row for name, row in known.items()}
    files = [
        {picture.stem: inside(path, f"{name}/{picture.name}") for picture in _pictures(path / name)} for name in names
    ]
    texts = [
        {text_file.stem: text_file for text_file in sorted((path / name).glob("*.txt")) if text_file.is_file()}
        for name in names
    ]
    order = [stem for stem in known if stem in files[0] or stem in files[1]]
    for stem in dict.fromkeys([*order, *sorted({*files[0], *files[1]})]):
        text = texts[1].get(stem) or texts[0].get(stem)
        metadata = {name: known[stem][name] for name in METADATA if name in known.get(stem, {})}
        yield FoundPair(
            name=str(metadata.get("segment_id", stem)),
            group=str(metadata.get("video_id", stem)),
            split=str(metadata.get("split", "train")),
            instruction=_read_text(path, text) if text is not None else metadata.get("instruction"),
            before=files[0].get(stem),
            after=files[1].get(stem),
            metadata=metadata,
        )


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES and path.is_file())


def _table(path: Path) -> Iterator[Found]:
    file = next(path / name for name in TABLES if (path / name).is_file())
    for number, row in enumerate(_rows(file), start=1):
        columns = [column_of(row, wanted) for wanted in (BEFORE, AFTER, TEXT)]
        before, after, text = columns
        if before is None or after is None or text is None:
            raise ValueError(
                f"{file}: row {number} has no columns for before, after and instruction: {list(row)[:20]}."
            )
        pair = _from_row(row, f"{file.stem}-{number:06d}", "train", (before, after, text))
        pictures = [inside(path, str(row[name])) if row[name] else None for name in (before, after)]
        yield FoundPair(**{**vars(pair), "before": pictures[0], "after": pictures[1]})


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a CSV or of JSON lines; none where there is no such file."""
    if not file.is_file():
        return
    with file.open(encoding="utf-8-sig", newline="") as lines:
        if file.suffix == ".csv":
            yield from strict_dicts(lines, file)[1]
            return
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = parse_json(line)
            except ValueError as error:
                raise ValueError(f"{file}: line {number} is no JSON ({error}).") from error
            if not isinstance(row, dict):
                raise ValueError(f"{file}: line {number} is no object. Write one object a line.")
            yield row


def _read_text(folder: Path, file: Path) -> str | None:
    """Return a small text file, None where it is too long, no UTF-8, or a link that leads out of the folder."""
    path = inside(folder, str(file.relative_to(folder)))
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8-sig").strip() if path.stat().st_size <= MAX_TEXT_BYTES else None
    except UnicodeDecodeError:
        return None
