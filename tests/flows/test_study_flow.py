"""The study from end to end in miniature: as a flow on a server, taken up again, and its tables at any time."""

import json
import shutil
from pathlib import Path

import pytest

from tasks.artifacts.artifact import artifacts_of
from tests.support.commands import run

pytestmark = pytest.mark.slow

TINY = {
    "kitchen.num_videos": 5,
    "splits.num_test": 10,
    "splits.num_unseen": 6,
    "splits.num_train": 20,
    "editor.batch_size": 4,
    "edits.sampling.num_steps": 2,
}
STUDY = [
    *(
        "study",
        "--steps",
        "3",
        "--seeds",
        "2",
        "--side-by-side",
        "2",
        "--arms",
        "untouched,finetuned,sharp",
    ),
    *(part for name, value in TINY.items() for part in ("--set", f"{name}={value}")),
]


def finished(workspace: Path, stage: str) -> dict[str, str]:
    return {each.manifest["label"]: each.manifest["finished_at"] for each in artifacts_of(workspace, stage)}


def test_a_study_runs_side_by_side_is_taken_up_where_it_stood_and_tells_what_is_done(
    server: str, tmp_path: Path
) -> None:
    workspace = tmp_path / "workspace"
    nothing = run(*STUDY, "--table", cwd=tmp_path, expect=1)
    assert "no finished run of this study yet" in nothing.stderr
    run(*STUDY, cwd=tmp_path, api_url=server)
    editors = finished(workspace, "editor")
    assert set(editors) == {f"lc-shipped-{arm}-{seed}" for arm in ("finetuned", "sharp") for seed in (0, 1)}
    assert set(finished(workspace, "verdicts")) == {*editors, "lc-shipped-untouched-0"}
    lost = next((workspace / "editor").glob("lc-shipped-sharp-1-*/"))
    shutil.rmtree(lost)
    table = run(*STUDY, "--table", cwd=tmp_path).stdout
    assert "| shipped | sharp | 3 | 1.70 | 1 |" in table
    run(*STUDY, cwd=tmp_path, api_url=server)
    again = finished(workspace, "editor")
    assert {name for name, when in again.items() if when != editors[name]} == {"lc-shipped-sharp-1"}
    table = run(*STUDY, "--table", cwd=tmp_path).stdout
    assert "| shipped | sharp | 3 | 1.70 | 2 |" in table
    assert "| shipped | sharp | finetuned | steps | 2 |" in table
    content = json.loads((artifacts_of(workspace, "study")[-1].path / "study.json").read_text())
    assert content["num_scenes"]["unseen"] == 6
    assert {row["arm"]: row["num_steps"] for row in content["rows"]} == {
        "untouched": 0,
        "finetuned": 3,
        "sharp": 3,
    }
