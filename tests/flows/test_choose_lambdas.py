"""λ1 and λ2 chosen by FID_output over a grid: the ranking, the choice that a run takes, and the command."""

import json

import pytest
from click.testing import CliRunner

from evaluation.pages.loss_weights import choice_of, figure8, ranked, ranking_rows
from evaluation.pages.svg import svg_of
from flows.choose_lambdas import grid_request
from flows.commands.choose_lambdas import choose_lambdas
from flows.wiring.job import make_job
from flows.wiring.lambda_choice import told, write_choice
from flows.wiring.request import Request
from flows.wiring.settings import read_settings
from tasks.config import ScoresConfig
from tasks.scores import scores
from tests.support.drawn_run import DrawnEdits, draw_run, edits


def number(mean, spread=1.0):
    return {"mean": mean, "interval": [mean - spread, mean + spread]}


def table(**fids):
    """Return a table of a split: editor -> (FID_output, KID_output)."""
    rows = [{"editor": name, "fid_output": number(fid), "kid_output": number(kid)} for name, (fid, kid) in fids.items()]
    return {"split": "test500", "num_pairs": 500, "rows": rows}


GRID = {
    "action_0.001": (60.0, 4.0),
    "action_0.005": (56.0, 3.0),
    "action_0.1": (56.0, 2.0),
    "reg_0.3": (50.0, 1.0),
    "reg_0.001": (59.0, 2.0),
    "start": (10.0, 0.1),
}


def test_the_smallest_fid_to_the_truth_wins_of_each_term_and_ties_go_to_the_smaller_weight():
    by_term = ranked(table(**GRID))
    assert [rank.weight for rank in by_term["action"]] == [0.005, 0.1, 0.001]
    assert [rank.weight for rank in by_term["reg"]] == [0.3, 0.001]
    assert [rank.kid_rank for rank in by_term["action"]] == [2, 1, 3]
    rows = ranking_rows(by_term)
    assert [row["value"] for row in rows if row["chosen"]] == ["0.005", "0.3"]


def test_the_choice_says_what_a_run_takes_and_how_sure_it_is():
    choice = choice_of({"splits": [table(**GRID)], "fid_features": "inception"})
    assert choice["settings"] == {"editor.objective.lambda_action": 0.005, "editor.objective.lambda_reg": 0.3}
    assert choice["notes"] == [
        "λ1 = 0.005 is best, but the intervals of 0.1 overlap with its own.",
        "KID_output would choose λ1 = 0.1.",
    ]


def test_another_test_set_may_decide_and_scores_without_a_grid_are_refused():
    other = table(**{"action_0.1": (1.0, 1.0), "action_0.2": (2.0, 1.0)}) | {"split": "long100"}
    content = {"splits": [table(**GRID), other], "fid_features": "inception"}
    assert choice_of(content, "long100")["settings"] == {"editor.objective.lambda_action": 0.1}
    with pytest.raises(ValueError, match="no test set 'test9'"):
        choice_of(content, "test9")
    with pytest.raises(ValueError, match="--methods grid"):
        choice_of({"splits": [table(editaction=(1.0, 1.0))], "fid_features": "x"})


def test_figure_8_has_a_curve_a_term_over_weights_that_are_evenly_spaced():
    action, reg = figure8(table(**GRID))
    assert [tick.label for tick in action.x_ticks] == ["0.001", "0.005", "0.1"]
    positions = [tick.position for tick in action.x_ticks]
    assert positions[1] - positions[0] == pytest.approx(positions[2] - positions[1], abs=0.2)
    assert [x for x, _ in action.curves[0].dots] == pytest.approx(positions, abs=0.2)
    assert "λ2 = 0.3" in reg.note
    assert svg_of(action).startswith("<svg xmlns=")
    assert "FID_output over λ1" in svg_of(action)


def test_a_run_takes_the_choice_that_was_written(tmp_path):
    run = draw_run(tmp_path)
    made = {
        f"edits_action_{weight}": edits.run(
            tmp_path, f"w{weight}", DrawnEdits(share_right=share), shards=run.shards.path
        ).path
        for weight, share in (("0.1", 0.9), ("0.5", 0.1))
    }
    scored = scores.run(tmp_path, "t", ScoresConfig(), **run.scored_inputs(), **made)
    folder = write_choice(tmp_path, scored, None)
    assert folder == write_choice(tmp_path, scored, None)
    assert {path.name for path in folder.iterdir()} >= {"lambdas.json", "ranking.csv", "figure8_action.svg"}
    assert "`editor.objective.lambda_action=0.1`" in told(folder)
    assert "Ranking" in (folder / "index.html").read_text()
    given = read_settings(folder / "lambdas.json")
    job = make_job(Request(preset="demo", workspace=str(tmp_path), settings=given))
    assert job.config.editor.objective.lambda_action == 0.1


def test_the_grid_is_trained_for_a_thousand_steps_up_to_its_scores():
    asked = grid_request(Request(preset="demo", settings={"editor.batch_size": 4}), "grid", 1_000)
    job = make_job(asked)
    assert len(job.methods) == 18
    assert job.config.editor.num_steps == 1_000
    assert asked.until == "scores"
    assert asked.settings["editor.batch_size"] == 4


def test_the_command_plans_every_editor_of_the_grid(tmp_path):
    ran = CliRunner().invoke(
        choose_lambdas, ["--preset", "demo", "--workspace", str(tmp_path), "--plan"], catch_exceptions=False
    )
    assert ran.exit_code == 0, ran.output
    assert all(name in ran.output for name in ("demo-action_0.005", "demo-reg_0.3"))


def test_other_weights_take_the_place_of_the_grid(tmp_path):
    asked = ["--preset", "demo", "--workspace", str(tmp_path), "--plan", "--weights"]
    ran = CliRunner().invoke(choose_lambdas, [*asked, "0.001, 0.5"], catch_exceptions=False)
    for name in ("action_0.001", "action_0.5", "reg_0.001", "reg_0.5"):
        assert f"demo-{name} " in ran.output
    assert "0.03" not in ran.output
    job = make_job(grid_request(Request(preset="demo"), "grid", 10, (0.002,)))
    assert set(job.methods) == {"action_0.002", "reg_0.002"}
    for text, match in (("0.1;0.3", "numbers divided by commas"), ("-1", "There is no method 'action_-1'")):
        with pytest.raises(ValueError, match=match):
            CliRunner().invoke(choose_lambdas, [*asked, text], catch_exceptions=False)


@pytest.mark.parametrize("content", ["[1]", '{"settings": 3}'])
def test_a_file_that_holds_no_settings_is_refused(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(ValueError, match="wants a JSON object"):
        read_settings(tmp_path / "x.json")
    with pytest.raises(ValueError, match="no such file"):
        read_settings(tmp_path / "y.json")
    assert json.loads(content) is not None
