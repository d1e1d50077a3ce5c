"""The paper's figures and tables in the report: chosen by rules, written as files, each picture with its origin."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from evaluation.pages.figures import edit_grid
from evaluation.pages.instructions import coloured
from evaluation.pages.page import ShownEdit, ShownPair
from evaluation.pages.timing_table import timing_rows
from modeling.atomic import write_json
from modeling.config import SamplingConfig
from tasks.artifacts.stage import stage
from tasks.artifacts.work import Work
from tasks.config import ReportConfig, ScoresConfig, TimingConfig
from tasks.pages.galleries import Galleries, lowest_first
from tasks.report import go_on_with, report
from tasks.scores import scores
from tests.support.drawn_run import DrawnKitchen, draw_run

TIMED = {
    "protocol": {
        "method": "instruct_pix2pix", "device": "cpu x86_64, 2 threads", "precision": "fp32", "size_px": 512,
        "num_steps": 100, "num_warm_up": 1, "num_calls": 3,
    },
    "batch_1": {"batch_size": 1, "seconds_per_picture": 12.5, "passes_per_picture": 200.0},
    "best_batch": {"batch_size": 4, "seconds_per_picture": 5.25, "passes_per_picture": 200.0},
}  # fmt: skip


@stage
def timing(work: Work, config: TimingConfig) -> None:
    """Write a made-up timing."""
    write_json(work.path / "timing.json", TIMED)
    work.write_rows([{"batch_size": 1}])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    workspace = tmp_path_factory.mktemp("report")
    run = draw_run(workspace, DrawnKitchen(split="test10"))
    scored = scores.run(workspace, "t", ScoresConfig(), **run.scored_inputs())
    timed = timing.run(workspace, "t", TimingConfig(method="instruct_pix2pix", settings=SamplingConfig()))
    inputs = {"scores": scored.path, "editor": run.editor.path, "timing_editaction": timed.path, **run.scored_inputs()}
    return run, scored, report.run(workspace, "t", ReportConfig(paper="lc"), **inputs)


def test_figures_are_pictures_and_tables_are_text_beside_the_page(made):
    _, _, artifact = made
    figures = {path.name for path in (artifact.path / "figures").iterdir()}
    assert figures == {"figure2.png", "figure3.png", "figure7.png"}
    assert Image.open(artifact.path / "figures" / "figure2.png").width > 4 * 96, "input, truth and two editors"
    stems = {path.stem for path in (artifact.path / "tables").iterdir()}
    assert {"table1_test10", "measures_test10", "table4"} <= stems
    listed = {entry.name for entry in artifact.files()}
    assert {"figures/figure7.png", "tables/table4.tex"} <= listed, "so that deleted ones are noticed"


def test_every_shown_picture_leads_back_to_its_video_shard_and_editor(made):
    run, _, artifact = made
    html = (artifact.path / "report.html").read_text()
    row = next(row for row in run.shards.records() if row["split"] == "test10" and not row["overlaps"])
    for told in (
        row["segment_id"],
        f"video {row['video_id']} at {row['start_s']:.3f} s",
        f"video {row['video_id']} at {row['stop_s']:.3f} s",
        f"shards/{run.shards.path.name}/{row['shard']}",
        f"edits/{run.edits['edits_editaction'].path.name}/0/{row['segment_id']}.png",
    ):
        assert told in html


def test_failures_are_the_lowest_scores_and_nobody_s_choice(made):
    run, scored, _ = made
    order = lowest_first(scored, "test10", "editaction")
    judged = {
        row["segment_id"]: row["carried_out"]
        for row in scored.records()
        if row["editor"] == "editaction" and row["carried_out"] is not None
    }
    shown = [judged[segment_id] for segment_id in order if segment_id in judged]
    assert shown == sorted(shown), "those not carried out come first"
    table = json.loads((scored.path / "scores.json").read_text())["splits"][0]
    worst = Galleries(run.shards, scored, run.edits).worst(table, "editaction", 3)
    assert [dict(pair.lineage)["segment"] for pair in worst.pairs] == [
        segment_id for segment_id in order if segment_id in judged
    ][:3]
    assert "lowest first" in worst.note


def test_long_distance_pairs_and_unseen_verbs_have_figures_of_their_own(tmp_path):
    for split, name in (("long10", "figure5_long10"), ("unseen_verbs10", "figure6_unseen_verbs10")):
        run = draw_run(tmp_path / split, DrawnKitchen(split=split))
        scored = scores.run(tmp_path / split, "t", ScoresConfig(), **run.scored_inputs())
        tables = json.loads((scored.path / "scores.json").read_text())["splits"]
        assert [gallery.name for gallery in Galleries(run.shards, scored, run.edits).others(tables, 2)] == [name]


@pytest.mark.parametrize(
    ("instruction", "parts", "expected"),
    [
        ("take lid off pan", {"object": "lid", "start": "pan", "end": ""}, ["", "object", "", "start"]),
        ("Put the cup on the Table", {"object": "cup", "end": "table"}, ["", "object", "", "end"]),
        ("pour cup of the tea", {"object": "cup of tea"}, ["", "object"]),
        ("cup cup", {"object": "cup", "start": "cup"}, ["object", "", "start"]),
        ("open door", {"object": "fridge"}, [""]),
        ("", {"object": "cup"}, []),
    ],
)
def test_parts_of_an_instruction_are_found_as_it_is_written(instruction, parts, expected):
    pieces = coloured(instruction, parts)
    assert "".join(piece.text for piece in pieces) == instruction
    assert [piece.role for piece in pieces] == expected


def test_a_grid_has_a_row_a_pair_and_a_place_for_what_one_lacks():
    red = np.full((8, 8, 3), (255, 0, 0), np.uint8)
    whole = ShownPair(
        instruction="a", pictures=[ShownEdit(name="input", picture=red), ShownEdit(name="x", picture=red)]
    )
    half = ShownPair(instruction="b", pictures=[ShownEdit(name="x", picture=red)])
    grid = edit_grid([whole, half])
    is_red = (grid == (255, 0, 0)).all(axis=2)
    assert is_red.sum() == 3 * 96 * 96
    assert not is_red[-50, :100].any(), "the second row has no input"


def test_table_4_states_what_was_measured_and_stands_beside_the_paper_only_outside_the_kitchen(made):
    names = {"editaction": "EditAction", "masactrl": "MasaCtrl", "finetuned": "Fine-tuned"}
    rows = timing_rows(dict.fromkeys(names, TIMED), names, beside_paper=True)
    told = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    assert [row["Seconds, paper"] for row in told] == ["9.44", "17.45", "–"]
    assert (told[0]["Seconds, batch 1"], told[0]["Best batch"], told[0]["Passes"]) == ("12.5", "4", "200")
    _, _, artifact = made
    html = (artifact.path / "report.html").read_text()
    assert "Seconds per picture (Table 4)" in html
    assert next(csv.DictReader((artifact.path / "tables" / "table4.csv").open()))["Steps"] == "100"
    assert "9.44" not in html, "a kitchen's seconds never stand beside the paper's"


def test_the_line_that_edits_can_be_typed_where_the_run_was_started(made, monkeypatch):
    run, _, _ = made
    workspace = run.editor.path.parents[1]
    monkeypatch.chdir(workspace.parent)
    assert f"--editor {workspace.name}/editor/{run.editor.path.name}/pipeline " in go_on_with(run.editor, "take cup")
    monkeypatch.chdir("/")
    assert f"--editor {run.editor.path / 'pipeline'}"[10:].lstrip("/") in go_on_with(run.editor, "take cup")
    assert go_on_with(run.editor, "it's").endswith("""--instruction 'it'"'"'s' --out out.png""")
