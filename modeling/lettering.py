"""A text of any script -> written on a picture, in fonts of this system for signs that Pillow's own font lacks.

Pillow's own font has English letters and few others; for a sign that it lacks it draws a box. The program `fc-match`
(fontconfig, on nearly every Linux with fonts) names the font of this system with the most of the lacking signs. Where
no font has most of a text's signs, another text is written in its place. A picture thus depends on the system's fonts,
but only where an instruction is in another script.
"""

import subprocess
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from PIL import ImageDraw, ImageFont
from PIL.ImageFont import FreeTypeFont

from modeling.visible import visible

JOINERS = "\u200c\u200d"
"""Zero-width signs that shape words of Persian and Hindi; they are kept."""
MAX_WAIT_S = 10.0
"""Longest wait for `fc-match`, which takes 0.03 s."""
_NOBODY_HAS = "\U0010fffe"
"""No character: every font draws what it draws for signs that it lacks."""

Piece = tuple[str, str]
"""A part of a text, and its colour."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A stretch of a text that is drawn in one font."""

    text: str
    ink: str
    font: FreeTypeFont


def letter(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    pieces: Sequence[Piece],
    *,
    size_px: int,
    room_px: float,
    instead: str = "",
) -> None:
    """Write the pieces of one line with its left upper corner at `at`, cut to `room_px` with a "…".

    A line whose first letter is of Arabic or Hebrew begins at the right end of its words. `instead` is written where no
    font here has at least half of the signs; single signs that no font has are written as their codes.
    """
    plain = [(visible(unicodedata.normalize("NFC", text), keep=JOINERS), ink) for text, ink in pieces]
    whole = "".join(text for text, _ in plain)
    if not whole:
        return
    fonts = fonts_for(whole, size_px)
    lacking = _lacking(whole, fonts)
    if len(lacking) > len(set(whole) - lacking) and instead:
        plain, whole, lacking = [(visible(instead), plain[0][1])], instead, set()
    written = [("".join(_code(sign) if sign in lacking else sign for sign in text), ink) for text, ink in plain]
    runs = _cut([run for text, ink in written for run in _runs(text, ink, fonts)], room_px, fonts)
    left, baseline = at[0], at[1] + fonts[0].getmetrics()[0]
    for run in _turned(runs) if _is_right_to_left(whole) else runs:
        draw.text((left, baseline), run.text, fill=run.ink, font=run.font, anchor="ls")
        left += run.font.getlength(run.text)


def fonts_for(text: str, size_px: int) -> list[FreeTypeFont]:
    """Return Pillow's own font, and those of the system that together have all signs of a text that any has."""
    own = _own_font(size_px)
    fonts = [own]
    lacking = _lacking(text, fonts)
    while lacking:
        font = _system_font(" ".join(f"{ord(sign):x}" for sign in sorted(lacking)), size_px)
        rest = lacking if font is None else _lacking(text, [*fonts, font])
        if font is None or rest == lacking:
            break
        fonts.append(font)
        lacking = rest
    return fonts


@lru_cache(maxsize=8)
def _own_font(size_px: int) -> FreeTypeFont:
    font = ImageFont.load_default(size=size_px)
    assert isinstance(font, FreeTypeFont), "Pillow's wheels bring FreeType"
    return font


@lru_cache(maxsize=256)
def _system_font(codes: str, size_px: int) -> FreeTypeFont | None:
    """Return the font of this system with the most of these signs (hexadecimal codes); None where there is none."""
    asked = ["fc-match", "--format", "%{file}\n%{index}", f"sans-serif:charset={codes}"]
    try:
        told = subprocess.run(asked, capture_output=True, timeout=MAX_WAIT_S, check=True).stdout
        file, index = told.decode().split("\n")
        # The high bits of an index name an instance of a variable font.
        return ImageFont.truetype(file, size_px, index=int(index) & 0xFFFF)
    except (OSError, subprocess.SubprocessError, ValueError):  # no program, no font, or one of pictures of one size
        return None


def _lacking(text: str, fonts: Sequence[FreeTypeFont]) -> set[str]:
    """Return the signs of a text that are in none of the fonts. Blanks and joiners are not drawn."""
    signs = {sign for sign in text if not sign.isspace() and sign not in JOINERS}
    return {sign for sign in signs if all(_lacks(font, sign) for font in fonts)}


@lru_cache(maxsize=4096)
def _lacks(font: FreeTypeFont, sign: str) -> bool:
    masks = [font.getmask(drawn) for drawn in (sign, _NOBODY_HAS)]
    return masks[0].size == masks[1].size and bytes(masks[0]) == bytes(masks[1])


def _runs(text: str, ink: str, fonts: Sequence[FreeTypeFont]) -> list[Run]:
    """Return the stretches of one font each. A letter and its marks are drawn in a font that has them all."""
    runs: list[Run] = []
    for cluster in _clusters(text):
        if runs and cluster.isspace():
            font = runs[-1].font
        else:
            having = (font for font in fonts if not _lacking(cluster, [font]))
            font = next(having, next((font for font in fonts if not _lacks(font, cluster[0])), fonts[0]))
        shown = "".join(sign for sign in cluster if sign not in JOINERS or not _lacks(font, sign))
        if runs and runs[-1].font is font:
            runs[-1] = Run(text=runs[-1].text + shown, ink=ink, font=font)
        else:
            runs.append(Run(text=shown, ink=ink, font=font))
    return runs


def _clusters(text: str) -> list[str]:
    """Return the letters of a text, each with the marks and joiners behind it."""
    clusters: list[str] = []
    for sign in text:
        if clusters and (sign in JOINERS or unicodedata.category(sign).startswith("M")):
            clusters[-1] += sign
        else:
            clusters.append(sign)
    return clusters


def _cut(runs: list[Run], room_px: float, fonts: Sequence[FreeTypeFont]) -> list[Run]:
    """Return the runs that fit, or those that fit before a "…"."""
    end = Run(text="…", ink=runs[-1].ink, font=next((font for font in fonts if not _lacks(font, "…")), fonts[0]))
    if sum(run.font.getlength(run.text) for run in runs) <= room_px:
        return runs
    room = room_px - end.font.getlength(end.text)
    kept: list[Run] = []
    for run in runs:
        text = run.text
        while text and run.font.getlength(text) > room:
            text = text[:-1]
        kept.append(Run(text=text, ink=run.ink, font=run.font))
        room -= run.font.getlength(text)
        if text != run.text:
            break
    return [*kept, end]


def _turned(runs: list[Run]) -> list[Run]:
    """Return the runs in the order in which they stand in a line that begins at its right end.

    A blank behind English words is on their left then, so it becomes a run of its own.
    """
    parted = []
    for run in runs:
        words = run.text.rstrip()
        parted += [Run(text=text, ink=run.ink, font=run.font) for text in (words, run.text[len(words) :])]
    return parted[::-1]


def _is_right_to_left(text: str) -> bool:
    """Tell whether the first letter that has a direction is one of Arabic, Hebrew or the like."""
    directions = (unicodedata.bidirectional(sign) for sign in text)
    return next((strong for strong in directions if strong in ("L", "R", "AL")), "L") != "L"


def _code(sign: str) -> str:
    return f"U+{ord(sign):04X}"
