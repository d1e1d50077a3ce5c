"""Scores of a drawn run: references, editors, oracle, and pairs that an editor lacks."""

import json

import numpy as np
import pandas
import pytest

from evaluation.scoring.pair_table import read_pair_table, scores_content
from evaluation.statistics.clustered_mean import clustered_mean
from tasks.annotations.goals import join_goals
from tasks.artifacts.artifact import Artifact
from tasks.artifacts.stage import stage
from tasks.artifacts.work import Work
from tasks.config import ScoresConfig, ToldApartConfig
from tasks.scores import scores
from tests.support.drawn_run import DrawnEdits, DrawnKitchen, draw_run, edits

CONFIG = ScoresConfig()


@stage
def told_apart(work: Work, config: ToldApartConfig, *, shards: Artifact) -> None:
    """Write errors of two draws for each test pair: both right for the first five, one for the others, none for the
    last.
    """
    tested = [row["segment_id"] for row in shards.records() if row["split"] != "train"]
    rows = [
        {
            "segment_id": segment_id,
            "draw": draw,
            "own": 0.5,
            "disjoint": 0.6 if place < 5 or draw else 0.4,
            "same_verb": 0.4,
        }
        for place, segment_id in enumerate(tested)
        for draw in (0, 1)
    ]
    work.write_rows([row | ({"disjoint": None} if row["segment_id"] == tested[-1] else {}) for row in rows])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return draw_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def scored(run, tmp_path_factory):
    return scores.run(tmp_path_factory.mktemp("scores"), "t", CONFIG, **run.scored_inputs())


@pytest.fixture(scope="module")
def content(scored):
    return json.loads((scored.path / "scores.json").read_text())


@pytest.fixture(scope="module")
def rows(content):
    (table,) = content["splits"]
    return {row["editor"]: row for row in table["rows"]}


def test_the_references_come_first_and_the_untouched_start_before_the_editor(content):
    (table,) = content["splits"]
    assert [row["name"] for row in table["rows"]] == [
        "copy of the input",
        "ground truth",
        "untouched start",
        "EditAction",
    ]


def test_copying_scores_no_distance_to_the_input_and_carries_nothing_out(rows):
    copy = rows["copy"]
    assert copy["fid_input"]["mean"] == 0
    assert copy["fid_output"]["mean"] > 0
    assert copy["carried_out_percent"]["mean"] == 0
    assert copy["kept_percent"]["mean"] == 100


def test_ground_truth_is_the_ceiling(rows):
    truth = rows["truth"]
    assert truth["fid_output"]["mean"] == 0
    assert truth["acc_match_gt_percent"]["mean"] == 100
    assert truth["carried_out_percent"]["mean"] == 100
    assert truth["kept_percent"]["mean"] == 100


def test_an_editor_that_copies_scores_as_the_copy_does(rows):
    for name in ("fid_input", "fid_output", "acc_match_gt_percent", "acc_label_percent", "carried_out_percent"):
        assert rows["start"][name]["mean"] == pytest.approx(rows["copy"][name]["mean"]), name


def test_an_editor_is_as_good_as_what_it_did(rows):
    """7 of 10 edits are the ground truth. Of these 7 two overlap and are not judged: 5 of 8."""
    carried_out = rows["editaction"]["carried_out_percent"]
    assert carried_out["per_seed"] == [62.5, 62.5]
    assert carried_out["std"] == 0
    assert carried_out["interval"][0] < 62.5 < carried_out["interval"][1]
    assert rows["copy"]["fid_output"]["mean"] > rows["editaction"]["fid_output"]["mean"] > 0


def test_only_pairs_with_a_goal_and_without_overlap_are_judged(content, scored):
    assert content["splits"][0]["num_pairs"] == 10
    assert content["splits"][0]["num_judged"] == 8
    records = list(scored.records())
    assert len(records) == 2 * 2 * 10
    assert sum(row["carried_out"] is None for row in records) == 2 * 2 * 2
    assert {row["editor"] for row in records} == {"start", "editaction"}


def test_the_means_by_verb_are_those_of_the_records(content, scored):
    records = [row for row in scored.records() if row["editor"] == "editaction" and row["carried_out"] is not None]
    for verb in content["splits"][0]["by_verb"]:
        outcomes = [row["carried_out"] for row in records if row["verb"] == verb["verb"]]
        mean = verb["by_editor"]["editaction"]["carried_out_percent"]
        assert mean == pytest.approx(100 * np.mean(outcomes)) if outcomes else mean is None
    assert sum(verb["num_judged"] for verb in content["splits"][0]["by_verb"]) == 8


