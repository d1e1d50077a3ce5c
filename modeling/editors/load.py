"""Name of a system + path of its weights -> the system, with the interface of modeling/editors/interface.py."""

from pathlib import Path

from modeling.editors.channels import refuse_blind
from modeling.editors.ddpm_noise_space import DdpmNoiseSpace
from modeling.editors.imagic import Imagic
from modeling.editors.instruct_pix2pix import Editor
from modeling.editors.interface import EditingSystem
from modeling.editors.masactrl import MasaCtrl
from modeling.editors.pipeline import PipelineEditor
from modeling.editors.plug_and_play import PlugAndPlay
from modeling.editors.prox_masactrl import ProxMasaCtrl
from modeling.editors.settings import EditPrecision
from modeling.editors.text_to_image import TextToImage, TextToImageEditor

INSTRUCT_PIX2PIX = "instruct_pix2pix"
METHODS: dict[str, type[TextToImageEditor]] = {
    "imagic": Imagic,
    "plug_and_play": PlugAndPlay,
    "ddpm_noise_space": DdpmNoiseSpace,
    "masactrl": MasaCtrl,
    "prox_masactrl": ProxMasaCtrl,
}
"""The methods that edit with a text-to-image model; their settings are in `settings.METHOD_CONFIGS`."""


def load_method(name: str, start: str | Path, device: str = "auto") -> TextToImageEditor:
    """Load one of `METHODS` around the text-to-image model in `start`; ValueError for another name or model."""
    if name not in METHODS:
        raise ValueError(f"There is no method {name!r}; choose one of {', '.join(METHODS)}.")
    return METHODS[name](TextToImage.load(start, device))


def load_system(name: str, start: str | Path, device: str = "auto", precision: EditPrecision = "fp32") -> EditingSystem:
    """Load `instruct_pix2pix` (also a fine-tuned one), a method, or a diffusers pipeline by the name of its class.

    `precision`: number type of a diffusers pipeline's weights; the others take theirs with each edit.
    """
    if name == INSTRUCT_PIX2PIX:
        refuse_blind(str(start), str(start))
        return Editor.load(start, device)
    if name in METHODS:
        return load_method(name, start, device)
    return PipelineEditor.load(name, start, device, precision)
