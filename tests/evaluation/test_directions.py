"""Texts of others on pages: each has its own direction, so that Arabic does not reorder the text beside it."""

import re
from pathlib import Path

import pytest

import evaluation

TEMPLATES = sorted(Path(evaluation.__file__).parent.rglob("*.j2"))
SHOWN = re.compile(r"<([^<>]*)>[^<>]*\{\{\s*[\w.]*instruction\s*\}\}")
"""An instruction in a page's text, and the tag before it. Instructions in attributes have no direction of their own."""


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_an_instruction_stands_in_its_own_direction(path: Path) -> None:
    for tag in SHOWN.findall(path.read_text(encoding="utf-8")):
        assert tag.startswith("bdi") or 'dir="auto"' in tag, tag


def test_instructions_are_shown_by_the_pages_that_are_checked() -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in TEMPLATES}
    showing = {name for name, text in texts.items() if SHOWN.search(text)}
    assert {"contact_sheet.html.j2", "dataset.html.j2", "side_by_side.html.j2"} <= showing
    assert '<figcaption dir="auto" lang="">{% for piece' in texts["parts.html.j2"], "the report's, in coloured pieces"
