"""Real clips and real annotations through the command: every container up to the report, EPIC's whole file up to
segments.
"""

import json
from pathlib import Path

import pytest

from tests.support.commands import ROOT, run

pytestmark = pytest.mark.slow

QUICK = ["editor.num_steps=4", "classifier.num_epochs=1", "edits.sampling.num_steps=2"]


def test_a_table_of_real_clips_runs_through_to_a_report_that_says_how_little_it_is(
    real_data: Path, tmp_path: Path, server: str
) -> None:
    settings = [part for setting in QUICK for part in ("--set", setting)]
    run(
        *["run", "--preset", "table", "--annotations", str(ROOT / "tests" / "support" / "data" / "real_clips.csv")],
        *["--videos", str(real_data / "videos"), "--start", str(ROOT / "modeling" / "starting_editor"), *settings],
        cwd=tmp_path,
        api_url=server,
    )
    truth = json.loads((real_data / "videos" / "groundtruth.json").read_text())
    rows = [json.loads(line) for line in run("records", "frames", cwd=tmp_path).stdout.splitlines()]
    assert {row["video_id"] for row in rows} == set(truth)
    for name, clip in truth.items():
        of_clip = [row for row in rows if row["video_id"] == name]
        first = min(of_clip, key=lambda row: row["source_frame_index"])
        last = max(of_clip, key=lambda row: row["edited_frame_index"])
        assert (first["source_frame_index"], last["edited_frame_index"]) == (0, clip["frames"] - 1), name
        assert first["source_pts_s"] == pytest.approx(clip["first_pts_s"], abs=1e-4), name
        assert last["edited_pts_s"] == pytest.approx(clip["last_pts_s"], abs=1e-4), name
    report = Path(run("report", cwd=tmp_path).stdout.strip()).read_text()
    assert "how little suffices is not known" in report


def test_the_partial_epic_file_parses_whole_and_is_recorded_as_not_the_pinned_one(
    real_data: Path, tmp_path: Path, server: str
) -> None:
    annotations = real_data / "epic100" / "EPIC_100_train_partial.csv"
    done = run(
        *["run", "--preset", "hc", "--annotations", str(annotations), "--until", "segments"],
        cwd=tmp_path,
        api_url=server,
    )
    assert "is no pinned file" in done.stdout
    (row,) = json.loads(run("status", "--json", cwd=tmp_path).stdout)["artifacts"]
    assert list(row["funnel"].items())[:3] == [("rows", 67217), ("in_subset", 37455), ("distinct", 37454)]
    assert list(row["funnel"]) == ["rows", "in_subset", "distinct", "with_text", "with_times"]
    assert row["input"] == 67217 == row["kept"] + sum(row["filtered"].values())
    assert row["failed"] == {}
