"""The forgetting benchmark: an interrupted study continues from its records, and its rows compare what each editor
forgot.
"""

import pytest

from benchmarks.forgetting import METHODS, Study, runs_of
from benchmarks.forgetting_rows import Judged, forgetting_rows, markdown, measures_of, read_runs, remember


def _judged(method, seed, num_static, start="shipped"):
    scenes = [
        {"scene_id": f"{of_set}{number:02d}", "set": of_set, "group": f"{of_set}{number // every}",
         "carried_out": number < (num_static if of_set == "static" else 4), "kept": True}
        for of_set, every in (("action", 4), ("static", 1))
        for number in range(20)
    ]  # fmt: skip
    return Judged(start=start, method=method, seed=seed, num_steps=10 if seed >= 0 else 0, scenes=scenes)


RUNS = [
    _judged("untouched", 0, 20),
    *(_judged("finetuned", seed, 8 + seed) for seed in range(3)),
    *(_judged("editaction", seed, 15 + seed) for seed in range(3)),
]


def test_records_are_read_as_they_were_written_and_added_to(tmp_path):
    path = tmp_path / "runs.jsonl"
    remember(RUNS[:3], path)
    remember(RUNS[3:], path)
    assert {run.key: run for run in read_runs(path)} == {run.key: run for run in RUNS}
    again = _judged("finetuned", 1, 3)
    remember([again], path)
    assert again in read_runs(path)
    assert len(read_runs(path)) == len(RUNS)


def test_runs_of_other_scenes_are_refused(tmp_path):
    remember(RUNS, tmp_path / "runs.jsonl")
    other = Judged(start="shipped", method="finetuned", seed=9, num_steps=1, scenes=RUNS[0].scenes[:5])
    with pytest.raises(ValueError, match="other scenes"):
        remember([other], tmp_path / "runs.jsonl")


def test_a_row_says_what_was_forgotten_and_by_how_much_less_than_plain():
    rows = {row["method"]: row for row in forgetting_rows(RUNS)}
    assert rows["untouched"]["static_carried_out"]["mean"] == 100.0
    assert rows["finetuned"]["minus_start"]["static_carried_out"]["mean"] == -55.0
    assert rows["finetuned"]["static_carried_out"]["mean"] == 45.0
    gain = rows["editaction"]["minus_plain_equal_steps"]["static_carried_out"]
    assert gain["mean"] == 35.0
    assert gain["low"] < 35.0 < gain["high"]
    assert gain["p_holm"] >= gain["p"]
    assert "minus_plain_equal_steps" not in rows["finetuned"]
    assert measures_of(rows.values())["shipped.editaction.static_carried_out_percent"] == 80.0
    assert markdown(rows.values()).count("\n") == 4


def test_a_cut_leaves_whole_seeds(tmp_path):
    runs = runs_of(Study(workspace=tmp_path, starts=(("a", "A"), ("b", "B"))))
    assert [run.arm for run in runs[:2]] == [None, None]
    of_seed_0 = runs[2 : 2 + 2 * len(METHODS)]
    assert {run.seed for run in of_seed_0} == {0}
    assert len(runs) == 2 + 2 * 5 * len(METHODS)
    costs = {arm.name: arm.num_steps(120) * arm.cost for arm in METHODS}
    assert costs["finetuned_x2.1"] == pytest.approx(costs["editaction"], rel=0.01)
