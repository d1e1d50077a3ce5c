"""The page of `editaction try` without a browser: its edits are those of `editaction edit`, and it shows the
commands.
"""

import shlex
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from flows.commands.cli import cli
from modeling.config import SamplingConfig
from modeling.data.images import encode_png, read_image
from modeling.editing.files import open_editor
from modeling.editing.interactive import Asked, edit_as_asked, remarks
from tests.support.tiny_pipeline import drawn_pictures, tiny_pipeline
from tests.test_docs import parse

SAMPLING = SamplingConfig(size_px=16, precision="fp32")
ASKED = Asked(instruction="take the cup's lid", seed=3, image_guidance=1.2, text_guidance=3.4, num_steps=2)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("editor")
    tiny_pipeline().save_pretrained(folder / "pipeline")
    return folder


def test_the_command_that_the_page_tells_makes_the_very_edit_that_it_shows(place, tmp_path, monkeypatch):
    picture = drawn_pictures(1, size_px=24)[0]
    shown = edit_as_asked(open_editor(place, "cpu"), picture, ASKED, SAMPLING)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.png").write_bytes(encode_png(picture))
    command = ASKED.command(str(place))
    parse(command)
    words = [*shlex.split(command)[1:], "--precision", "fp32", "--scheduler", "euler_ancestral", "--device", "cpu"]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    assert np.array_equal(shown, read_image(tmp_path / "out.png"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"instruction": "  "}, "the instruction is empty"),
        ({"seed": -1}, "The seed is -1"),
        ({"num_steps": 0}, "at least 1"),
    ],
)
def test_what_cannot_be_asked_is_one_line(place, changes, said):
    asked = Asked(**{**vars(ASKED), **changes})
    with pytest.raises(ValueError, match=said):
        edit_as_asked(open_editor(place, "cpu"), drawn_pictures(1)[0], asked, SAMPLING)


def test_an_instruction_that_is_cut_off_is_remarked(place):
    editor = open_editor(place, "cpu")
    assert remarks(editor, drawn_pictures(1)[0], "take cup") == []
    (said,) = remarks(editor, drawn_pictures(1)[0], "take the cup " * 40)
    assert "is cut off" in said


def test_without_gradio_the_command_says_in_one_line_how_to_install_it(place, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    done = CliRunner().invoke(cli, ["try", "--editor", str(place)])
    assert isinstance(done.exception, ValueError)
    assert "pip install -e '.[ui]'" in str(done.exception)
