"""A person chooses the long-distance set: on a page, in a table, or as the answer to a paused run."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.artifacts.artifact import artifacts_of
from tasks.config import QualityLimits, SplitsConfig
from tasks.splits import splits
from tasks.splitting.candidates import DOUBTFUL, contact_sheet, write_candidates
from tasks.splitting.long_distance import COLUMNS, Choice, choice_csv, rank_candidates, read_choice
from tests.support.commands import ended, environment, run, wait_until
from tests.support.drawn_frames import draw_frames, drawn_row
from tests.support.server_api import get, post


def test_candidates_name_an_end_point_have_moved_and_are_not_tested_already():
    rows = [drawn_row(number) for number in range(30)]
    assigned = {row["segment_id"]: "train" for row in rows} | {"v3-000027": "test5", "v0-000024": "validation"}
    assigned["v1-000021"] = "long3"
    candidates = rank_candidates(rows, assigned)
    assert [row["segment_id"] for row in candidates[:3]] == ["v1-000021", "v2-000018", "v3-000015"]
    assert [row["rank"] for row in candidates] == list(range(1, len(candidates) + 1))
    assert all(row["end_point"] and row["camera_shift"] >= 0.05 for row in candidates)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"end_point": ""}, "no instruction names an end point"),
        ({"camera_shift": 0.01}, "in none the view moved by 5% of the side (at most 1.0%); before a fixed camera"),
    ],
)
def test_where_there_are_no_candidates_it_says_why_and_writes_nothing(changed, said, tmp_path):
    frames = draw_frames(tmp_path, num_pairs=12, size_px=16)
    records = [row | changed for row in frames.records()]
    (frames.path / "records.jsonl").write_text("".join(json.dumps(row) + "\n" for row in records))
    for name in ("candidates.html", "candidates.csv"):
        with pytest.raises(ValueError, match="there are no candidates among 12 pairs") as caught:
            write_candidates(tmp_path, tmp_path / name, 400)
        assert said in str(caught.value)
        assert not (tmp_path / name).exists()


def test_where_all_candidates_are_filtered_it_says_so(tmp_path):
    frames = draw_frames(tmp_path, num_pairs=30, size_px=64)
    quality = QualityLimits(max_camera_shift=0.04)
    splits.run(tmp_path, "t", SplitsConfig(num_test=1, quality=quality), frames=frames.path)
    with pytest.raises(ValueError, match="in the random test set, in validation or filtered"):
        write_candidates(tmp_path, tmp_path / "candidates.csv", 400)


def test_a_choice_comes_back_from_its_file(tmp_path):
    choice = Choice(segment_ids=("b-2", "a-1"), chosen_by='Ada, "the first"', how="by\nhand")
    (tmp_path / "choice.csv").write_text(choice_csv(choice))
    assert read_choice(tmp_path / "choice.csv") == choice


def test_the_table_and_the_page_show_the_candidates_of_the_newest_frames(tmp_path):
    frames = draw_frames(tmp_path, num_pairs=60, size_px=64)
    furthest = max(row["camera_shift"] for row in frames.records() if row["end_point"])
    config = SplitsConfig(num_test=5, num_long_distance=3, quality=QualityLimits(max_camera_shift=furthest - 1e-4))
    made = splits.run(tmp_path, "t", config, frames=frames.path)
    number = write_candidates(tmp_path, tmp_path / "candidates.csv", 400)
    with (tmp_path / "candidates.csv").open() as file:
        table = list(csv.DictReader(file))
    by_split = {row["segment_id"]: row["split"] for row in made.records()}
    assert len(table) == number >= 5
    assert {row["segment_id"] for row in table} <= by_split.keys(), "what is filtered is no candidate"
    assert list(table[0]) == [*COLUMNS, "chosen_by"]
    assert {by_split[row["segment_id"]] for row in table} == {"train", "long3"}
    table[1]["chosen"] = table[3]["chosen"] = table[4]["chosen"] = "x"
    with (tmp_path / "chosen.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    assert read_choice(tmp_path / "chosen.csv").segment_ids == tuple(table[place]["segment_id"] for place in (1, 3, 4))

    write_candidates(tmp_path, tmp_path / "page.html", 4)
    page = (tmp_path / "page.html").read_text()
    ticked = re.findall(r'type="checkbox" value="([^"]+)"', page)
    assert ticked == [row["segment_id"] for row in table[:4]]
    assert page.count("data:image/png;base64,") == 8
    assert not re.search(r'(src|href)="(?!data:)', page), "the page needs nothing from elsewhere"
    assert "of 3 chosen" in page
    assert "or a hand before a still one" not in page


def test_a_candidate_whose_shift_is_in_doubt_is_marked_on_the_page(tmp_path):
    frames = draw_frames(tmp_path, num_pairs=8, size_px=64)
    rows = rank_candidates([row | {"camera_shift": 0.2} for row in frames.records()], {})
    marked = [row | {"camera_certainty": certainty} for row, certainty in zip(rows, (0.9, DOUBTFUL / 2), strict=False)]
    page = contact_sheet(frames, marked, 0, 400)
    assert len(marked) == 2
    assert page.count("or a hand before a still one: look") == 1


@pytest.mark.parametrize(
    ("out", "says"), [("page.html", "no finished frames yet"), ("table.txt", "written as .html or .csv")]
)
def test_what_cannot_be_listed_is_said(out, says, tmp_path):
    done = run("candidates", "--out", out, cwd=tmp_path, expect=1)
    assert says in done.stderr


REQUEST = """
import json, sys
from flows.choose_long_distance import choose_long_distance
from flows.wiring.job import Request
if __name__ == "__main__":
    settings = {"kitchen.num_videos": 4, "splits.num_test": 5, "splits.num_long_distance": 2}
    choose_long_distance(Request(preset="demo-hc", workspace=sys.argv[1], settings=settings, until="splits"))
