"""Pictures and what several editors made of them -> one HTML page: a row for each picture and instruction."""

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.pages.contact_sheet import shown
from evaluation.pages.page import environment
from modeling.data.images import Picture


@dataclass(frozen=True, kw_only=True)
class ComparedRow:
    """One picture with every editor's edit of it."""

    name: str
    """Name of the picture's file, or of the example."""
    instruction: str
    seed: int
    source: Picture
    """uint8 [H, W, 3]."""
    edits: Sequence[Picture | None]
    """One for each editor, in their order; None where it could not be made."""
    reasons: Sequence[str]
    """Why an edit is missing, one for each editor; "" where it is there."""


@dataclass(frozen=True, kw_only=True)
class SideBySide:
    """What the page shows."""

    title: str
    editors: Sequence[str]
    """Names of the editors, which are the columns of the page."""
    recipes: Sequence[str]
    """Settings of each editor: steps, guidance, side."""
    rows: Sequence[ComparedRow]


def render_side_by_side(page: SideBySide) -> str:
    """Return the page as HTML; it needs no network and no script."""
    env = environment()
    env.filters["shown"] = shown
    return env.get_template("side_by_side.html.j2").render(page=page)
