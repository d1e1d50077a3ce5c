"""Pictures of a system that was not run here, in a run of the main job: counted, scored beside the others, shown."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from flows.wiring.job import make_job
from flows.wiring.making import plan
from flows.wiring.request import Request
from modeling.editors.made_before import files_of
from tasks.config import MadeElsewhereConfig, ReportConfig, ScoresConfig
from tasks.edits import edits
from tasks.imports.pictures import outside_pictures
from tasks.report import report
from tasks.scores import scores
from tests.support.drawn_run import DrawnEdits, draw_run
from tests.support.drawn_run import edits as drawn_edits


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a workspace with its run, a folder of the right pictures, and the faults of three of them."""
    workspace = tmp_path_factory.mktemp("workspace")
    run = draw_run(workspace)
    right = drawn_edits.run(tmp_path_factory.mktemp("other"), "t", DrawnEdits(share_right=1.0), shards=run.shards.path)
    folder = tmp_path_factory.mktemp("pictures")
    for row in right.records():
        (folder / str(row["seed"])).mkdir(exist_ok=True)
        shutil.copy(right.path / row["image"], folder / row["image"])
    first, second, third, *_, last = sorted((folder / "0").iterdir())
    shutil.copy(last, folder / "0" / "v9-000099.png")  # of no pair
    Image.fromarray(np.asarray(Image.open(last).resize((96, 96)))).save(last)
    first.unlink()
    Image.fromarray(np.zeros((48, 40, 3), np.uint8)).save(second)
    third.write_bytes(b"no picture")
    return workspace, run, folder


def taken_over(made):
    workspace, run, folder = made
    return edits.run(
        workspace, "demo-kontext", MadeElsewhereConfig(), editor=outside_pictures(folder), shards=run.shards.path
    )


def test_every_pair_and_seed_ends_as_kept_filtered_or_failed_with_its_reason(made):
    counts = taken_over(made).manifest["counts"]
    assert counts["input"] == 20
    assert counts["kept"] == 17
    assert counts["filtered"] == {"edit_missing": 1, "edit_not_square": 1}
    assert counts["failed"] == {"edit_unreadable": 1}


def test_pictures_of_no_test_pair_are_told(made):
    (warning,) = taken_over(made).manifest["facts"]["warnings"]
    assert warning.endswith("1 pictures are of no test pair, such as 'v9-000099'.")


def test_a_picture_smaller_than_its_input_is_left_out_and_a_larger_one_is_squashed(made, tmp_path):
    workspace, run, folder = made
    copied = shutil.copytree(folder, tmp_path / "copied")
    last = sorted((copied / "1").iterdir())[-1]
    Image.fromarray(np.zeros((47, 47, 3), np.uint8)).save(last)
    other = edits.run(
        workspace, "demo-x", MadeElsewhereConfig(), editor=outside_pictures(copied), shards=run.shards.path
    )
    (small,) = (row for row in other.rejected() if row["reason"] == "edit_too_small")
    assert (small["segment_id"], small["seed"], small["status"]) == (last.stem, 1, "filtered")
    assert small["message"].endswith("is smaller than 48 px.")
    assert (last.stem, 0) in {(row["segment_id"], row["seed"]) for row in other.records()}


def test_they_are_a_row_of_the_main_job_s_tables_and_take_no_pair_from_the_other_rows(made):
    workspace, run, _ = made
    inputs = run.scored_inputs() | {"edits_kontext": taken_over(made).path}
    scored = scores.run(workspace, "t", ScoresConfig(), **inputs)
    rows = {row["editor"]: row for row in json.loads((scored.path / "scores.json").read_text())["splits"][0]["rows"]}
    assert rows["kontext"]["nearer_percent"]["num_pairs"] == 7, "those that have a picture under both seeds"
    assert rows["kontext"]["nearer_percent"]["mean"] == 100
    assert rows["editaction"]["nearer_percent"]["num_pairs"] == 10
    assert scored.manifest["counts"]["failed"] == {}
    page = report.run(workspace, "t", ReportConfig(), scores=scored.path, editor=run.editor.path, **inputs)
    html = (page.path / "report.html").read_text()
    assert '<th scope="row">kontext</th>' in html
    shown = {name: html.count(f'<span class="name">{name}</span>') for name in ("kontext", "EditAction")}
    assert 0 < shown["kontext"] < shown["EditAction"], "a pair without a picture is shown without it"


