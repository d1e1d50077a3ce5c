"""EDITACTION_GOLDENS -> the goldens of one kind, wherever they lie and whatever they are called; their tolerance."""

import json
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def goldens_folder():
    return Path(os.environ.get("EDITACTION_GOLDENS", ROOT.parent / "shared" / "goldens"))


def goldens_with(*keys):
    """Return the JSON files that have these keys and, beside them, tensors of the same name."""
    return sorted(path for path in goldens_folder().rglob("*.json") if _has(path, keys))


def _has(path, keys):
    if not path.with_suffix(".safetensors").is_file():
        return False
    facts = json.loads(path.read_text())
    return isinstance(facts, dict) and all(key in facts for key in keys)


def tolerance_of(facts, default):
    """Return the absolute tolerance that a golden states for what is compared, else the one of its README."""
    stated = [value for name, value in facts.items() if name.startswith("tolerance") and isinstance(value, float)]
    return stated[0] if stated else default
