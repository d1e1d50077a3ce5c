"""The one place through which commands write to a terminal: texts are shown as they are, and do nothing.

Instructions, names, reasons and warnings come from files of others. They are no markup of rich's (`[/]` ends a style
that was never begun, which is an error), no emoji codes and no terminal codes.
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
"""What messages of our own may hold; texts of others go through `styled`, where it is made visible, too."""
_UNSAFE_IN_JSON = re.compile(r"[^\n -~]")


class Screen(Console):
    """A console that takes no text for markup and lets no control character through but those of its own styles."""

    def __init__(self, **options: Any):
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text to be laid out, as it is."""
        return super().render_str(visible(text, keep=_LAYOUT), **(options | {"markup": False, "emoji": False}))

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield what is written: of texts that were made elsewhere, too, only what can be seen."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text, keep=_LAYOUT))


# Tables go to a pipe in full width: what reads them there counts on one row a line.
console = Screen(width=None if sys.stdout.isatty() else 160)


def styled(*parts: object) -> Text:
    """Return a line of texts, some with a style: styled("name  ", ("done", "green")). Line breaks are made visible."""
    pairs = [part if isinstance(part, tuple) else (part, "") for part in parts]
    return Text.assemble(*((visible(text), str(style)) for text, style in pairs))


def say(message: object) -> None:
    """Write a message to stderr, behind the command's name."""
    sys.stderr.write(f"editaction: {visible(message, keep=_LAYOUT)}\n")
    sys.stderr.flush()


def json_line(value: Any) -> str:
    """Return a value as JSON in one line that can be read by people, and holds no control character."""
    return _UNSAFE_IN_JSON.sub(_in_json, json.dumps(value, ensure_ascii=False))


def _in_json(found: re.Match[str]) -> str:
    return found[0] if visible(found[0]) == found[0] else json.dumps(found[0])[1:-1]
