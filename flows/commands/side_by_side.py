"""`editaction compare --editor A --editor B --image DIR`: several editors on the same pictures, one page."""

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from flows.commands.edit import newest_editor
from flows.commands.screen import say
from flows.commands.terminal import console, counting
from flows.wiring.presets import sampling_for


def compare_editors(editors: Sequence[str], image: str, instruction: str | None, out: str, seeds: Sequence[int]) -> int:
    """Edit `image` (a picture, a folder, a CSV or shards) with every editor, write OUT/index.html and OUT/NAME/*.png.

    Return the number of failed edits. ValueError when nothing can be done. Edits that exist already are not made again.
    """
    from evaluation.pages.side_by_side import SideBySide, render_side_by_side
    from modeling.atomic import write_bytes
    from modeling.editing.files import edit_files

    if len(editors) < 2:
        raise click.UsageError("Name at least two editors to compare: --editor A --editor B.")
    places = [newest_editor(editor) for editor in editors]
    names = _names(editors)
    samplings = [sampling_for(place) for place in places]
    for place in places:
        _check_editor(place)
    outcomes = []
    for name, place, sampling in zip(names, places, samplings, strict=True):
        with counting(console, f"edits of {name}") as tell:
            outcomes.append(
                edit_files(
                    editor=place,
                    image=image,
                    instruction=instruction,
                    out=Path(out) / name,
                    seeds=seeds,
                    sampling=sampling,
                    on_progress=tell,
                    on_warning=lambda text: say(f"warning: {text}"),
                )
            )
    recipes = [
        f"{used.num_steps} steps, image guidance {used.image_guidance:g}, text guidance {used.text_guidance:g}"
        for used in samplings
    ]
    rows = [_row(several) for several in zip(*outcomes, strict=True)]
    page = SideBySide(title="Editors side by side", editors=names, recipes=recipes, rows=rows)
    written = Path(out) / "index.html"
    write_bytes(written, render_side_by_side(page).encode())
    console.print(f"Page: {written.resolve()}", soft_wrap=True)
    return sum(outcome.status == "failed" for several in outcomes for outcome in several)


def _check_editor(place: str) -> None:
    """ValueError where an editor cannot be used, before the first one edits anything."""
    from modeling.editing.files import editor_folder
    from modeling.editors.channels import refuse_blind
    from modeling.editors.whole_folder import check_folder

    location = editor_folder(place)
    refuse_blind(location, f"--editor {place}")
    if Path(location).is_dir():
        check_folder(Path(location), f"--editor {place}")


def _row(outcomes: Sequence[Any]) -> Any:
    from evaluation.pages.side_by_side import ComparedRow
    from modeling.data.images import read_image

    request = outcomes[0].request
    edits, source = [], None
    with suppress(ValueError, OSError):  # reported as each editor's reason
        source = request.read()
    for outcome in outcomes:
        edits.append(None if outcome.status == "failed" else read_image(outcome.request.out))
    if source is None:
        import numpy as np

        source = np.full((64, 64, 3), 255, dtype=np.uint8)
    return ComparedRow(
        name=getattr(request.image, "name", str(request.image)),
        instruction=request.instruction,
        seed=request.seed,
        source=source,
        edits=edits,
        reasons=[outcome.message for outcome in outcomes],
    )


def _names(editors: Sequence[str]) -> list[str]:
    """Return a short name for each editor that is also the name of a folder: distinct, from its last path parts."""
    names: list[str] = []
    for editor in editors:
        parts = [part for part in Path(editor).parts if part not in ("/", "pipeline", ".", "..")]
        stem = re.sub(r"[^\w.-]+", "_", parts[-1] if parts else "").strip(".") or "editor"
        taken = sum(name == stem or name.startswith(f"{stem}_") for name in names)
        names.append(f"{stem}_{taken + 1}" if taken else stem)
    return names
