"""The study's tables from made-up verdicts: which arms are compared, over which scenes and seeds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.objective import tables
from benchmarks.objective.arms import (
    ACTION_COST,
    ARMS,
    PLAIN_ARMS,
    REG_COST,
    STATIC_COST,
    STEPS,
    arm,
    arms_named,
    step_cost,
)
from benchmarks.objective.rows import arm_row, arm_runs, comparisons, diagnostics, equal_in, told_apart_shares
from benchmarks.objective.study import StudyRequest, make_run, study_job, study_runs

SCENES = [("test4", "move"), ("test4", "open"), ("test4", "open"), ("unseen3", "move")] + [("unseen3", "move")] * 40


def verdicts_of(share, seed, scenes=SCENES):
    """Return records of an editor that carries out `share` of the held-out scenes, and all other scenes."""
    rng = np.random.default_rng(seed)
    return [
        {
            "segment_id": f"s{number}",
            "split": split,
            "verb": verb,
            "seed": 0,
            "carried_out": bool(split == "test4" or rng.random() < share),
            "kept": True,
        }
        for number, (split, verb) in enumerate(scenes)
    ]


def runs_of(name, share, seeds, start="shipped"):
    return arm_runs(start, name, {seed: verdicts_of(share, 10 * seed + int(100 * share)) for seed in seeds})


REFERENCES = ("plain", "plain_long")
FACTS = {
    "plain": {"name": "plain", "num_steps": 500, "compute": 1.0, "references": REFERENCES},
    "plain_long": {"name": "plain_long", "num_steps": 850, "compute": 1.7, "references": REFERENCES},
    "better": {"name": "better", "num_steps": 500, "compute": 1.7, "references": REFERENCES},
    "part": {"name": "part", "num_steps": 500, "compute": 1.4, "references": ("better",)},
    "untouched": {"name": "untouched", "num_steps": 0, "compute": 0.0, "references": REFERENCES},
}


def test_subsets_are_the_seen_scenes_and_the_held_out_ones():
    runs = runs_of("plain", 0.5, (0, 1))
    assert {subset: table.shape for (subset, measure), table in runs.tables.items() if measure == "carried_out"} == {
        "seen": (3, 2),
        "unseen": (41, 2),
    }


def test_a_scene_that_one_seed_lacks_is_left_out_of_all():
    few, all_of_them = verdicts_of(0.5, 1)[:-3], verdicts_of(0.5, 2)
    runs = arm_runs("shipped", "plain", {0: few, 1: all_of_them})
    assert runs.tables["unseen", "carried_out"].shape == (38, 2)
    assert runs.tables["unseen", "carried_out"][:, 1].tolist() == [
        row["carried_out"]
        for row in sorted(all_of_them[:-3], key=lambda row: row["segment_id"])
        if row["split"] != "test4"
    ]


def test_arms_are_compared_on_the_seeds_that_both_have_and_at_equal_steps_or_compute_only():
    every = [
        runs_of("plain", 0.2, (0, 1, 2, 3, 4)),
        runs_of("plain_long", 0.25, (0, 1)),
        runs_of("better", 0.9, (1, 2, 3, 4, 5)),
        runs_of("untouched", 0.0, (0,)),
        runs_of("better", 0.9, (0,), start="weak"),
    ]
    compared = comparisons(every, FACTS)
    assert [
        (comparison["arm"], comparison["reference"], comparison["equal_in"], comparison["seeds"])
        for comparison in compared
    ] == [
        ("better", "plain", ["steps"], [1, 2, 3, 4]),
        ("better", "plain_long", ["compute"], [1]),
    ]
    steps = compared[0]["unseen_carried_out"]
    values = [runs.tables["unseen", "carried_out"] for runs in every]
    assert steps["mean"] == pytest.approx(100 * (values[2][:, :4].mean() - values[0][:, 1:].mean()), abs=0.01)
    assert steps["low"] < steps["mean"] < steps["high"]
    assert steps["intervals_apart"]
    assert steps["p"] < 0.01
    assert not comparisons(every[:2], FACTS)


def test_an_arm_is_compared_with_its_own_references():
    every = [runs_of(name, 0.5, (0, 1)) for name in ("plain", "better", "part")]
    compared = [(comparison["arm"], comparison["reference"]) for comparison in comparisons(every, FACTS)]
    assert compared == [("better", "plain"), ("part", "better")]


def test_an_ablation_is_compared_with_what_it_leaves_a_part_of():
    compared = {study_arm.name for study_arm in ARMS if "editaction_demo" in study_arm.references}
    assert compared == {"without_action", "without_reg", "without_freezing"}
    assert {name for study_arm in ARMS for name in study_arm.references} <= {study_arm.name for study_arm in ARMS}


def test_two_arms_can_be_equal_in_both_and_nearly_equal_compute_is_equal():
    assert equal_in(FACTS["plain"] | {"compute": 1.05}, FACTS["plain"]) == ["steps", "compute"]
    assert equal_in(FACTS["better"], FACTS["plain_long"] | {"compute": 1.4}) == []


def test_told_apart_leaves_out_pairs_without_such_a_negative():
    rows = [
        {"split": "unseen3", "own": 0.1, "disjoint": 0.2, "same_verb": 0.05},
        {"split": "unseen3", "own": 0.1, "disjoint": 0.3, "same_verb": None},
        {"split": "test4", "own": 0.5, "disjoint": 0.4, "same_verb": 0.6},
    ]
    assert told_apart_shares(rows, ("disjoint", "same_verb")) == {
        "unseen_disjoint": 1.0,
        "unseen_same_verb": 0.0,
        "seen_disjoint": 0.0,
        "seen_same_verb": 1.0,
    }


def test_diagnostics_are_those_of_the_steps_that_have_them():
    entries = [
        {"static": 0.5, "fallbacks": {"content": 1}, "skipped": 0, "action_gradient_ratio": 0.4},
        {"static": 0.3, "fallbacks": {"content": 0}, "skipped": 1},
        {"static": 0.1, "fallbacks": {"content": 0}, "skipped": 2, "action_gradient_ratio": 0.2},
    ]
    facts = diagnostics(entries, num_last=2)
    assert facts["static_end"] == pytest.approx(0.2)
    assert [facts[f"action_gradient_ratio_{when}"] for when in ("first", "mean", "last")] == [0.4, 0.3, 0.2]
    assert (facts["fallback_content_per_step"], facts["skipped"]) == (0.333, 2)


def test_a_row_tells_each_seed_and_verb_and_the_interval_over_both():
    row = arm_row(runs_of("better", 0.9, (0, 1, 2)))
    assert row["seen_by_verb"] == {
        "move": {"percent": 100, "num_scenes": 1},
        "open": {"percent": 100, "num_scenes": 2},
    }
    assert row["unseen_by_verb"]["move"]["percent"] == row["unseen_carried_out"]["mean"]
    assert row["unseen_carried_out"]["mean"] == pytest.approx(np.mean(row["unseen_by_seed"]), abs=0.01)
    assert (row["seeds"], row["unseen_carried_out"]["num_scenes"]) == ([0, 1, 2], 41)


# --- the arms ---------------------------------------------------------------------------------------------------------


def test_what_an_arm_costs_is_what_its_terms_cost_at_the_steps_where_they_count():
    sharp = arm("sharp").objective
    assert step_cost(arm("finetuned").objective) == STATIC_COST
    assert step_cost(sharp) == STATIC_COST + ACTION_COST
    assert step_cost(arm("every4").objective) == STATIC_COST + ACTION_COST / 4
    assert step_cost(arm("noisy_half").objective) == STATIC_COST + ACTION_COST / 2
    assert step_cost(arm("editaction_demo").objective) == STATIC_COST + ACTION_COST + REG_COST


@pytest.mark.parametrize(("budget", "like"), [("action", "sharp"), ("all", "editaction_demo")])
def test_arms_of_equal_compute_cost_the_same(budget, like):
    computes = {
        study_arm.name: study_arm.num_steps() * study_arm.cost for study_arm in ARMS if study_arm.budget == budget
    }
    reference = arm(like).num_steps() * arm(like).cost
    assert computes
    assert all(abs(compute / reference - 1) < 0.01 for compute in computes.values()), computes
    assert {study_arm.num_steps() for study_arm in ARMS if study_arm.budget == "steps" and study_arm.objective} == {
        STEPS
    }


def test_plain_fine_tuning_stands_beside_every_other_arm_at_its_steps_and_beside_the_main_ones_at_their_compute():
    def equal(name):
        facts = {
            study_arm.name: {"num_steps": study_arm.num_steps(), "compute": study_arm.num_steps() * study_arm.cost}
            for study_arm in ARMS
        }
        return {reference: equal_in(facts[name], facts[reference]) for reference in PLAIN_ARMS}

    assert equal("sharp") == {"finetuned": ["steps"], "finetuned_x1.7": ["compute"], "finetuned_x2.1": []}
    assert equal("editaction_demo") == {"finetuned": ["steps"], "finetuned_x1.7": [], "finetuned_x2.1": ["compute"]}
    assert equal("every4") == {"finetuned": [], "finetuned_x1.7": ["compute"], "finetuned_x2.1": []}


def test_every_arm_has_a_name_and_an_objective_of_its_own():
    assert len({study_arm.name for study_arm in ARMS}) == len(ARMS)
    assert len({(study_arm.objective, study_arm.budget) for study_arm in ARMS}) == len(ARMS)
    assert len([study_arm for study_arm in ARMS if study_arm.role == "ablation"]) == 3


def test_arms_are_named_by_name_or_role_and_kept_in_their_order():
    assert [study_arm.name for study_arm in arms_named("sharp,finetuned", "lc")] == ["finetuned", "sharp"]
    assert {study_arm.role for study_arm in arms_named("sweep", "lc")} == {"sweep"}
    assert len(arms_named("all", "lc")) == len(ARMS)
    assert len(arms_named("all", "hc")) < 6
    assert [study_arm.name for study_arm in arms_named("every4", "hc")] == ["every4"]
    with pytest.raises(ValueError, match="no arm 'evry4'"):
        arms_named("evry4", "lc")


def test_runs_go_breadth_first_and_no_arm_has_more_seeds_than_it_wants(tmp_path):
    request = StudyRequest(
        workspace=str(tmp_path), starts=("a=x/y", "b=x/z"), arms="untouched,finetuned,every4", seeds=3
    )
    assert [run.name for run in study_runs(request)] == [
        *("a-untouched-0", "a-finetuned-0", "a-every4-0", "b-untouched-0", "b-finetuned-0", "b-every4-0"),
        *("a-finetuned-1", "a-every4-1", "b-finetuned-1", "b-every4-1", "a-finetuned-2", "b-finetuned-2"),
    ]


def test_settings_change_the_studys_own(tmp_path):
    request = StudyRequest(workspace=str(tmp_path), settings={"splits.num_train": 99, "editor.batch_size": 4})
    config = study_job(request).config
    assert (config.splits.num_train, config.splits.num_unseen, config.editor.batch_size) == (99, 300, 4)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"style": "mpii"}, "no style 'mpii'"),
        ({"starts": ("x",)}, "NAME=FOLDER"),
        ({"starts": ("a-b=x",)}, "NAME=FOLDER"),
        ({"seeds": 0}, "at least 1"),
    ],
)
def test_a_request_that_cannot_be_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        StudyRequest(**fields)


# --- the runs ---------------------------------------------------------------------------------------------------------


def test_runs_side_by_side_share_the_cores_unless_somebody_said_otherwise():
    """Without this their threads would wait for each other, spinning; a step would take seconds, not hundredths."""
    code = "import benchmarks.objective.study as s, torch; s.share_cores(1000); print(torch.get_num_threads())"
    for said, expected in ({}, "1"), ({"OMP_NUM_THREADS": "3"}, "3"):
        environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"} | said
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.split()[-1] == expected


def folders(tmp_path, asked):
    """Return a `make` that notes its calls and gives made-up folders."""

    def make(stage, label, config, **inputs):
        asked.append((stage, label, config))
        return None if stage in ("kitchen", "segments", "told_apart") else tmp_path / stage / label

    return make


def test_a_run_is_a_main_job_of_its_objective_steps_and_seed_and_the_first_seeds_are_asked_what_they_tell_apart(
    tmp_path,
):
    request = StudyRequest(workspace=str(tmp_path), starts=("a=owner/name",), arms="finetuned_x1.7", seeds=3)
    asked = []
    made = [make_run(request, run, folders(tmp_path, asked)) for run in study_runs(request)]
    assert [sorted(stages) for stages in made] == [["editor", "told_apart", "verdicts"]] * 2 + [["editor", "verdicts"]]
    editors = [(label, config.seed, config.num_steps) for stage, label, config in asked if stage == "editor"]
    assert editors == [(f"lc-a-finetuned_x1.7-{seed}", seed, 510) for seed in range(3)]
    assert all(
        config.objective == arm("finetuned").objective and config.batch_size == 16
        for stage, _, config in asked
        if stage == "editor"
    )
    assert made[2]["verdicts"] == tmp_path / "verdicts" / "lc-a-finetuned_x1.7-2-editaction"
    assert {label for stage, label, _ in asked if stage == "shards"} == {"study-lc"}


def test_an_untouched_start_is_judged_and_nothing_is_trained_for_it(tmp_path):
    request = StudyRequest(workspace=str(tmp_path), starts=("a=owner/name",), arms="untouched")
    asked = []
    (made,) = (make_run(request, run, folders(tmp_path, asked)) for run in study_runs(request))
    assert made == {"told_apart": None, "verdicts": tmp_path / "verdicts" / "lc-a-untouched-0-start"}
    assert "editor" not in {stage for stage, _, _ in asked}


def test_the_tables_of_a_recorded_study_are_those_that_the_results_tell(capsys, monkeypatch):
    """`benchmarks/results` keeps verdicts scene by scene and no tables; this command makes the tables."""
    monkeypatch.setattr(sys, "argv", ["tables", "hc_500_pairs_300_steps"])
    tables.main()
    page = capsys.readouterr().out
    told = (Path(__file__).resolve().parents[2] / "RESULTS.md").read_text(encoding="utf-8")
    for numbers in (
        "37.6 (30.9 to 44.2) | 25.5 (19.9 to 31.2) | 35.5 (30.0 to 41.1)",
        "29.3 (22.2 to 36.4) | 20.6 (15.9 to 25.3) | 34.7 (29.6 to 39.9)",
        "-24.9 (-30.6 to -19.2), p < 0.001, apart | -10.3 (-14.9 to -5.8), p < 0.001, apart",
    ):
        assert numbers in page
        assert numbers in told
    monkeypatch.setattr(sys, "argv", ["tables", "hc_500_pairs_300_steps", "--json"])
    tables.main()
    (content,) = json.loads(capsys.readouterr().out).values()
    assert content["num_scenes"] == {"seen": 150, "unseen": 300}
    with pytest.raises(ValueError, match="there are hc_500_pairs_300_steps, "):
        tables.recorded_content("hc_1_pairs_2_steps")


def test_what_is_kept_of_the_study_of_all_verbs_is_what_the_results_tell():
    root = Path(__file__).resolve().parents[2]
    kept = json.loads((root / "benchmarks/results/objective_all_verbs.json").read_text(encoding="utf-8"))
    told = (root / "RESULTS.md").read_text(encoding="utf-8")
    assert len(kept["rows"]) == 4
    for row in kept["rows"]:
        names = ("seen_carried_out", "unseen_carried_out", "unseen_kept")
        assert " | ".join(tables.share(row[name]) for name in names) in told
