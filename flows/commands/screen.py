"""All output of commands to the terminal: texts are shown literally and have no effect.

Instructions, names, reasons and warnings come from other people's files. They must not act as rich's markup (`[/]` ends
a style that never began, which is an error), as emoji codes or as terminal codes.
"""

import json
import re
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from modeling.visible import visible

_LAYOUT = "\n"
"""Control characters that our own messages may hold; `styled` makes even these visible in other people's texts."""
_UNSAFE_IN_JSON = re.compile(r"[^\n -~]")


class Screen(Console):
    """A console that reads no text as markup and writes no control character except those of its own styles."""

    def __init__(self, **options: Any):
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text for layout, unchanged."""
        return super().render_str(visible(text, keep=_LAYOUT), **(options | {"markup": False, "emoji": False}))

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the output with all control characters made visible, also in texts of other libraries."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text, keep=_LAYOUT))


# Tables go to a pipe in full width: a program that reads them expects one row per line.
console = Screen(width=None if sys.stdout.isatty() else 160)


def styled(*parts: object) -> Text:
    """Return a line of texts, some with a style: styled("name  ", ("done", "green")). Line breaks are made visible."""
    pairs = [part if isinstance(part, tuple) else (part, "") for part in parts]
    return Text.assemble(*((visible(text), str(style)) for text, style in pairs))


def say(message: object) -> None:
    """Write a message to stderr, behind the command's name."""
    write_error(f"editaction: {message}\n")


def write_error(text: str) -> None:
    """Write a text to stderr; only its line breaks are obeyed."""
    sys.stderr.write(visible(text, keep=_LAYOUT))
    sys.stderr.flush()


def tell(message: object) -> None:
    """Write a line to stdout that another program reads, such as a path; only control characters are changed."""
    sys.stdout.write(f"{visible(message)}\n")


def json_line(value: Any) -> str:
    """Return a value as one line of readable JSON without control characters."""
    return _UNSAFE_IN_JSON.sub(_in_json, json.dumps(value, ensure_ascii=False))


def _in_json(unsafe: re.Match[str]) -> str:
    return unsafe[0] if visible(unsafe[0]) == unsafe[0] else json.dumps(unsafe[0])[1:-1]
