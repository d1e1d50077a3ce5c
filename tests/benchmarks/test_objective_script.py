"""The study's script from end to end in miniature: it makes main jobs, continues them, records them, makes tables."""

import shutil
from pathlib import Path

import pytest

from benchmarks.objective import run, runs, tables
from benchmarks.objective.study import StudyRequest
from tasks.artifacts.artifact import artifacts_of

pytestmark = pytest.mark.slow

TINY = {
    "kitchen.num_videos": 5,
    "splits.num_test": 10,
    "splits.num_unseen": 6,
    "splits.num_train": 20,
    "editor.batch_size": 4,
    "edits.sampling.num_steps": 2,
}


def finished(workspace: Path, stage: str) -> dict[str, str]:
    return {artifact.manifest["label"]: artifact.manifest["finished_at"] for artifact in artifacts_of(workspace, stage)}


def test_a_study_is_made_of_main_jobs_taken_up_where_it_stood_and_told_from_its_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "RUNS", tmp_path / "records")
    monkeypatch.setattr(tables, "RUNS", tmp_path / "records")
    workspace = tmp_path / "workspace"
    asked = StudyRequest(workspace=str(workspace), steps=3, seeds=1, arms="untouched,finetuned,sharp", settings=TINY)
    assert run.go_on(asked) == []
    before = finished(workspace, "editor")
    assert set(before) == {"lc-shipped-finetuned-0", "lc-shipped-sharp-0"}
    lost = next((workspace / "editor").glob("lc-shipped-sharp-0-*/"))
    shutil.rmtree(lost)
    run.record_so_far(asked)
    content = tables.recorded_content("lc_20_pairs_3_steps")
    assert {row["arm"]: row["num_steps"] for row in content["rows"]} == {"untouched": 0, "finetuned": 3}
    assert run.go_on(asked) == []
    again = finished(workspace, "editor")
    assert {name for name in again if again[name] != before[name]} == {"lc-shipped-sharp-0"}
    run.record_so_far(asked)
    content = tables.recorded_content("lc_20_pairs_3_steps")
    assert [row["arm"] for row in content["rows"]] == ["untouched", "finetuned", "sharp"]
    assert content["num_scenes"]["unseen"] == 6
    assert all(row["told_apart"] for row in content["rows"])
    assert [(comparison["arm"], comparison["reference"]) for comparison in content["comparisons"]] == [
        ("sharp", "finetuned")
    ]
