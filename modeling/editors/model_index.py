"""The folder of a pipeline -> its parts by model_index.json, which anybody may have written; imports no torch."""

from pathlib import Path

from modeling.json_text import parse_file

MAX_INDEX_BYTES = 1 << 20
OWN_MODULE = "modeling.autoencoder"
"""Module of the kitchen's autoencoder class; no other module outside diffusers and transformers is loaded."""


def read_model_index(folder: Path) -> dict[str, list[str]]:
    """Return the parts of a pipeline, name -> [library, class], without those that the index leaves empty.

    FileNotFoundError without model_index.json, ValueError, which names the folder, for one that is none.
    """
    path = folder / "model_index.json"
    try:
        index = parse_file(path, at_most=MAX_INDEX_BYTES)
    except ValueError as error:
        raise ValueError(f"{folder}: model_index.json is none ({error}). Give the folder of a pipeline.") from error
    if not isinstance(index, dict):
        raise ValueError(f"{folder}: model_index.json is none: it is a {type(index).__name__}, not an object.")
    parts: dict[str, list[str]] = {}
    for name, part in index.items():
        if not isinstance(part, list):
            continue
        if len(part) != 2 or not all(entry is None or isinstance(entry, str) for entry in part):
            raise ValueError(f"{folder}: model_index.json is none: part {name[:80]!r} is {str(part)[:80]}.")
        if part[0] is not None:
            parts[name] = part
    if not parts:
        raise ValueError(f"{folder}: model_index.json is none: it names no parts.")
    return parts
