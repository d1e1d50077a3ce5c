"""Recorded runs of the study: they are read as they were written, new runs are added to old ones, and data is not
mixed.
"""

import json
from dataclasses import replace

import pytest

from benchmarks.objective.rows import JudgedRun
from benchmarks.objective.run import study_name
from benchmarks.objective.runs import decode, encode, recorded, remember
from benchmarks.objective.study import StudyRequest
from tests.benchmarks.test_objective import verdicts_of


def run_of(arm: str, seed: int, share: float = 0.5) -> JudgedRun:
    return JudgedRun(
        start="shipped",
        arm=arm,
        seed=seed,
        verdicts=[
            {name: value for name, value in row.items() if name != "seed"} | {"kept": row["carried_out"]}
            for row in sorted(verdicts_of(share, seed), key=lambda row: row["segment_id"])
        ],
        told_apart={"unseen_disjoint": 0.9},
        diagnostics={"skipped": 0},
    )


RUNS = [run_of("plain", 0), run_of("plain", 1), run_of("sharp", 0, 0.9)]


def test_decoding_is_the_inverse_of_encoding():
    assert decode(encode(RUNS)) == RUNS
    assert decode("") == []


def test_a_run_that_is_made_again_takes_its_old_place_and_new_ones_join(tmp_path):
    path = tmp_path / "runs" / "lc_3.jsonl"
    assert remember(path, []) == []
    remember(path, RUNS[:2])
    again = replace(RUNS[1], told_apart={})
    assert sorted((run.arm, run.seed) for run in remember(path, [again, RUNS[2]])) == [
        ("plain", 0),
        ("plain", 1),
        ("sharp", 0),
    ]
    assert recorded(path) == decode(path.read_text()) == [RUNS[0], again, RUNS[2]]
    assert recorded(tmp_path / "other.jsonl") == []
    assert len(json.loads(path.read_text().splitlines()[1])["carried_out"]) == len(RUNS[0].verdicts)


def test_runs_of_other_scenes_are_refused_and_the_file_stays(tmp_path):
    path = tmp_path / "lc_3.jsonl"
    remember(path, RUNS)
    before = path.read_text()
    with pytest.raises(ValueError, match="sharp 1 is of other scenes"):
        remember(path, [replace(run_of("sharp", 1), verdicts=RUNS[0].verdicts[1:])])
    assert path.read_text() == before


def test_studies_of_other_data_or_length_have_records_of_their_own(tmp_path):
    home = StudyRequest(workspace=str(tmp_path))
    others = (
        replace(home, style="hc"),
        replace(home, steps=900),
        replace(home, settings={"splits.num_train": 150}),
        replace(home, settings={"splits.verbs": ()}),
        replace(home, settings={"edits.sampling.text_guidance": 3.0}),
    )
    names = [study_name(request) for request in (home, *others)]
    assert len(set(names)) == len(names)
    # To name the study's own number of pairs means the same study.
    said = replace(home, settings={"splits.num_train": 500}, arms="main", seeds=1)
    assert study_name(said) == names[0] == "lc_500_pairs_300_steps"
