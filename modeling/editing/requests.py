"""A picture, a folder, a CSV or shards -> requests: picture, instruction, seed and the file to write.

A folder gives its pictures. A folder that holds only tars gives the source pictures of all their examples, with their
own instructions. A CSV has the columns image and instruction, and optionally seed and out. Nothing is edited here, and
a picture is read only when its turn comes.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from modeling.data.images import Picture, read_image
from modeling.data.loader import Examples
from modeling.sheets import MAX_SEED_DIGITS, MAX_TEXT, check_table, strict_dicts
from modeling.visible import is_unicode

JPEG_SUFFIXES = (".jpg", ".jpeg")
OUT_SUFFIXES = (".png", *JPEG_SUFFIXES)
"""File types of an edit, by the ending of `out`; PNG where `out` is a folder."""
OTHER_SUFFIXES = (".webp", ".gif", ".tif", ".tiff", ".bmp", ".avif", ".heic", ".jfif")
"""Endings by which a person means a picture that is not written here; else `out` would be a folder."""
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
"""Files of a folder with these endings are pictures."""
MAX_NAME_BYTES = 200
"""Largest length of a file's name without its ending; a temporary name needs the rest."""
COLUMNS = ("image", "instruction", "seed", "out")
"""Columns of a CSV of requests; image is required, instruction too unless one is given for all."""


@dataclass(frozen=True, kw_only=True)
class ShardPicture:
    """The source picture of an example in shards."""

    shards: Examples
    """The shards."""
    index: int
    """The example's number in them."""
    segment_id: str
    """Key of the example."""

    def __str__(self) -> str:
        return f"example {self.segment_id}"


@dataclass(frozen=True, kw_only=True)
class EditRequest:
    """One picture to edit."""

    image: Path | ShardPicture
    """The picture."""
    instruction: str
    """The action to carry out in it."""
    seed: int
    """Seed of the noise."""
    out: Path
    """The PNG file to write."""

    def read(self) -> Picture:
        """Read the picture; FileNotFoundError or ValueError says what is wrong with it."""
        if isinstance(self.image, ShardPicture):
            return self.image.shards[self.image.index].source_image
        return read_image(self.image)


def plan_requests(image: Path, instruction: str | None, out: Path, seeds: Sequence[int]) -> list[EditRequest]:
    """Return the requests; ValueError when an argument is missing or two edits would write the same file.

    A picture goes to `out` itself when that ends in .png, .jpg or .jpeg, else into the folder `out` under its own
    name; an example's name is its segment_id. Where there are several seeds their numbers are added to the names.
    """
    if not seeds or min(seeds) < 0 or max(seeds) >= 10**MAX_SEED_DIGITS:
        raise ValueError(f"Seeds are {list(seeds)}: give at least one, from 0, of at most {MAX_SEED_DIGITS} digits.")
    if instruction is not None and not is_unicode(instruction):
        raise ValueError(f"The instruction {instruction[:80]!a} is no UTF-8 text. Write it in UTF-8.")
    if image.suffix.lower() == ".csv":
        requests = _requests_of_csv(image, instruction, out, seeds)
    elif _holds_shards(image):
        requests = _requests_of_shards(image, instruction, out, seeds)
    elif not instruction or not instruction.strip():
        raise ValueError(f"No instruction: say what to do to {image}, or give a CSV with a column instruction.")
    elif image.is_dir():
        pictures = _pictures_in(image)
        if not pictures:
            raise ValueError(f"{image}: no pictures there ({', '.join(PICTURE_SUFFIXES)}), and no tars of examples.")
        requests = [request for path in pictures for request in _per_seed(path, instruction, out / path.stem, seeds)]
    else:
        if out.suffix.lower() in OTHER_SUFFIXES and not out.is_dir():
            raise ValueError(f"{out}: edits are written as {' or '.join(OUT_SUFFIXES)}; give the file such an ending.")
        is_name = out.suffix.lower() in OUT_SUFFIXES and not out.is_dir()
        stem = out.with_suffix("") if is_name else out / image.stem
        requests = _per_seed(image, instruction, stem, seeds, suffix=out.suffix if is_name else ".png")
    _check_names(requests)
    return requests


def _pictures_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES)


def _holds_shards(image: Path) -> bool:
    """Tell whether `image` is a tar, or a folder with tars and no pictures."""
    if not image.is_dir():
        return image.suffix.lower() == ".tar"
    return not _pictures_in(image) and any(image.rglob("*.tar"))


