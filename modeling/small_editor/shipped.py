"""The small editor that comes with the project, and the short name for it."""

from pathlib import Path

SMALL = "small"
"""Names the shipped editor wherever a start or an editor is asked for."""
STARTING_EDITOR = Path(__file__).resolve().parents[1] / "starting_editor"
"""Its folder: the drawn kitchen's stand-in for InstructPix2Pix."""
TEXT_TO_IMAGE = Path(__file__).resolve().parents[1] / "starting_text_to_image"
"""The drawn kitchen's stand-in for Stable Diffusion v1.5: it draws scenes from captions."""


def named_start(start: str) -> str:
    """Return the folder that `small` stands for, and every other start as it is; a folder of that name comes first."""
    return str(STARTING_EDITOR) if start == SMALL and not Path(SMALL).exists() else start
