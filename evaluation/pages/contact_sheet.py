"""Candidates for a hand-made test set -> one HTML page to tick them in; it saves the choice as a CSV. No network.

The only script is the page's own: it counts ticks, keeps them over a reload, and writes the file.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.pages.page import data_uri, environment
from modeling.data.images import Picture, squash

SHOWN_PX = 176
"""Side at which pictures are shown: a page of 400 pairs stays below 10 MB."""


@dataclass(frozen=True, kw_only=True)
class ShownCandidate:
    """A pair to choose or not."""

    segment_id: str
    rank: int
    """Rank from 1, the largest shift of the view."""
    camera_shift: float
    """Share of the picture's side."""
    is_doubtful: bool
    """Whether a still view would explain the two pictures nearly as well."""
    instruction: str
    end_point: str
    source: Picture
    """uint8 [H, W, 3]."""
    edited: Picture


@dataclass(frozen=True, kw_only=True)
class ContactSheet:
    """What the page shows."""

    title: str
    num_wanted: int
    """Pairs to choose; 0 when any number will do."""
    num_candidates: int
    """Number of all candidates; the page shows the first of them."""
    candidates: Sequence[ShownCandidate]


def shown(picture: Picture) -> str:
    """Return a picture as a data: address, reduced for the page."""
    return data_uri(squash(picture, SHOWN_PX) if len(picture) > SHOWN_PX else picture)


def render_contact_sheet(sheet: ContactSheet) -> str:
    """Return the page as HTML."""
    env = environment()
    env.filters["shown"] = shown
    return env.get_template("contact_sheet.html.j2").render(sheet=sheet)
