"""Picture files + instructions -> edited PNG files, taken up where an earlier call left off.

What is to be edited is one picture, every picture in a folder, or the rows of a CSV with the columns image and
instruction, and if wanted seed and out. Each PNG carries what made it, so a repeated call skips what is there already
and refuses to write over anything else.
"""

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from modeling.atomic import write_bytes
from modeling.config import SamplingConfig
from modeling.data.images import Picture, encode_png, read_image, read_note, restore_aspect
from modeling.editor import Editor

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
"""Files of a folder that are taken for pictures."""
COLUMNS = ("image", "instruction", "seed", "out")
"""Columns of a CSV of requests; the first two are needed unless one instruction is given for all."""
_BATCH_SIZE = 8


@dataclass(frozen=True, kw_only=True)
class EditRequest:
    """One picture to edit."""

    image: Path
    """The picture."""
    instruction: str
    """What to do to it."""
    seed: int
    """Seed of the noise."""
    out: Path
    """The PNG file to write."""


@dataclass(frozen=True, kw_only=True)
class EditOutcome:
    """What became of a request."""

    request: EditRequest
    """The request."""
    status: Literal["edited", "skipped", "failed"]
    """skipped: an equal request had made the file before."""
    message: str = ""
    """Why it failed."""


def edit_files(
    *,
    editor: str | Path,
    image: str | Path,
    instruction: str | None,
    out: str | Path,
    seeds: Sequence[int] = (0,),
    sampling: SamplingConfig | None = None,
    size_px: int | None = None,
    keep_aspect: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    on_progress: Callable[[int, int], None] | None = None,
) -> list[EditOutcome]:
    """Edit a picture, the pictures in a folder, or the rows of a CSV; return one outcome a request, in their order.

    `editor`: pipeline folder, folder of an editor artifact, or hub id. `size_px`: side that is edited at, by default
    the editor's own. `keep_aspect`: stretch edits back to their pictures' aspect ratio; else they are squares.
    ValueError when nothing can be done at all; a picture that cannot be read fails alone, unless it is the only one.
    """
    requests = plan_requests(Path(image), instruction, Path(out), seeds)
    if len(requests) == 1 and not requests[0].image.is_file():
        raise ValueError(f"{requests[0].image}: there is no such picture.")
    location = editor_folder(editor)
    loaded = Editor.load(location, device)
    recipe = _Recipe(
        config=replace(sampling or SamplingConfig(), size_px=size_px or native_size_px(loaded)),
        editor_stamp=_editor_stamp(location),
        keep_aspect=keep_aspect,
        overwrite=overwrite,
    )
    outcomes: list[EditOutcome] = []
    for first in range(0, len(requests), _BATCH_SIZE):
        outcomes += _edit_batch(loaded, requests[first : first + _BATCH_SIZE], recipe)
        if on_progress is not None:
            on_progress(len(outcomes), len(requests))
    if len(outcomes) == 1 and outcomes[0].status == "failed":
        raise ValueError(outcomes[0].message)
    return outcomes


def editor_folder(editor: str | Path) -> str:
    """Return where the pipeline lies: `pipeline/` of an editor artifact, else what was given; ValueError for a typo."""
    path = Path(editor)
    if (path / "pipeline" / "model_index.json").is_file():
        return str((path / "pipeline").resolve())
    if (path / "model_index.json").is_file():
        return str(path.resolve())
    if path.exists() or len(path.parts) != 2 or str(editor).startswith((".", "/", "~")):
        raise ValueError(f"Editor {editor}: no pipeline there. Give a folder with model_index.json, or a hub id.")
    return str(editor)


def native_size_px(editor: Editor) -> int:
    """Return the side of the pictures that an editor's U-Net was made for."""
    return int(editor.unet.config.sample_size) * editor.pixels_per_latent


def plan_requests(image: Path, instruction: str | None, out: Path, seeds: Sequence[int]) -> list[EditRequest]:
    """Return what is to be edited; ValueError when the arguments do not say it, or two edits would be one file.

    A picture goes to `out` itself when that ends in .png, else into the folder `out` under its own name. Where there
    are several seeds their numbers are added to the names.
    """
    if not seeds or min(seeds) < 0:
        raise ValueError(f"Seeds are {list(seeds)}: give at least one, from 0.")
    if image.suffix.lower() == ".csv":
        requests = _requests_of_csv(image, instruction, out, seeds)
    elif not instruction or not instruction.strip():
        raise ValueError(f"No instruction: say what to do to {image}, or give a CSV with a column instruction.")
    elif image.is_dir():
        pictures = sorted(path for path in image.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES)
        if not pictures:
            raise ValueError(f"{image}: no pictures there ({', '.join(PICTURE_SUFFIXES)}).")
        requests = [each for path in pictures for each in _per_seed(path, instruction, out / path.stem, seeds)]
    else:
        is_name = out.suffix.lower() == ".png" and not out.is_dir()
        requests = _per_seed(image, instruction, out.with_suffix("") if is_name else out / image.stem, seeds)
    _check_names(requests)
    return requests


