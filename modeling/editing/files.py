"""Pictures + instructions -> edited picture files; a call continues what an earlier call left unfinished.

The input is one picture, a folder, a CSV or shards (requests.py). Each written file carries a note of how it was made,
so a repeated call skips the files that it made before, and refuses to write over any other file.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from modeling.atomic import write_bytes
from modeling.config import SamplingConfig
from modeling.data.images import Picture, encode_jpeg, encode_png, read_note, restore_aspect
from modeling.editing.requests import JPEG_SUFFIXES, EditRequest, plan_requests
from modeling.editors.channels import refuse_blind
from modeling.editors.instruct_pix2pix import Editor, default_batch_size
from modeling.editors.interface import EditingSystem, NotFinite
from modeling.editors.load import load_method, load_system
from modeling.editors.native_size import native_size_px
from modeling.editors.settings import MethodConfig, PipelineConfig
from modeling.editors.text_to_image import TextToImageEditor
from modeling.editors.tokens import cut_texts, shown
from modeling.hub import folder_or_hub_id
from modeling.small_editor.foreign import NUM_LOOKED_AT, foreign_pictures
from modeling.small_editor.shipped import named_start

MAX_WARNINGS = 3
"""At most this many cut instructions are named one by one."""


@dataclass(frozen=True, kw_only=True)
class EditOutcome:
    """The outcome of one request."""

    request: EditRequest
    """The request."""
    status: Literal["edited", "skipped", "failed"]
    """skipped: an equal request made the file in an earlier call."""
    message: str = ""
    """Why it failed."""


def edit_files(
    *,
    editor: str | Path,
    image: str | Path,
    instruction: str | None,
    out: str | Path,
    seeds: Sequence[int] = (0,),
    sampling: SamplingConfig | MethodConfig | PipelineConfig | None = None,
    method: str | None = None,
    size_px: int | None = None,
    keep_aspect: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    batch_size: int | None = None,
    compile: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
    on_warning: Callable[[str], None] | None = None,
) -> list[EditOutcome]:
    """Edit a picture, a folder, the rows of a CSV or shards; return one outcome a request, in their order.

    `editor`: pipeline folder, folder of an editor artifact, or hub id. `size_px`: side that is edited at, by default
    the editor's own. `keep_aspect`: stretch edits back to their pictures' aspect ratio; else they are squares.
    `method`: a method that edits with a text-to-image model, which `editor` then is, or the class of the diffusers
    pipeline that `editor` is; `sampling` is its config.
    `batch_size` pictures are edited at a time; `compile` makes the first batch slow and the others fast. Neither
    changes an edit by more than rounding, so neither makes it another edit.
    `on_warning` hears of instructions that are cut and of pictures that are none for this editor.
    ValueError when nothing can be done at all; a picture that cannot be read fails alone, unless it is the only one.
    """
    requests = plan_requests(Path(image), instruction, Path(out), seeds)
    if len(requests) == 1 and isinstance(requests[0].image, Path) and not requests[0].image.is_file():
        raise ValueError(f"{requests[0].image}: there is no such picture.")
    location = editor_folder(editor)
    if method is None:
        refuse_blind(location, str(editor))
    system, loaded = _load(location, method, device, sampling)
    for warning in [] if loaded is None else _warnings(loaded, requests):
        if on_warning is not None:
            on_warning(warning)
    config = sampling or SamplingConfig()
    native_px = config.size_px if loaded is None else native_size_px(loaded)
    recipe = _Recipe(
        config=replace(config, size_px=size_px or native_px),
        editor_stamp=_editor_stamp(location) + (method or ""),
        keep_aspect=keep_aspect,
        overwrite=overwrite,
    )
    if isinstance(system, TextToImageEditor):
        system.check(recipe.config)
    if compile and loaded is not None:
        loaded.compile()
    num_at_once = batch_size or default_batch_size(recipe.config.size_px)
    outcomes: list[EditOutcome] = []
    for first in range(0, len(requests), num_at_once):
        outcomes += _edit_batch(system, requests[first : first + num_at_once], recipe)
        if on_progress is not None:
            on_progress(len(outcomes), len(requests))
    if len(outcomes) == 1 and outcomes[0].status == "failed":
        raise ValueError(outcomes[0].message)
    return outcomes


def _load(
    location: str, method: str | None, device: str, config: SamplingConfig | MethodConfig | PipelineConfig | None
) -> tuple[EditingSystem, Editor | None]:
    """Return the system that edits, and the parts of its pipeline; None for a diffusers pipeline by its class."""
    if method is None:
        editor = Editor.load(location, device)
        return editor, editor
    if isinstance(config, PipelineConfig):
        return load_system(method, location, device, config.precision), None
    system = load_method(method, location, device)
    return system, system.model


def open_editor(editor: str | Path, device: str = "auto") -> Editor:
    """Load an editor as `edit_files` does without a method; ValueError says what is wrong with it."""
    location = editor_folder(editor)
    refuse_blind(location, str(editor))
    return Editor.load(location, device)


def editor_folder(editor: str | Path) -> str:
    """Return the pipeline's place: `pipeline/` of an editor artifact, else `editor` itself; ValueError when nothing is
    there.
    """
    editor = named_start(str(editor))
    path = Path(editor)
    if (path / "pipeline" / "model_index.json").is_file():
        return str((path / "pipeline").resolve())
    folder = folder_or_hub_id(editor, "model_index.json", "Editor")
    return editor if folder is None else str(folder.resolve())


def _warnings(editor: Editor, requests: Sequence[EditRequest]) -> list[str]:
    """Return warnings about these requests, to be shown before they are edited."""
    cut = cut_texts(editor.tokenizer, [request.instruction for request in requests])
    warnings = [
        f"Instruction {shown(text)} is longer than the text encoder reads: {shown(end)} is cut off and has no effect."
        for text, end in list(cut.items())[:MAX_WARNINGS]
    ]
    if len(cut) > MAX_WARNINGS:
        warnings.append(f"{len(cut):,} instructions are cut off in all.")
    pictures = []
    for request in requests[:NUM_LOOKED_AT]:
        with suppress(ValueError, OSError):  # told when it is this picture's turn
            pictures.append(request.read())
    return [warning for warning in (foreign_pictures(editor, pictures), *warnings) if warning]


@dataclass(frozen=True, kw_only=True)
class _Recipe:
    """The settings that all requests of a call share."""

    config: SamplingConfig | MethodConfig | PipelineConfig
    editor_stamp: str
    keep_aspect: bool
    overwrite: bool

    def note(self, request: EditRequest, picture: Picture) -> str:
        """Return the note in an edit of `picture`: its settings, and a digest of everything that decides its pixels."""
        sampling = asdict(self.config)
        parts = [self.editor_stamp, sampling, self.keep_aspect, request.instruction, request.seed]
        digest = hashlib.sha256(json.dumps(parts).encode() + picture.tobytes()).hexdigest()
        shown = {"instruction": request.instruction, "seed": request.seed, "sampling": sampling, "request": digest}
        return json.dumps(shown, ensure_ascii=False)


def _edit_batch(editor: EditingSystem, requests: Sequence[EditRequest], recipe: _Recipe) -> list[EditOutcome]:
    """Edit the requests whose file does not exist yet; an unreadable picture or a taken name fails alone."""
    outcomes: dict[Path, EditOutcome] = {}
    wanted: list[tuple[EditRequest, Picture, str]] = []
    for request in requests:
        try:
            picture = request.read()
        except (ValueError, FileNotFoundError) as error:
            outcomes[request.out] = EditOutcome(request=request, status="failed", message=str(error))
            continue
        note = recipe.note(request, picture)
        if request.out.exists() and not recipe.overwrite:
            outcomes[request.out] = _what_is_there(request, note)
        else:
            wanted.append((request, picture, note))
    try:
        edited = editor.edit(
            [picture for _, picture, _ in wanted],
            [request.instruction for request, _, _ in wanted],
            [request.seed for request, _, _ in wanted],
            recipe.config,
            batch_size=len(requests),
        )
    except NotFinite as error:
        if len(requests) > 1:
            return [outcome for request in requests for outcome in _edit_batch(editor, [request], recipe)]
        return [EditOutcome(request=requests[0], status="failed", message=str(error))]
    for (request, picture, note), square in zip(wanted, edited, strict=True):
        request.out.parent.mkdir(parents=True, exist_ok=True)
        encode = encode_jpeg if request.out.suffix.lower() in JPEG_SUFFIXES else encode_png
        write_bytes(request.out, encode(restore_aspect(square, picture) if recipe.keep_aspect else square, note))
        outcomes[request.out] = EditOutcome(request=request, status="edited")
    return [outcomes[request.out] for request in requests]


def _what_is_there(request: EditRequest, note: str) -> EditOutcome:
    if read_note(request.out) == note:
        return EditOutcome(request=request, status="skipped")
    message = f"{request.out} is there already and was made otherwise. Give another name, or overwrite it."
    return EditOutcome(request=request, status="failed", message=message)


def _editor_stamp(location: str) -> str:
    """Return a digest of an editor's path and of its weight files' sizes and times; the gigabytes themselves are not
    read.
    """
    weights = [path.stat() for path in sorted(Path(location).glob("*/*.safetensors"))]
    parts = [location, [(status.st_size, status.st_mtime_ns) for status in weights]]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
