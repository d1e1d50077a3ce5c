"""Bars and curves have enough contrast with their background: at least 3 (WCAG 1.4.11), in all themes and in print."""

import itertools
import re

import pytest

from evaluation.pages.page import TEMPLATES
from evaluation.pages.svg import COLOURS

CSS = (TEMPLATES / "report.css").read_text(encoding="utf-8")
DRAWN = ("kept", "filtered", "failed", "curve-1", "curve-2", "curve-3", "curve-4")
GROUNDS = ("paper", "card", "line", "wash", "accent-wash")
"""The backgrounds of bars: the page, a card, a bar's track, a funnel's track, the row of the best."""


def themes() -> list[dict[str, str]]:
    """Return the colours by name: light, dark, and print after each of the two."""
    light, dark, paper = (
        dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{3,6})", block))
        for block in re.findall(r":root {(.*?)}", CSS, re.S)
    )
    dark = light | dark
    return [light, dark, light | paper, dark | paper]


def luminance(colour: str) -> float:
    """Return the relative luminance of #rgb or #rrggbb (WCAG 2.2)."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    shares = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """Return the contrast of two colours, 1 to 21."""
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_the_standard():
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize(("theme", "drawn"), [*itertools.product(range(4), DRAWN)])
def test_what_is_drawn_stands_out_from_all_that_it_lies_on(theme, drawn):
    colours = themes()[theme]
    grounds = GROUNDS if not drawn.startswith("curve") else ("paper", "card")
    contrasts = {ground: round(contrast(colours[drawn], colours[ground]), 2) for ground in grounds}
    assert min(contrasts.values()) >= 3, contrasts


def test_curves_of_svg_files_stand_out_from_white():
    assert min(contrast(name, "#ffffff") for name in COLOURS) >= 3
