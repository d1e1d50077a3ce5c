"""The small editor that comes with the project, and the short name for it."""

from pathlib import Path

SMALL = "small"
"""Name of the shipped editor, usable wherever a start or an editor is given."""
STARTING_EDITOR = Path(__file__).resolve().parents[1] / "starting_editor"
"""Folder of the shipped editor: the drawn kitchen's substitute for InstructPix2Pix."""
TEXT_TO_IMAGE = Path(__file__).resolve().parents[1] / "starting_text_to_image"
"""The drawn kitchen's substitute for Stable Diffusion v1.5: it draws scenes from captions."""


def named_start(start: str) -> str:
    """Return the shipped folder for `small`, and every other start unchanged; an existing folder called `small` comes
    first.
    """
    return str(STARTING_EDITOR) if start == SMALL and not Path(SMALL).exists() else start
