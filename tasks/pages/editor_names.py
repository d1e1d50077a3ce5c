"""How editors are named: their labels among the inputs of a stage, and in print."""

EDITS = "edits_"
"""Beginning of the names of the inputs that are edits; what follows is the editor's label."""
EDITOR_NAMES = {
    "start": "untouched start",
    "editaction": "EditAction",
    "finetuned": "fine-tuned InstructPix2Pix",
    "without_action": "without L_action",
    "without_reg": "without L_reg",
    "without_freezing": "nothing frozen",
}
"""How labels are printed; others with spaces for underscores."""


def editor_name(label: str) -> str:
    """Return how an editor is printed."""
    return EDITOR_NAMES.get(label, label.replace("_", " "))