def _per_seed(image: Path, instruction: str, stem: Path, seeds: Sequence[int]) -> list[EditRequest]:
    """Return one request a seed; `stem` is the path to write to without .png."""
    names = {seed: f"{stem.name}-seed{seed}.png" if len(seeds) > 1 else f"{stem.name}.png" for seed in seeds}
    return [
        EditRequest(image=image, instruction=instruction, seed=seed, out=stem.with_name(name))
        for seed, name in names.items()
    ]


def _check_names(requests: Sequence[EditRequest]) -> None:
    places = Counter(request.out.resolve() for request in requests)
    twice = [str(path) for path, times in places.items() if times > 1]
    if twice:
        raise ValueError(f"Several edits would be written to {', '.join(twice[:5])}. Name each its own (column out).")
    sources = [str(request.image) for request in requests if request.image.resolve() in places]
    if sources:
        raise ValueError(f"{', '.join(sources[:5])} would be written over. Write the edits to another folder.")


def _requests_of_csv(path: Path, instruction: str | None, out: Path, seeds: Sequence[int]) -> list[EditRequest]:
    """Read the rows of a CSV; pictures are looked for relative to it, and everything is written inside `out`."""
    if not path.is_file():
        raise ValueError(f"{path}: there is no such CSV.")
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, restkey="")
        columns = list(reader.fieldnames or ())
        if "image" not in columns or set(columns) - set(COLUMNS):
            raise ValueError(f"{path}: its columns are {', '.join(columns)}; they may be {', '.join(COLUMNS)}.")
        rows = [{name: value for name, value in row.items() if value} for row in reader]
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
    picture = beside / row["image"]
    stem = out / row.get("out", picture.stem).removesuffix(".png")
    if out.resolve() not in stem.resolve().parents:
        raise ValueError(f"out is {row.get('out')!r}, which is no name inside {out}.")
    return _per_seed(picture, text, stem, [int(own_seed)] if own_seed else seeds)


@dataclass(frozen=True, kw_only=True)
class _Recipe:
    """How all requests of a call are edited."""

    config: SamplingConfig
    editor_stamp: str
    keep_aspect: bool
    overwrite: bool

    def note(self, request: EditRequest, picture: Picture) -> str:
        """Return what an edit of `picture` carries: how it was made, and a digest of all that decides its pixels."""
        sampling = asdict(self.config)
        parts = [self.editor_stamp, sampling, self.keep_aspect, request.instruction, request.seed]
        digest = hashlib.sha256(json.dumps(parts).encode() + picture.tobytes()).hexdigest()
        shown = {"instruction": request.instruction, "seed": request.seed, "sampling": sampling, "request": digest}
        return json.dumps(shown, ensure_ascii=False)


def _edit_batch(editor: Editor, requests: Sequence[EditRequest], recipe: _Recipe) -> list[EditOutcome]:
    """Edit what is not there yet; a picture that cannot be read, or a name that is taken, fails alone."""
    outcomes: dict[Path, EditOutcome] = {}
    wanted: list[tuple[EditRequest, Picture, str]] = []
    for request in requests:
        try:
            picture = read_image(request.image)
        except (ValueError, FileNotFoundError) as error:
            outcomes[request.out] = EditOutcome(request=request, status="failed", message=str(error))
            continue
        note = recipe.note(request, picture)
        if request.out.exists() and not recipe.overwrite:
            outcomes[request.out] = _what_is_there(request, note)
        else:
            wanted.append((request, picture, note))
    edited = editor.edit(
        [picture for _, picture, _ in wanted],
        [request.instruction for request, _, _ in wanted],
        [request.seed for request, _, _ in wanted],
        recipe.config,
    )
    for (request, picture, note), square in zip(wanted, edited, strict=True):
        request.out.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(request.out, encode_png(restore_aspect(square, picture) if recipe.keep_aspect else square, note))
        outcomes[request.out] = EditOutcome(request=request, status="edited")
    return [outcomes[request.out] for request in requests]


def _what_is_there(request: EditRequest, note: str) -> EditOutcome:
    if read_note(request.out) == note:
        return EditOutcome(request=request, status="skipped")
    message = f"{request.out} is there already and was made otherwise. Give another name, or overwrite it."
    return EditOutcome(request=request, status="failed", message=message)


def _editor_stamp(location: str) -> str:
    """Return a digest of where an editor lies and of its weights' sizes and times: gigabytes are not read for it."""
    weights = [path.stat() for path in sorted(Path(location).glob("*/*.safetensors"))]
    parts = [location, [(status.st_size, status.st_mtime_ns) for status in weights]]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
