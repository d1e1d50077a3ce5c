"""`editaction survey`: the plan, the folders that it writes, and its message when something is missing."""

import pytest
from click.testing import CliRunner

from flows.commands.cli import cli
from flows.commands.survey import chosen_edits
from tests.support.drawn_run import DrawnKitchen, draw_run
from tests.support.rated_study import read_key, submission, write_own


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    root = tmp_path_factory.mktemp("workspace")
    draw_run(root, DrawnKitchen(num_train=3, num_test=8, split="test8"))
    return root


def run(workspace, *arguments):
    return CliRunner().invoke(cli, ["survey", "--workspace", str(workspace), *map(str, arguments)])


def test_the_plan_says_people_minutes_and_the_smallest_visible_difference(workspace):
    done = run(workspace, "--plan", "--items-per-form", 4, "--raters", 3)
    assert done.exit_code == 0, done.output
    assert "Methods: editaction, start" in done.output
    assert "6 raters: 2 forms x 3, 44 answers and 5 minutes each" in done.output
    assert "smallest difference" in done.output
    assert not (workspace / "survey").exists()


def test_pages_and_key_lie_apart_and_answers_become_tables(workspace, tmp_path):
    done = run(workspace, "--out", tmp_path / "study", "--items", 4)
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (tmp_path / "study").iterdir()) == ["key.json", "publish"]
    key = read_key(tmp_path / "study")
    file = write_own(tmp_path / "a.json", submission(key))
    tables = run(workspace, "--import", file, "--out", tmp_path / "tables")
    assert tables.exit_code == 0, tables.output
    assert '"raters": 1' in tables.output
    assert "there already" in str(run(workspace, "--import", file, "--out", tmp_path / "tables").exception)


def test_each_method_is_rated_under_its_lowest_training_seed_or_as_asked_for(workspace):
    labels = dict.fromkeys(["editaction-seed10", "editaction-seed2", "start", "odd-seed"], "an artifact")
    assert list(chosen_edits(labels, None)) == ["edits_editaction", "edits_odd-seed", "edits_start"]
    by_name = {label: label for label in labels}
    assert chosen_edits(by_name, None)["edits_editaction"] == "editaction-seed2"
    assert list(chosen_edits(by_name, "start, editaction-seed10")) == ["edits_start", "edits_editaction-seed10"]
    assert "there are editaction, start" in str(run(workspace, "--plan", "--methods", "imagic").exception)


def test_what_is_missing_is_said_in_one_line(workspace, tmp_path):
    assert "--out" in run(workspace).output
    assert "no finished shards" in str(run(tmp_path, "--plan").exception)
    assert "no finished survey" in str(run(tmp_path, "--import", "a.json", "--out", tmp_path / "t").exception)
    assert "choose of R1" in str(run(workspace, "--plan", "--questions", "R1,R7").exception)
    wrong = run(workspace, "--import", "a.json", "--column", "rater", "--out", tmp_path / "t")
    assert "NAME=COLUMN" in wrong.output
