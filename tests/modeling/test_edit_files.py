"""Editing files: one picture, a folder, a CSV, shards."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from flows.commands.cli import cli
from modeling.config import SamplingConfig
from modeling.data.images import encode_png, read_image, read_note
from modeling.editing.files import edit_files
from modeling.editing.requests import plan_requests
from tests.support.tiny_pipeline import INSTRUCTIONS, SIZE_PX, drawn_pictures, tiny_pipeline, write_examples

SAMPLING = SamplingConfig(num_steps=2, precision="fp32", text_guidance=2.0)


@pytest.fixture(scope="module")
def editor(tmp_path_factory):
    """Make a folder like that of an editor artifact."""
    folder = tmp_path_factory.mktemp("editor")
    tiny_pipeline().save_pretrained(folder / "pipeline")
    return folder


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, picture in zip(("a.png", "b.png"), drawn_pictures(2, size_px=24), strict=True):
        (folder / name).write_bytes(encode_png(picture))
    (folder / "notes.txt").write_text("no picture")
    return folder


def edit(editor, image, out, instruction="take cup", **options):
    return edit_files(
        editor=editor, image=image, instruction=instruction, out=out, sampling=SAMPLING, device="cpu", **options
    )


def statuses(outcomes):
    return [outcome.status for outcome in outcomes]


def test_one_picture_is_edited_at_the_editors_own_size_and_says_how(editor, photos, tmp_path):
    (outcome,) = edit(editor, photos / "a.png", tmp_path / "new" / "out.png")
    assert (outcome.status, outcome.request.out) == ("edited", tmp_path / "new" / "out.png")
    assert read_image(outcome.request.out).shape == (SIZE_PX, SIZE_PX, 3)
    note = json.loads(read_note(outcome.request.out))
    assert (note["instruction"], note["seed"], note["sampling"]["text_guidance"]) == ("take cup", 0, 2.0)


def test_the_same_again_is_skipped_and_anything_else_is_never_written_over(editor, photos, tmp_path):
    out = tmp_path / "out.png"
    edit(editor, photos / "a.png", out)
    first = out.read_bytes()
    assert statuses(edit(editor, photos / "a.png", out)) == ["skipped"]
    for other in ({"instruction": "open the cupboard"}, {"seeds": [1]}, {"size_px": 32}, {"image": photos / "b.png"}):
        with pytest.raises(ValueError, match="is there already and was made otherwise"):
            edit(**({"editor": editor, "image": photos / "a.png", "out": out} | other))
    assert out.read_bytes() == first
    assert statuses(edit(editor, photos / "a.png", out, seeds=[1], overwrite=True)) == ["edited"]
    assert out.read_bytes() != first


@pytest.mark.parametrize("name", ["o.webp", "o.gif", "deep/o.TIFF"])
def test_a_name_that_ends_like_another_picture_is_refused_and_becomes_no_folder(name, photos, tmp_path):
    with pytest.raises(ValueError, match=r"written as \.png or \.jpg or \.jpeg"):
        plan_requests(photos / "a.png", "take cup", tmp_path / name, [0])
    (tmp_path / "there.gif").mkdir()
    (request,) = plan_requests(photos / "a.png", "take cup", tmp_path / "there.gif", [0])
    assert request.out == tmp_path / "there.gif" / "a.png"


@pytest.mark.parametrize("name", ["o.jpg", "o.JPEG"])
def test_a_name_that_ends_in_jpg_is_written_as_jpeg_and_taken_up_again(name, editor, photos, tmp_path):
    out = tmp_path / name
    assert statuses(edit(editor, photos / "a.png", out)) == ["edited"]
    assert out.read_bytes().startswith(b"\xff\xd8\xff")
    assert [path.name for path in tmp_path.glob("o.*")] == [name]
    assert statuses(edit(editor, photos / "a.png", out)) == ["skipped"]
    with pytest.raises(ValueError, match="is there already and was made otherwise"):
        edit(editor, photos / "a.png", out, seeds=[1])


def test_a_csv_names_jpegs_too(editor, photos, tmp_path):
    csv = photos / "edits.csv"
    csv.write_text("image,instruction,out\na.png,take cup,deep/first.jpg\n")
    edit(editor, csv, tmp_path / "out", instruction=None)
    assert (tmp_path / "out" / "deep" / "first.jpg").read_bytes().startswith(b"\xff\xd8\xff")


def test_a_folder_is_edited_picture_by_picture_and_seed_by_seed(editor, photos, tmp_path):
    told = []
    outcomes = edit(editor, photos, tmp_path / "out", seeds=[0, 5], on_progress=lambda *done: told.append(done))
    names = [outcome.request.out.name for outcome in outcomes]
    assert names == ["a-seed0.png", "a-seed5.png", "b-seed0.png", "b-seed5.png"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(names)
    assert told[-1] == (4, 4)


def test_only_what_is_missing_is_edited_and_the_rest_left_as_it_is(editor, photos, tmp_path):
    edit(editor, photos, tmp_path / "out")
    whole = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    (tmp_path / "out" / "b.png").unlink()
    assert statuses(edit(editor, photos, tmp_path / "out")) == ["skipped", "edited"]
    assert whole == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}


def test_a_csv_gives_each_picture_its_instruction_seed_and_name(editor, photos, tmp_path):
    csv = photos / "edits.csv"
    csv.write_text("image,instruction,seed,out\na.png,take cup,7,first\nb.png,open the cupboard,,deep/second.png\n")
    outcomes = edit(editor, csv, tmp_path / "out", instruction=None, seeds=[3])
    assert [
        (outcome.request.seed, outcome.request.out.relative_to(tmp_path / "out").as_posix()) for outcome in outcomes
    ] == [
        (7, "first.png"),
        (3, "deep/second.png"),
    ]
    alone = tmp_path / "alone.png"
    edit(editor, photos / "a.png", alone, seeds=[7])
    difference = read_image(alone).astype(int) - read_image(tmp_path / "out" / "first.png")
    assert np.abs(difference).max() <= 1


def test_each_example_of_shards_is_edited_as_its_own_instruction_says(editor, tmp_path):
    shards = write_examples(tmp_path / "shards", count=3)
    outcomes = edit(editor, shards, tmp_path / "out", instruction=None)
    names = [f"P01_01-{number:06d}.png" for number in range(3)]
    assert [outcome.request.out.name for outcome in outcomes] == names
    assert [outcome.request.instruction for outcome in outcomes] == list(INSTRUCTIONS[:3])
    source = tmp_path / "source.png"
    source.write_bytes(encode_png(drawn_pictures(6)[2]))  # the picture of the second example
    edit(editor, source, tmp_path / "alone.png", instruction=INSTRUCTIONS[1])
    np.testing.assert_array_equal(read_image(tmp_path / "alone.png"), read_image(tmp_path / "out" / names[1]))
    (tmp_path / "out" / names[2]).unlink()
    again = edit(editor, shards / "train-000000.tar", tmp_path / "out", instruction=None)
    assert statuses(again) == ["skipped", "skipped", "edited"]


def test_a_bad_example_fails_alone_and_shards_take_no_instruction(editor, tmp_path):
    shards = write_examples(tmp_path / "shards", count=3)
    with pytest.raises(ValueError, match="bring their own instructions"):
        edit(editor, shards, tmp_path / "out", instruction="take cup")
    tar = shards / "train-000000.tar"
    content = tar.read_bytes()
    second = content.index(b"\x89PNG", content.index(b"P01_01-000001.source.png"))
    tar.write_bytes(content[: second + 20] + bytes(30) + content[second + 50 :])
    outcomes = edit(editor, shards, tmp_path / "out", instruction=None)
    assert statuses(outcomes) == ["edited", "failed", "edited"]
    assert "P01_01-000001.source: not a readable picture" in outcomes[1].message
    assert str(outcomes[1].request.image) == "example P01_01-000001"


def test_the_batch_size_changes_no_edit_and_makes_it_no_other_edit(editor, photos, tmp_path):
    told = []
    edit(editor, photos, tmp_path / "out", batch_size=1, on_progress=lambda *done: told.append(done))
    assert told == [(1, 2), (2, 2)]
    assert statuses(edit(editor, photos, tmp_path / "out", batch_size=2)) == ["skipped", "skipped"]
    edit(editor, photos, tmp_path / "again", batch_size=2)
    for name in ("a.png", "b.png"):
        difference = read_image(tmp_path / "out" / name).astype(int) - read_image(tmp_path / "again" / name)
        assert np.abs(difference).max() <= 1


def test_a_bad_picture_among_many_fails_alone(editor, photos, tmp_path):
    (photos / "a.png").write_bytes(b"no picture")
    csv = photos / "edits.csv"
    csv.write_text("image,instruction\na.png,take cup\nnone.png,take cup\nb.png,take cup\n")
    outcomes = edit(editor, csv, tmp_path / "out", instruction=None)
    assert statuses(outcomes) == ["failed", "failed", "edited"]
    assert "not a readable picture" in outcomes[0].message
    assert "there is no such picture" in outcomes[1].message


def test_the_aspect_ratio_can_be_kept(editor, photos, tmp_path):
    (photos / "wide.png").write_bytes(encode_png(np.zeros((10, 20, 3), np.uint8)))
    edit(editor, photos / "wide.png", tmp_path / "wide.png", keep_aspect=True)
    assert read_image(tmp_path / "wide.png").shape == (SIZE_PX, 2 * SIZE_PX, 3)


@pytest.mark.parametrize(
    ("options", "scales"),
    [
        (["--guidance", "paper"], (1.0, 7.5)),
        (["--guidance", "ip2p"], (1.5, 7.5)),
        (["--guidance", "ip2p", "--text-guidance", "3"], (1.5, 3.0)),
        (["--image-guidance", "1.2", "--text-guidance", "2"], (1.2, 2.0)),
    ],
)
def test_the_command_takes_guidance_by_name_and_each_scale_by_itself(options, scales, editor, photos, tmp_path):
    arguments = ["--editor", editor, "--image", photos, "--instruction", "take cup", "--out", tmp_path / "out"]
    arguments += ["--steps", "1", "--scheduler", "dpmpp_2m", "--batch-size", "1", "--device", "cpu", *options]
    done = CliRunner().invoke(cli, ["edit", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0
    assert [line for line in done.stdout.splitlines() if line.startswith("edits: ")] == [
        "edits: 1 of 2",
        "edits: 2 of 2",
    ]
    sampling = json.loads(read_note(tmp_path / "out" / "a.png"))["sampling"]
    assert (sampling["image_guidance"], sampling["text_guidance"]) == scales
    assert (sampling["scheduler"], sampling["num_steps"]) == ("dpmpp_2m", 1)


def test_a_missing_picture_editor_or_instruction_is_named(editor, photos, tmp_path):
    out = tmp_path / "out.png"
    with pytest.raises(ValueError, match=r"none\.png: there is no such picture"):
        edit(editor, photos / "none.png", out)
    with pytest.raises(ValueError, match=r"notes\.txt: not a readable picture"):
        edit(editor, photos / "notes.txt", out)
    with pytest.raises(ValueError, match="neither a folder with model_index"):
        edit(tmp_path / "no-editor", photos / "a.png", out)
    with pytest.raises(ValueError, match="No instruction"):
        edit(editor, photos / "a.png", out, instruction=" ")
    with pytest.raises(ValueError, match="multiple of 2"):
        edit(editor, photos / "a.png", out, size_px=15)
    assert not out.exists()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("picture,instruction\na.png,take cup\n", "columns are picture, instruction"),
        ("image,instruction\n", "no rows"),
        ("image,instruction\na.png,\n", "row 1: a row has an image and an instruction"),
        ("image,instruction\na.png,take cup,3\n", "row 1: a row has"),
        ("image,instruction,seed\na.png,take cup,one\n", "row 1: seed is 'one'"),
        ("image,instruction,out\na.png,take cup,../up\n", "row 1: out is '../up'"),
        ("image,instruction,out\na.png,take cup,/etc/x\n", "row 1: out is '/etc/x'"),
        ("image,instruction\na.png,take cup\na.png,open\n", "Several edits would be written to"),
    ],
)
def test_a_bad_csv_is_refused_with_its_row(rows, message, photos, tmp_path):
    (photos / "edits.csv").write_text(rows)
    with pytest.raises(ValueError, match=message):
        plan_requests(photos / "edits.csv", None, tmp_path / "out", [0])


def test_edits_never_replace_their_own_sources(photos):
    with pytest.raises(ValueError, match="would be written over"):
        plan_requests(photos, "take cup", photos, [0])


def test_a_text_to_image_pipeline_is_refused_as_an_editor(photos, tmp_path):
    tiny_pipeline(in_channels=4).save_pretrained(tmp_path / "sd")
    with pytest.raises(ValueError, match="takes no picture, so every picture would give the same edit"):
        edit(tmp_path / "sd", photos, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_cut_off_an_instruction_is_said_on_stderr(editor, photos, tmp_path):
    long = "take the cup from the table and then put the plate on the left table and close the cupboard"
    arguments = ["edit", "--editor", str(editor), "--image", str(photos / "a.png"), "--out", str(tmp_path / "o.png")]
    result = CliRunner().invoke(cli, [*arguments, "--instruction", long, "--device", "cpu", "--steps", "1"])
    assert result.exit_code == 0
    assert "longer than the text encoder reads" in result.stderr
    assert "close the cupboard" in result.stderr


@pytest.mark.parametrize("device", ["cuda", "cuda:7", "gpu"])
def test_a_device_that_is_not_here_is_a_line_before_any_work(device, editor, photos, tmp_path):
    if device != "gpu" and torch.cuda.is_available():
        pytest.skip("this machine has them")
    with pytest.raises(ValueError, match=rf"Device '{device}' cannot be used here: .*--device auto or cpu"):
        edit_files(editor=editor, image=photos, instruction="take cup", out=tmp_path / "out", device=device)
