"""Several editors on the same pictures: one page has one column per editor, and missing edits have their reasons."""

import json
import re
import shutil

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from flows.commands.scores import compare
from flows.commands.side_by_side import compare_editors
from tests.support.tiny_pipeline import tiny_pipeline


@pytest.fixture(scope="module")
def editors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("editors")
    for seed, name in enumerate(("first", "second")):
        tiny_pipeline(seed=seed).save_pretrained(folder / name)
    return [str(folder / name) for name in ("first", "second")]


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(folder / name)
    return folder


def test_each_row_shows_the_input_and_every_editors_edit(editors, photos, tmp_path):
    out = tmp_path / "page"
    assert compare_editors(editors, str(photos), "take <b>cup</b>", str(out), [0]) == 0
    page = (out / "index.html").read_text()
    assert page.count("<section") == 2
    assert page.count("<img") == 2 * (1 + 2)
    assert "take &lt;b&gt;cup" in page
    assert not re.search(r'(src|href)="https?:', page)
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.png")) == [
        "first/a.png",
        "first/b.png",
        "second/a.png",
        "second/b.png",
    ]


def test_a_picture_that_cannot_be_read_is_counted_and_shown_with_its_reason(editors, photos, tmp_path):
    (photos / "c.png").write_bytes(b"no picture")
    assert compare_editors(editors, str(photos), "take cup", str(tmp_path / "page"), [0]) == 2
    assert "c.png: not a readable picture" in (tmp_path / "page" / "index.html").read_text()


def test_two_editors_of_one_name_have_folders_of_their_own(editors, photos, tmp_path):
    compare_editors([editors[0], editors[0]], str(photos / "a.png"), "take cup", str(tmp_path / "page"), [0])
    assert sorted(path.name for path in (tmp_path / "page").iterdir()) == ["first", "first_2", "index.html"]


@pytest.mark.parametrize("broken", ["typo", "bin", "text-to-image"])
def test_an_editor_that_cannot_be_used_is_said_before_the_first_one_edits(editors, photos, tmp_path, broken):
    other = tmp_path / "other"
    said = {
        "typo": "neither a folder with model_index.json",
        "bin": "only diffusion_pytorch_model.bin",
        "text-to-image": "takes no picture",
    }
    if broken != "typo":
        shutil.copytree(editors[1], other)
    if broken == "bin":
        weights = other / "unet" / "diffusion_pytorch_model.safetensors"
        weights.rename(weights.with_suffix(".bin"))
    if broken == "text-to-image":
        config = other / "unet" / "config.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | {"in_channels": 4}))
    with pytest.raises(ValueError, match=said[broken]):
        compare_editors([editors[0], str(other)], str(photos), "take cup", str(tmp_path / "page"), [0])
    assert not (tmp_path / "page").exists()


def test_one_editor_is_nothing_to_compare(editors, photos, tmp_path):
    with pytest.raises(click.UsageError, match="two editors"):
        compare_editors(editors[:1], str(photos), "take cup", str(tmp_path / "page"), [0])


def test_the_command_writes_the_page_and_ends_with_3_where_an_edit_failed(editors, photos, tmp_path):
    arguments = ["--editor", editors[0], "--editor", editors[1], "--image", str(photos), "--instruction", "take cup"]
    done = CliRunner().invoke(compare, [*arguments, "--out", str(tmp_path / "page"), "--seed", "1"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "page" / "index.html").read_text().count("<img") == 6
    (photos / "c.png").write_bytes(b"no picture")
    assert CliRunner().invoke(compare, [*arguments, "--out", str(tmp_path / "page2")]).exit_code == 3


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["old"],
        ["old", "new", "more"],
        ["old", "new", "--out", "x"],
        ["old", "new", "--editor", "a"],
        ["--editor", "a", "--editor", "b"],
        ["--editor", "a", "--image", "x", "--out", "y"],
    ],
)
def test_runs_and_editors_are_not_mixed_and_what_lacks_is_said(arguments):
    result = CliRunner().invoke(compare, arguments)
    assert result.exit_code == 2
    assert "--editor" in result.stderr
