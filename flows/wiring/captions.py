"""A JSON file of captions, {segment_id: caption} -> captions of pictures, for the prompt policy caption_plus."""

from pathlib import Path

from modeling.json_text import read_json
from modeling.sheets import MAX_TEXT

MAX_CAPTIONS_BYTES = 256 << 20
"""Largest size of a file of captions."""
LAYOUT = 'Captions (text_editors.captions) are one JSON object in UTF-8: {"SEGMENT_ID": "what the picture shows"}.'
"""What is said of a file of another layout."""


def read_captions(path: str | None) -> dict[str, str] | None:
    """Read {segment_id: caption} from a JSON file; ValueError for another content."""
    if path is None:
        return None
    try:
        content = read_json(Path(path), at_most=MAX_CAPTIONS_BYTES)
    except ValueError as error:
        raise ValueError(f"{error} {LAYOUT}") from error
    if not isinstance(content, dict) or not all(isinstance(entry, str) for entry in content.values()):
        raise ValueError(f"{path}: {LAYOUT}")
    too_long = next((name for name, caption in content.items() if len(caption) > MAX_TEXT), None)
    if too_long is not None:
        raise ValueError(f"{path}: the caption of {too_long!r:.80} is longer than {MAX_TEXT} characters.")
    return content