def test_a_pair_that_one_editor_lacks_is_left_out_for_all_and_listed_as_failed(run, tmp_path):
    missing = next(row["segment_id"] for row in run.shards.records() if row["split"] != "train")
    lacking = edits.run(tmp_path, "lacking", DrawnEdits(left_out=missing), shards=run.shards.path)
    artifact = scores.run(tmp_path, "t", CONFIG, **(run.scored_inputs() | {"edits_start": lacking.path}))
    assert [(row["segment_id"], row["reason"]) for row in artifact.rejected()] == [(missing, "edit_missing")]
    assert artifact.num_failed == 1
    limited = edits.run(tmp_path, "limited", DrawnEdits(left_out=missing, has_limit=True), shards=run.shards.path)
    beyond = scores.run(tmp_path, "t", CONFIG, **(run.scored_inputs() | {"edits_start": limited.path}))
    assert [(row["segment_id"], row["reason"]) for row in beyond.rejected()] == [(missing, "beyond_limit")]
    assert beyond.num_failed == 0
    content = json.loads((artifact.path / "scores.json").read_text())
    assert content["splits"][0]["num_pairs"] == 9
    assert missing not in {row["segment_id"] for row in artifact.records()}


def test_without_a_kitchen_nothing_is_said_of_goals(run, tmp_path):
    inputs = run.scored_inputs()
    del inputs["kitchen"]
    content = json.loads((scores.run(tmp_path, "t", CONFIG, **inputs).path / "scores.json").read_text())
    assert content["is_drawn_kitchen"] is False
    assert content["splits"][0]["num_judged"] == 0
    assert {row["carried_out_percent"] for row in content["splits"][0]["rows"]} == {None}


def test_long_distance_edits_have_no_distance_to_the_input(tmp_path):
    run = draw_run(tmp_path, DrawnKitchen(split="long10"))
    content = json.loads((scores.run(tmp_path, "t", CONFIG, **run.scored_inputs()).path / "scores.json").read_text())
    assert {row["fid_input"] for row in content["splits"][0]["rows"]} == {None}
    assert content["splits"][0]["rows"][0]["fid_output"]["mean"] > 0


def test_scoring_again_gives_the_same_bytes(run, scored, tmp_path):
    again = scores.run(tmp_path, "t", CONFIG, **run.scored_inputs())
    assert again.digest == scored.digest


@pytest.mark.parametrize(("offset_s", "is_joined"), [(0.0, True), (0.029, True), (-0.029, True), (0.04, False)])
def test_goals_are_joined_by_video_and_start(offset_s, is_joined):
    goals = [{"video_id": "a", "start_s": 1.0}, {"video_id": "a", "start_s": 2.0}, {"video_id": "b", "start_s": 1.0}]
    joined = join_goals([{"segment_id": "x", "video_id": "a", "start_s": 2.0 + offset_s}], goals)
    assert joined == ({"x": goals[1]} if is_joined else {})


def test_editors_of_several_training_seeds_make_one_row_whose_interval_counts_pairs_and_seeds(run, tmp_path):
    """62.5 and 87.5 % of eight judged pairs: two trainings so far apart say little about a third one."""
    inputs = run.scored_inputs()
    inputs["edits_editaction__seed_3"] = inputs.pop("edits_editaction")
    other = edits.run(tmp_path, "other", DrawnEdits(share_right=0.9), shards=run.shards.path)
    artifact = scores.run(tmp_path, "t", CONFIG, **inputs, edits_editaction__seed_12=other.path)
    (table,) = json.loads((artifact.path / "scores.json").read_text())["splits"]
    assert [row["editor"] for row in table["rows"]] == ["copy", "truth", "start", "editaction"]
    row = table["rows"][-1]
    assert (row["name"], row["seeds"], row["training_seeds"]) == ("EditAction", [0, 1], [3, 12])
    carried_out = row["carried_out_percent"]
    assert carried_out["per_seed"] == [62.5, 87.5]
    of_judged = [[number < 5, number < 7] for number in range(8)]
    videos = [row["video_id"] for row in run.shards.records() if row["split"] != "train"][2:]
    expected = clustered_mean(np.array(of_judged, dtype=float), videos, bounds=(0, 1))
    assert carried_out["interval"] == [round(100 * expected.low, 6), round(100 * expected.high, 6)]
    fid = row["fid_output"]
    assert len(fid["per_seed"]) == fid["num_seeds"] == 2
    assert fid["interval"][1] - fid["mean"] > 2 * abs(fid["per_seed"][0] - fid["per_seed"][1])
    records = [record for record in artifact.records() if record["editor"] == "editaction"]
    assert {(record["training_seed"], record["seed"]) for record in records} == {(3, 0), (3, 1), (12, 0), (12, 1)}
    assert all("training_seed" not in record for record in artifact.records() if record["editor"] == "start")


def test_every_table_can_be_made_again_from_the_parquet_alone(scored, content):
    splits, header = read_pair_table(scored.path / "scores.parquet")
    assert scores_content(splits, header) == content


