"""Names of editors: their labels among the inputs of a stage, and in print."""

EDITS = "edits_"
"""Beginning of the names of inputs with edits; the editor's label follows."""
TOLD_APART = "told_apart_"
"""Beginning of the names of the inputs that are instruction retrievals; what follows is the editor's label."""
FORGETTING = "forgetting_"
"""Beginning of the names of the inputs that are static edits asked again; what follows is the editor's label."""
TIMING = "timing_"
"""Beginning of the names of inputs with timings; the editor's label follows."""
SEED = "__seed_"
"""Separator of method and training seed in an editor's label, where the method is trained under several seeds."""
EDITOR_NAMES = {
    "start": "untouched start",
    "editaction": "EditAction",
    "finetuned": "fine-tuned InstructPix2Pix",
    "without_action": "without L_action",
    "without_reg": "without L_reg",
    "without_freezing": "nothing frozen",
    "imagic": "Imagic",
    "plug_and_play": "Plug-and-Play",
    "ddpm_noise_space": "DDPM Noise Space",
    "masactrl": "MasaCtrl",
    "prox_masactrl": "Prox-MasaCtrl",
}
"""Label -> printed name. In other labels a space replaces each underscore."""


def editor_label(method: str, training_seed: int | None) -> str:
    """Return the label of an editor; without a seed where its method is trained under one seed alone.

    >>> editor_label("finetuned", 1), editor_label("finetuned", None)
    ('finetuned__seed_1', 'finetuned')
    """
    return method if training_seed is None else f"{method}{SEED}{training_seed}"


def editor_of(label: str) -> tuple[str, int | None]:
    """Return the method and the training seed of a label: the inverse of `editor_label`."""
    method, marked, seed = label.partition(SEED)
    return method, int(seed) if marked else None


def editor_name(label: str) -> str:
    """Return how an editor is printed, such as "EditAction, seed 1"."""
    method, seed = editor_of(label)
    name = EDITOR_NAMES.get(method, method.replace("_", " "))
    return name if seed is None else f"{name}, seed {seed}"
