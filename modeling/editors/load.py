"""A system's name + where its weights lie -> the system, behind `modeling/editors/interface.py`."""

from pathlib import Path

from modeling.editors.instruct_pix2pix import Editor
from modeling.editors.interface import EditingSystem
from modeling.editors.pipeline import PipelineEditor

INSTRUCT_PIX2PIX = "instruct_pix2pix"


def load_system(name: str, start: str | Path, device: str = "auto") -> EditingSystem:
    """Load `instruct_pix2pix` (also a fine-tuned one) or a diffusers pipeline by the name of its class."""
    if name == INSTRUCT_PIX2PIX:
        return Editor.load(start, device)
    return PipelineEditor.load(name, start, device)