def test_pandas_reads_the_scores_of_every_pair(scored, content):
    frame = pandas.read_parquet(scored.path / "scores.parquet")
    assert len(frame) == (1 + 1 + 2 + 2) * 10
    of_editor = frame[(frame.editor == "editaction") & frame.carried_out.notna()]
    assert 100 * of_editor.carried_out.mean() == pytest.approx(62.5)
    row = content["splits"][0]["rows"][-1]
    for column, key, factor in (("fid_output", "fid_output", 1), ("kid_output", "kid_output", 1000)):
        assert factor * frame[frame.editor == "editaction"][column].mean() == pytest.approx(row[key]["mean"], abs=1e-5)


def test_a_copy_is_never_nearer_to_the_truth_and_changes_nothing(rows):
    assert rows["copy"]["nearer_percent"]["mean"] == 0
    assert rows["truth"]["nearer_percent"]["mean"] == 100
    assert rows["copy"]["no_change_percent"]["mean"] == 100
    assert rows["truth"]["no_change_percent"]["mean"] == 0
    assert rows["copy"]["distance_input"]["mean"] == pytest.approx(0, abs=1e-6)
    assert rows["truth"]["distance_truth"]["mean"] == pytest.approx(0, abs=1e-6)
    assert rows["copy"]["psnr_outside"]["mean"] == 60


def test_editors_are_compared_with_the_start_pair_by_pair(rows, content):
    assert content["splits"][0]["compared_with"] == "untouched start"
    difference = rows["editaction"]["carried_out_percent"]["difference"]
    assert difference["mean"] == 62.5
    assert difference["smallest_visible"] > 0
    assert "difference" not in rows["copy"]["carried_out_percent"]


def test_a_file_that_is_no_table_of_scores_is_refused(tmp_path):
    pandas.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(ValueError, match="lacks the column split"):
        read_pair_table(tmp_path / "other.parquet")
    (tmp_path / "text.parquet").write_text("no")
    with pytest.raises(ValueError, match="not a readable Parquet"):
        read_pair_table(tmp_path / "text.parquet")


def test_the_truth_through_the_autoencoder_is_a_reference_below_the_truth_itself(run, tmp_path):
    start = edits.run(tmp_path, "start", DrawnEdits(share_right=0.0, passes_truths=True), shards=run.shards.path)
    artifact = scores.run(tmp_path, "t", CONFIG, **(run.scored_inputs() | {"edits_start": start.path}))
    (table,) = json.loads((artifact.path / "scores.json").read_text())["splits"]
    assert [row["editor"] for row in table["rows"]] == ["copy", "truth", "truth_vae", "start", "editaction"]
    copy, truth, passed = table["rows"][:3]
    assert (passed["name"], passed["kind"], passed["seeds"]) == ("truth through the editor's VAE", "reference", [])
    for key in ("fid_output", "distance_truth"):
        assert truth[key]["mean"] < passed[key]["mean"]
    assert passed["acc_match_gt_percent"]["mean"] > 0
    assert copy["nearer_percent"]["mean"] < passed["nearer_percent"]["mean"]
    assert {row["editor"] for row in artifact.records()} == {"start", "editaction"}


def test_the_truth_through_the_autoencoder_is_left_out_where_a_pair_lacks_it(run, tmp_path):
    start = edits.run(tmp_path, "start", DrawnEdits(share_right=0.0, passes_truths=True), shards=run.shards.path)
    next((start.path / "truth_vae").glob("*.png")).unlink()
    artifact = scores.run(tmp_path, "t", CONFIG, **(run.scored_inputs() | {"edits_start": start.path}))
    (table,) = json.loads((artifact.path / "scores.json").read_text())["splits"]
    assert "truth_vae" not in {row["editor"] for row in table["rows"]}


def test_what_was_measured_of_telling_apart_is_in_the_table_of_the_asked_editor_alone(run, tmp_path):
    """Five pairs have two right draws, four have one, and one has no such instruction: (5 + 4 / 2) / 9."""
    asked = told_apart.run(tmp_path, "asked", ToldApartConfig(), shards=run.shards.path)
    inputs = run.scored_inputs() | {"told_apart_editaction": asked.path}
    artifact = scores.run(tmp_path, "t", CONFIG, **inputs)
    content = json.loads((artifact.path / "scores.json").read_text())
    rows = {row["editor"]: row["told_apart_percent"] for row in content["splits"][0]["rows"]}
    assert rows["editaction"]["mean"] == pytest.approx(100 * 7 / 9, abs=1e-4)
    assert rows["editaction"]["num_pairs"] == 9
    assert rows["copy"] is rows["truth"] is rows["start"] is None
    of_editor = next(row for row in content["splits"][0]["rows"] if row["editor"] == "editaction")
    assert of_editor["told_apart_same_verb_percent"]["mean"] == 0  # 0.5 is never below 0.4
    assert of_editor["told_apart_same_object_percent"] is None  # no pair was asked
    assert scores_content(*read_pair_table(artifact.path / "scores.parquet")) == content