"""


@pytest.mark.slow
def test_a_run_waits_for_the_choice_asks_again_when_it_does_not_fit_and_goes_on(tmp_path: Path, server: str):
    workspace = tmp_path / "workspace"
    script = tmp_path / "choose.py"
    script.write_text(REQUEST)
    process = subprocess.Popen(
        [sys.executable, str(script), str(workspace)],
        env=environment(server) | {"PREFECT_HOME": os.environ.get("PREFECT_HOME", str(tmp_path / "home"))},
        process_group=0,
    )

    def paused_run() -> str | None:
        flows = post(server, "/flows/filter", {"flows": {"name": {"any_": ["choose_long_distance"]}}})
        runs = post(
            server,
            "/flow_runs/filter",
            {
                "flows": {"id": {"any_": [flow["id"] for flow in flows]}},
                "flow_runs": {"state": {"type": {"any_": ["PAUSED"]}}},
            },
        )
        return runs[0]["id"] if runs and process.poll() is None else None

    def answer(segment_ids: list[str], chosen_by: str) -> str:
        assert wait_until(lambda: paused_run() is not None, within_s=240, every_s=0.5), "the run never paused"
        resumed = post(
            server,
            f"/flow_runs/{paused_run()}/resume",
            {"run_input": {"segment_ids": segment_ids, "chosen_by": chosen_by}},
        )
        return str(resumed["status"])

    with ended(process):
        assert answer([], "Ada") == "REJECT", "the form itself asks for at least one segment"
        candidates = artifacts_of(workspace, "frames")[-1]
        known = [row["segment_id"] for row in rank_candidates(candidates.records(), {})]
        assert answer([known[0], "nobody-000001"], "Ada") == "ACCEPT"
        assert wait_until(lambda: paused_run() is None, within_s=30)
        assert answer(known[:2], "Ada, of the data group") == "ACCEPT"
        assert process.wait(timeout=240) == 0
    made = artifacts_of(workspace, "splits")[-1]
    by_split = {row["segment_id"]: row["split"] for row in made.records()}
    assert {segment_id for segment_id, split in by_split.items() if split == "long2"} == set(known[:2])
    by_hand = {"chosen": "by hand", "by": "Ada, of the data group", "how": "answered to a paused run"}
    assert made.manifest["facts"]["long_distance"] == by_hand
    assert next((workspace / "choices").glob("candidates-*.html")).stat().st_size > 10_000
    artifact = get(server, "/artifacts/long-distance-candidates/latest")
    assert known[0] in artifact["data"].replace("\\_", "_").replace("\\-", "-")  # Markdown's characters are escaped
