"""`manifest.json` -> a checked dict: the fields that later code needs exist and have the right types."""

import re
from pathlib import Path
from typing import Any

from modeling.json_text import parse_json

MANIFEST = "manifest.json"
BUILDING = "building.json"
"""File in a folder at work that names its artifact."""
MAX_BYTES = 64 << 20
"""Largest size of a manifest. Most have a few KB; with the addresses of 100 000 videos a few MB."""
FIELDS: dict[str, type | tuple[type, ...]] = {
    "stage": str,
    "label": str,
    "key": str,
    "version": int,
    "digest": str,
    "funnel": dict,
    "counts": dict,
    "facts": dict,
    "config": dict,
    "inputs": dict,
    "source_digest": str,
    "finished_at": str,
    "seconds": (int, float),
    "num_files": int,
}
NAME = re.compile(r"[^/\\\x00-\x1f\x7f]{1,100}")
"""Form of a stage's name or a label; both become parts of folders' names."""
KEY = re.compile(r"[0-9a-f]{8,64}")
"""A key becomes part of the names of pages and of places in a store."""


def read_manifest(path: Path) -> dict[str, Any]:
    """Return the manifest at `path`; FileNotFoundError when there is none, ValueError, which names the file, when it is
    invalid.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no manifest.")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path}: larger than {MAX_BYTES >> 20} MiB, so no manifest. Remove its folder.")
    try:
        manifest = parse_json(path.read_bytes())
        wrong = what_is_wrong(manifest)
    except ValueError as error:
        wrong = str(error)
    if wrong:
        raise ValueError(f"{path}: no manifest of an artifact ({wrong}). Remove its folder; a run makes it again.")
    return dict(manifest)


def not_ours(folder: Path) -> str:
    """Return why a folder must not be written, replaced or removed; "" when it does not exist or is our own work.

    Our own work has a `manifest.json` or `building.json` that names its stage. A link is never our own.
    """
    if why := is_link(folder):
        return why
    if not folder.exists() or is_made_here(folder) or (folder.is_dir() and not any(folder.iterdir())):
        return ""
    return f"{folder} exists, and no stage made it. Move it elsewhere."


def is_link(folder: Path) -> str:
    """Return an error when a stage's folder, or a folder in it, is a link; else ""."""
    linked = next((place for place in (folder.parent, folder) if place.is_symlink()), None)
    return f"{linked} is a link, which is not followed. Remove it, or name another workspace." if linked else ""


def is_made_here(folder: Path) -> bool:
    """Tell whether a folder is an artifact or an unfinished one, by its `manifest.json` or `building.json`."""
    if folder.is_symlink() or folder.parent.is_symlink():
        return False
    for path in (folder / MANIFEST, folder / BUILDING):
        try:
            told = parse_json(path.read_bytes()) if path.is_file() and path.stat().st_size <= MAX_BYTES else None
        except (OSError, ValueError):
            continue
        if isinstance(told, dict) and told.get("stage") == folder.parent.name and isinstance(told.get("key"), str):
            return True
    return False


def what_is_wrong(manifest: Any) -> str:
    if not isinstance(manifest, dict):
        return f"it is a {type(manifest).__name__}"
    for name, kind in FIELDS.items():
        if not isinstance(manifest.get(name), kind) or isinstance(manifest[name], bool):
            return f"{name} is {str(manifest.get(name))[:40]!r}"
    if not all(NAME.fullmatch(manifest[name]) and manifest[name] not in (".", "..") for name in ("stage", "label")):
        return "its stage or label is no name"
    if not KEY.fullmatch(manifest["key"]):
        return "its key is none"
    counts = manifest["counts"]
    numbers = [counts.get("input"), counts.get("kept"), *manifest["funnel"].values()]
    for status in ("filtered", "failed"):
        if not isinstance(counts.get(status), dict):
            return f"counts.{status} is missing"
        numbers += counts[status].values()
    if not all(isinstance(number, int) for number in numbers):
        return "its counts are no numbers"
    for name, input_ in manifest["inputs"].items():
        places = [input_.get("artifact"), input_.get("outside")] if isinstance(input_, dict) else []
        if not isinstance(input_, dict) or not isinstance(input_.get("digest"), str) or not any(map(_is_text, places)):
            return f"its input {name[:40]} has no place or digest"
    warnings = manifest["facts"].get("warnings", [])
    return "" if isinstance(warnings, list) and all(map(_is_text, warnings)) else "its warnings are no texts"


def _is_text(value: object) -> bool:
    return isinstance(value, str)
