"""Texts of others in written tables and figures, addresses of stores, and tables of static edits."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from evaluation.human_study.text_tables import as_csv, as_latex, as_markdown
from evaluation.pages.charts import Curve, Figure
from evaluation.pages.svg import svg_of
from tasks.annotations.triples import read_triples
from tasks.artifacts.storage import Storage

NASTY = "a\0\u202e\x1b[31m}{\\end{tabular}[x](http://a)![y](http://b)|`<b>\nz"


@pytest.mark.parametrize("write", [as_csv, as_latex, as_markdown])
def test_control_characters_are_visible_in_every_table(write):
    text = write([{"a": NASTY}])
    assert not set("\0\u202e\x1b") & set(text)
    assert r"\x00" in text or r"\textbackslash{}x00" in text


def test_a_cell_closes_no_environment_of_latex_and_makes_no_link_of_markdown():
    latex, markdown = as_latex([{"a": NASTY}]), as_markdown([{"a": NASTY}])
    assert latex.count("\\end{tabular}") == 1
    assert latex.splitlines()[4].endswith("z \\\\")
    assert r"\}\{\textbackslash{}end\{tabular\}" in latex
    assert r"\[x\](http" in markdown
    assert len(markdown.splitlines()) == 3


def test_a_figure_of_any_name_is_xml():
    curve = Curve(name=NASTY, points="0,0", last="")
    sides = dict.fromkeys(("width", "height", "left", "right", "top", "bottom"), 10)
    figure = Figure(title=NASTY, note="", curves=[curve], x_ticks=[], y_ticks=[], **sides)
    assert ElementTree.fromstring(svg_of(figure)) is not None


@pytest.mark.parametrize("address", ["github://a/b", "reference://x", "dir://x", "generic://x", "FILE:///tmp/x"])
def test_an_address_that_no_store_has_is_refused_in_one_line(address):
    with pytest.raises(ValueError, match=rf"--store {address}: fsspec"):
        Storage(address)


@pytest.mark.parametrize("text", [["a"], {"a": 1}, "x" * 10_001, "\ud800"])
@pytest.mark.parametrize("name", ["picture", "instruction", "id"])
def test_a_cell_of_a_static_edit_that_is_no_text_is_told_by_its_row(text: object, name: str, tmp_path: Path):
    row = {"picture": "a.png", "instruction": "open it", "expected": "b.png"}
    (tmp_path / "t.json").write_text(json.dumps([row, row | {name: text}]), encoding="utf-8")
    with pytest.raises(ValueError, match=rf"t\.json, row 2: {name} "):
        read_triples(tmp_path / "t.json")
