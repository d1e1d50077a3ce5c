"""JSON text from an untrusted source -> plain values, or ValueError; no other exception is raised."""

import json
from pathlib import Path
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text. ValueError when it is no JSON, is nested too deep, or holds invalid Unicode.

    Python's own reader raises RecursionError for "[[[[...", and lets half a surrogate pair through, which no file can
    hold later.
    """
    try:
        value = json.loads(text)
        if b"\\ud" in (text.lower() if isinstance(text, bytes) else text.lower().encode(errors="surrogatepass")):
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    except UnicodeEncodeError as error:
        raise ValueError("it holds half of a surrogate pair, which is no Unicode text") from error
    return value


def parse_file(path: Path, *, at_most: int) -> Any:
    """Return the value of a JSON file of up to `at_most` bytes; ValueError, without the file's name, for another one.

    OSError when it cannot be read.
    """
    if path.stat().st_size > at_most:
        raise ValueError(f"it has more than {at_most} bytes")
    return parse_json(path.read_bytes())


def read_json(path: Path, *, at_most: int) -> Any:
    """Return the value of a JSON file of up to `at_most` bytes; ValueError, which names the file, for another one."""
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file.")
    if (size := path.stat().st_size) > at_most:
        raise ValueError(f"{path}: {size} bytes; this file has at most {at_most}.")
    try:
        return parse_json(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"{path}: this is no JSON ({error}).") from error


MAX_CONFIG_BYTES = 1 << 20
"""Largest config of a model; real ones have some KB."""


def read_config(path: Path) -> dict[str, Any]:
    """Return a model's config, a JSON object; ValueError, which names the file, for another value."""
    content = read_json(path, at_most=MAX_CONFIG_BYTES)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: a config is an object, and this is a {type(content).__name__}.")
    return content