def test_other_pictures_under_the_same_names_are_another_input(made, tmp_path):
    _, _, folder = made
    copied = shutil.copytree(folder, tmp_path / "copied")
    assert outside_pictures(copied).digest == outside_pictures(folder).digest, "their place does not count"
    Image.fromarray(np.ones((48, 48, 3), np.uint8)).save(next((copied / "1").iterdir()))
    assert outside_pictures(copied).digest != outside_pictures(folder).digest


def test_a_run_takes_them_over_beside_its_own_editors(made, tmp_path):
    request = Request(preset="demo", workspace=str(tmp_path), edits={"kontext": str(made[2])})
    steps = plan(make_job(request))
    assert "demo-kontext" in {step.label for step in steps if step.stage == "edits"}
    assert "for shards" in {step.reason for step in steps if step.label == "demo-kontext"}


@pytest.mark.parametrize(
    ("name", "message"),
    [("start", "is taken"), ("editaction", "is taken"), ("a b", "is taken, or"), ("new", "no fold")],
)
def test_names_that_are_taken_and_places_that_are_not_there_are_refused(made, tmp_path, name, message):
    place = tmp_path / "nowhere" if name == "new" else made[2]
    with pytest.raises(ValueError, match=message):
        make_job(Request(preset="demo", workspace=str(tmp_path), edits={name: str(place)}))


def listed(folder, text):
    (folder / "list.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    return files_of(folder / "list.csv")


PLACES = {(0, "v.0.1"): "a/x.png", (1, "v.0.1"): "a/y.png"}


@pytest.mark.parametrize(
    "text",
    [
        "segment_id,seed,picture\nv.0.1,0,a/x.png\nv.0.1,1,a/y.png\n",
        "\ufeffsegment_id;seed;picture\r\nv.0.1;0;a/x.png\r\nv.0.1;1;a/y.png\r\n",
        "sep=;\nsegment_id;seed;picture\nv.0.1;0;a/x.png\nv.0.1;1;a/y.png\n",
        "segment_id\tseed\tpicture\nv.0.1\t0\ta/x.png\nv.0.1\t1\ta/y.png\n",
        "Segment_ID, Seed , picture\n v.0.1 ,0.0,a/x.png\nv.0.1,1.0, a/y.png\n,,\n",
        ",segment_id,seed,picture\n0,v.0.1,0.0,a/x.png\n1,v.0.1,1.0,a/y.png\n",
    ],
)
def test_a_list_of_pictures_is_read_as_spreadsheets_and_pandas_write_it(text, tmp_path):
    assert listed(tmp_path, text) == {place: tmp_path / name for place, name in PLACES.items()}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("segment_id,picture,picture\nv,a,b\n", "column 'picture' is there twice"),
        ("segment_id,picture\nv,a,b\n", "no more cells than the header"),
        ("segment_id,seed,picture\nv,1.5,a\n", "row 1: wants"),
        ("segment_id,seed,picture\nv,-1,a\n", "row 1: wants"),
        ("segment_id,seed,picture\nv,0,a\nv,0.0,b\n", "'v' with seed 0 is there twice"),
        ("segment,picture\nv,a\n", "lacks the column segment_id; .* has segment, picture"),
    ],
)
def test_a_list_that_leaves_a_question_open_is_refused(text, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        listed(tmp_path, text)


def test_what_macos_keeps_beside_pictures_is_none_and_bitmaps_are_some(tmp_path):
    (tmp_path / "0").mkdir()
    for name in ("v.1.bmp", "v.2.png", "._v.2.png", "v.3.tif"):
        (tmp_path / "0" / name).write_bytes(b"x")
    assert set(files_of(tmp_path)) == {(0, "v.1"), (0, "v.2")}
    (tmp_path / "v.2.webp").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"0/v\.2\.png and v\.2\.webp are both of v\.2, seed 0"):
        files_of(tmp_path)


def test_pictures_under_other_names_are_told_with_the_names_that_are_wanted(made, tmp_path):
    workspace, run, folder = made
    shutil.copytree(folder / "0", tmp_path / "seed_0")
    with pytest.raises(ValueError, match=r"such as 'v.*'seed_0/v"):
        edits.run(workspace, "demo-y", MadeElsewhereConfig(), editor=outside_pictures(tmp_path), shards=run.shards.path)