def _requests_of_shards(path: Path, instruction: str | None, out: Path, seeds: Sequence[int]) -> list[EditRequest]:
    if instruction is not None:
        raise ValueError(f"{path}: the examples in shards bring their own instructions. Leave the instruction out.")
    shards = Examples(path)
    if not len(shards):
        raise ValueError(f"{path}: no examples in these shards.")
    named = zip(shards.segment_ids, shards.instructions, strict=True)
    return [
        request
        for index, (segment_id, text) in enumerate(named)
        for request in _per_seed(
            ShardPicture(shards=shards, index=index, segment_id=segment_id), text, out / segment_id, seeds
        )
    ]


def _per_seed(
    image: Path | ShardPicture, instruction: str, stem: Path, seeds: Sequence[int], suffix: str = ".png"
) -> list[EditRequest]:
    """Return one request a seed; `stem` and `suffix` are the path to write to."""
    names = {seed: f"{stem.name}-seed{seed}{suffix}" if len(seeds) > 1 else f"{stem.name}{suffix}" for seed in seeds}
    return [
        EditRequest(image=image, instruction=instruction, seed=seed, out=stem.with_name(name))
        for seed, name in names.items()
    ]


def _check_names(requests: Sequence[EditRequest]) -> None:
    places = Counter(request.out.resolve() for request in requests)
    twice = [str(path) for path, times in places.items() if times > 1]
    if twice:
        raise ValueError(f"Several edits would be written to {', '.join(twice[:5])}. Name each its own (column out).")
    pictures = [request.image for request in requests if isinstance(request.image, Path)]
    sources = [str(picture) for picture in pictures if picture.resolve() in places]
    if sources:
        raise ValueError(f"{', '.join(sources[:5])} would be written over. Write the edits to another folder.")


def _requests_of_csv(path: Path, instruction: str | None, out: Path, seeds: Sequence[int]) -> list[EditRequest]:
    """Read the rows of a CSV; picture paths are relative to it, and all edits are written inside `out`."""
    if not path.is_file():
        raise ValueError(f"{path}: there is no such CSV.")
    check_table(path)
    with path.open(newline="", encoding="utf-8-sig") as file:
        columns, dicts = strict_dicts(file, path)
        if "image" not in columns or set(columns) - set(COLUMNS):
            raise ValueError(f"{path}: its columns are {', '.join(columns)}; they may be {', '.join(COLUMNS)}.")
        rows = [{name: value for name, value in row.items() if value} for row in dicts]
    if not rows:
        raise ValueError(f"{path}: no rows.")
    requests = []
    for number, row in enumerate(rows, start=1):
        try:
            requests += _requests_of_row(row, instruction, path.parent, out, seeds)
        except ValueError as error:
            raise ValueError(f"{path}, row {number}: {error}") from error
    return requests


def _requests_of_row(
    row: dict[str, str], instruction: str | None, beside: Path, out: Path, seeds: Sequence[int]
) -> list[EditRequest]:
    text = (row.get("instruction") or instruction or "").strip()
    if "image" not in row or not text or "" in row:
        raise ValueError(f"a row has an image and an instruction and no more than {', '.join(COLUMNS)}.")
    own_seed = row.get("seed", "").strip()
    if own_seed and not (own_seed.isascii() and own_seed.isdigit()):
        raise ValueError(f"seed is {own_seed!r}; it must be a whole number from 0.")
    if len(own_seed) > MAX_SEED_DIGITS:
        raise ValueError(f"seed {own_seed[:40]} has {len(own_seed)} digits; a seed has at most {MAX_SEED_DIGITS}.")
    if len(text) > MAX_TEXT:
        raise ValueError(f"the instruction has {len(text)} characters; it may have {MAX_TEXT}.")
    picture = beside / row["image"]
    name = row.get("out", picture.stem)
    suffix = next((out_suffix for out_suffix in OUT_SUFFIXES if name.lower().endswith(out_suffix)), "")
    stem = out / name[: len(name) - len(suffix)]
    if out.resolve() not in stem.resolve().parents:
        raise ValueError(f"out is {row.get('out')!r}, which is no name inside {out}.")
    if max(len(part.encode(errors="replace")) for part in (*Path(row["image"]).parts, *stem.parts)) > MAX_NAME_BYTES:
        raise ValueError(f"a name has more than {MAX_NAME_BYTES} bytes, which no file can be called.")
    return _per_seed(picture, text, stem, [int(own_seed)] if own_seed else seeds, suffix=suffix or ".png")
