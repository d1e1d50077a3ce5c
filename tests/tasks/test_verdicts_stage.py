"""The oracle's verdict of every edit of one editor."""

from tasks.config import VerdictsConfig
from tasks.verdicts import verdicts
from tests.support.drawn_run import draw_run


def test_every_edit_is_judged_and_one_without_a_goal_is_listed(tmp_path):
    run = draw_run(tmp_path, right=(0.7, 0.0))
    inputs = {"edits": run.edits["edits_editaction"].path, "shards": run.shards.path, "kitchen": run.kitchen.path}
    made = verdicts.run(tmp_path, "t", VerdictsConfig(), **inputs)
    rows = list(made.records())
    assert len(rows) == 20  # ten pairs under two seeds
    for seed in (0, 1):
        assert [row["carried_out"] for row in rows if row["seed"] == seed] == [True] * 7 + [False] * 3
    assert all(row["kept"] for row in rows)
    assert {row["verb"] for row in rows} <= {row["verb"] for row in run.shards.records()}
    assert made.manifest["funnel"] == {"edits": 20, "judged": 20}
    (run.kitchen.path / "goals.jsonl").write_text("")
    lost = verdicts.run(tmp_path / "other", "t", VerdictsConfig(), **inputs)
    assert lost.manifest["counts"]["failed"] == {"no_goal": 20}
