"""An editor is asked for static edits again: what it carries out, what it keeps, what fails, and what a kill costs."""

import json
from dataclasses import replace

import numpy as np
import pytest

from evaluation.kitchen.world import draw
from evaluation.metrics.fid import StandInNetwork
from evaluation.scoring.static_edits import forgetting_content, judge_scene, judge_triples
from flows.wiring.job import make_job
from flows.wiring.outside_inputs import outside_start
from flows.wiring.presets import STARTING_EDITOR, demo
from flows.wiring.request import Request
from modeling.config import SamplingConfig
from modeling.data.images import encode_png
from tasks.annotations.triples import outside_triples, read_triples
from tasks.config import ForgettingConfig, StaticScenesConfig
from tasks.forgetting import drawn_scenes, forgetting
from tests.support.tiny_pipeline import SIZE_PX, tiny_start
from tests.support.watchers import watched

SAMPLING = SamplingConfig(size_px=SIZE_PX, num_steps=2, precision="fp32", text_guidance=1.0)
CONFIG = ForgettingConfig(scenes=StaticScenesConfig(num_scenes=30), sampling=SAMPLING)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return tiny_start(tmp_path_factory.mktemp("start"))


@pytest.fixture
def triples(tmp_path):
    """Return a table of three triples whose expected picture is brighter in one corner."""
    rng, lines = np.random.default_rng(0), ["picture,instruction,expected,group"]
    for number in range(3):
        picture = rng.integers(0, 120, (SIZE_PX, SIZE_PX, 3), dtype=np.uint8)
        expected = picture.copy()
        expected[: SIZE_PX // 4, : SIZE_PX // 4] = 250
        (tmp_path / f"{number}.png").write_bytes(encode_png(picture))
        (tmp_path / f"{number}_expected.png").write_bytes(encode_png(expected))
        lines.append(f"{number}.png,make the corner white,{number}_expected.png,film{number // 2}")
    table = tmp_path / "triples.csv"
    table.write_text("\n".join(lines) + "\n")
    return table


def test_the_oracle_tells_a_static_edit_that_is_done_from_one_that_is_not():
    for asked in drawn_scenes(StaticScenesConfig(num_scenes=12)):
        edit = asked.what
        assert judge_scene(edit, draw(edit.after, 0)) == {"carried_out": True, "kept": True}, asked.instruction
        assert not judge_scene(edit, draw(edit.before, 0))["carried_out"], asked.instruction


def test_scenes_depend_on_their_seed_and_place_alone():
    few, many = (drawn_scenes(StaticScenesConfig(num_scenes=number)) for number in (3, 9))
    assert many[:3] == few
    other = drawn_scenes(StaticScenesConfig(num_scenes=3, seed=1))
    assert all(scene.what not in [asked.what for asked in few] for scene in other)
    assert {asked.kind for asked in drawn_scenes(StaticScenesConfig())} == {"recolour", "add", "remove", "replace"}


def test_a_copy_carries_out_nothing_and_the_expected_picture_all():
    rng = np.random.default_rng(1)
    inputs = [rng.integers(0, 255, (48, 48, 3), dtype=np.uint8) for _ in range(3)]
    expected = [picture.copy() for picture in inputs]
    for picture in expected:
        picture[:12, :12] = 255 - picture[:12, :12]
    wrecked = [255 - picture for picture in expected]
    network = StandInNetwork()
    for edits, carried_out, kept in ((inputs, False, True), (expected, True, True), (wrecked, False, False)):
        records = judge_triples(network, inputs, expected, edits, 20.0)
        assert [(record["carried_out"], record["kept"]) for record in records] == [(carried_out, kept)] * 3
    (same,) = judge_triples(network, inputs[:1], inputs[:1], inputs[:1], 20.0)
    assert same["carried_out"] is None  # no change was asked for


def test_the_starting_editor_still_knows_its_static_edits(tmp_path):
    config = ForgettingConfig(scenes=StaticScenesConfig(num_scenes=6), sampling=demo().edits.sampling)
    made = forgetting.run(tmp_path, "t", config, editor=outside_start(str(STARTING_EDITOR)))
    content = json.loads((made.path / "forgetting.json").read_text())
    assert content["carried_out"]["mean"] == content["kept"]["mean"] == 100.0
    assert content["carried_out"]["num_scenes"] == 6
    assert content["carried_out"]["low"] < 100  # six scenes prove little


def test_a_run_that_was_cut_off_asks_the_rest_alone_and_counts_every_scene(tmp_path, start):
    whole = forgetting.run(tmp_path / "whole", "t", CONFIG, editor=start)
    with watched(cut_off=("forgetting", 24)), pytest.raises(KeyboardInterrupt):
        forgetting.run(tmp_path, "t", CONFIG, editor=start)
    made = forgetting.run(tmp_path, "t", CONFIG, editor=start)
    assert made.manifest["items"] == {"total": 2, "run": 1}
    assert list(made.records()) == list(whole.records())
    assert made.manifest["funnel"] == {"scenes": 30, "judged": 30}


def test_a_triple_without_its_picture_fails_alone(tmp_path, start, triples):
    (tmp_path / "1_expected.png").unlink()
    (tmp_path / "2.png").write_bytes(b"no picture")
    config = replace(CONFIG, scenes=replace(CONFIG.scenes, triples=None))
    made = forgetting.run(tmp_path / "w", "t", config, editor=start, triples=outside_triples(triples))
    assert [row["scene_id"] for row in made.records()] == ["0001-0"]
    assert [row["scene_id"] for row in made.rejected()] == ["0002-1", "0003-2"]
    assert made.manifest["counts"]["input"] == 3


def test_the_digest_is_of_pictures_and_not_of_places(tmp_path, triples):
    before = outside_triples(triples)
    assert outside_triples(tmp_path).digest == before.digest  # the folder means the table in it
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in [triples, *tmp_path.glob("*.png")]:
        (moved / path.name).write_bytes(path.read_bytes())
    assert outside_triples(moved).digest == before.digest
    (moved / "0.png").write_bytes((moved / "1.png").read_bytes())
    assert outside_triples(moved).digest != before.digest


def test_a_sparse_terabyte_or_a_name_that_no_file_can_have_is_a_missing_picture(tmp_path, triples):
    (tmp_path / "1.png").unlink()
    missing = outside_triples(triples).digest
    with (tmp_path / "1.png").open("wb") as picture:
        picture.truncate(1 << 40)
    assert outside_triples(triples).digest == missing
    triples.write_text(triples.read_text().replace("1.png", "1" * 300 + ".png"))
    nameless = outside_triples(triples).digest
    triples.write_text(triples.read_text().replace("1" * 300 + ".png", "absent.png"))
    # the table has changed; its missing picture makes no error in either case
    assert outside_triples(triples).digest != nameless


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("picture,instruction\na.png,x\n", "no column 'expected'"),
        ("picture,instruction,expected\na.png,,b.png\n", "row 1: instruction is empty"),
        ("picture,instruction,expected\na.png,x,b.png\n", "1 rows"),
        ("picture,instruction,expected,id\na.png,x,b.png,1\na.png,y,b.png,1\n", "the id '1' is there twice"),
    ],
)
def test_a_table_that_cannot_be_used_is_told_row_by_row(tmp_path, text, message):
    (tmp_path / "triples.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_triples(tmp_path)


def test_triples_are_read_from_parquet_and_json_lines_too(tmp_path, triples):
    import pandas

    rows = pandas.read_csv(triples)
    rows.to_parquet(tmp_path / "t.parquet")
    rows.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    expected = read_triples(triples)
    assert [triple.group for triple in expected] == ["film0", "film0", "film1"]
    assert read_triples(tmp_path / "t.parquet") == read_triples(tmp_path / "t.jsonl") == expected


def test_only_the_kitchen_has_scenes_of_its_own(tmp_path):
    table = tmp_path / "actions.csv"
    table.write_text("video,instruction\na.mp4,open the door\n")
    asked = Request(preset="table", annotations=str(table), videos=str(tmp_path), measure=("forgetting",))
    with pytest.raises(ValueError, match=r"forgetting\.triples=FILE\.csv"):
        make_job(asked)
    job = make_job(replace(asked, settings={"forgetting.triples": str(table)}))
    assert job.config.forgetting.triples == str(table)


def test_shares_are_clustered_by_group_and_leave_out_what_was_not_judged():
    rows = [{"group": f"film{number // 4}", "carried_out": number < 8, "kept": None} for number in range(16)]
    content = forgetting_content(rows)
    assert content["kept"] is None
    assert (content["carried_out"]["mean"], content["carried_out"]["num_groups"]) == (50.0, 4)
    alone = forgetting_content([row | {"group": str(place)} for place, row in enumerate(rows)])
    width = {name: measured["carried_out"]["high"] - measured["carried_out"]["low"] for name, measured in
             {"films": content, "alone": alone}.items()}  # fmt: skip
    assert width["films"] > 1.5 * width["alone"]
