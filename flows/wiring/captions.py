"""A JSON file of captions, {segment_id: caption} -> captions of pictures, for the prompt policy caption_plus."""

from pathlib import Path

from modeling.json_text import read_json
from modeling.sheets import MAX_TEXT

MAX_CAPTIONS_BYTES = 256 << 20
"""Largest size of a file of captions."""


def read_captions(path: str | None) -> dict[str, str] | None:
    """Read {segment_id: caption} from a JSON file; ValueError for another content."""
    if path is None:
        return None
    content = read_json(Path(path), at_most=MAX_CAPTIONS_BYTES)
    if not isinstance(content, dict) or not all(isinstance(entry, str) for entry in content.values()):
        raise ValueError(f"{path}: captions are one JSON object, segment_id to caption.")
    too_long = next((name for name, caption in content.items() if len(caption) > MAX_TEXT), None)
    if too_long is not None:
        raise ValueError(f"{path}: the caption of {too_long!r:.80} is longer than {MAX_TEXT} characters.")
    return content
