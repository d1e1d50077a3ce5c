"""EPIC-100 rows become segments or are counted by reason, and the real file gives the paper's counts."""

import csv
import doctest
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

import tasks.annotations.epic
from tasks.annotations.epic import PINNED_FILES, PinnedFile, git_blob, read_epic
from tasks.annotations.segment import is_safe_video_id

HEADER = [
    *("narration_id", "participant_id", "video_id", "narration_timestamp", "start_timestamp", "stop_timestamp"),
    *("start_frame", "stop_frame", "narration", "verb", "verb_class", "noun", "noun_class"),
    *("all_nouns", "all_noun_classes"),
]


def row(video_id: str = "P01_101", **changed: str) -> dict[str, str]:
    """Return a good row of the extension, with changes."""
    good = {
        "narration_id": f"{video_id}_0",
        "participant_id": "P01",
        "video_id": video_id,
        "start_timestamp": "00:00:00.14",
        "stop_timestamp": "00:01:03.37",
        "start_frame": "7",
        "stop_frame": "3168",
        "narration": "put down plate, on table",
        "verb": "put-down",
    }
    return dict.fromkeys(HEADER, "") | good | changed


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, HEADER)
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_row_becomes_a_segment(tmp_path: Path) -> None:
    annotations = read_epic(write(tmp_path / "a.csv", [row()]), "extension")
    [segment] = annotations.segments
    assert (segment.segment_id, segment.video_id) == ("P01_101-000007-003168", "P01_101")
    assert (segment.start_s, segment.stop_s) == (0.14, 63.37)
    assert (segment.start_frame, segment.stop_frame) == (None, None), "EPIC's frame numbers are not the video's"
    assert segment.instruction == "put down plate, on table"
    assert (segment.verb, segment.object, segment.end_point, segment.group) == ("put down", "plate", "table", "P01")


def test_the_examples_in_the_reader_hold() -> None:
    assert doctest.testmod(tasks.annotations.epic).failed == 0


REASONS = [
    ({"video_id": "P01_01"}, "filtered", "not_in_subset"),
    ({"narration": " "}, "filtered", "no_text"),
    ({"start_timestamp": ""}, "filtered", "no_times"),
    ({"video_id": "../../x"}, "failed", "unsafe_video_id"),
    ({"video_id": ""}, "failed", "unsafe_video_id"),
    ({"stop_timestamp": "00:00:00.14"}, "failed", "bad_times"),
    ({"start_timestamp": "00:02:00.00"}, "failed", "bad_times"),
    ({"start_timestamp": "-00:00:01.00"}, "failed", "bad_times"),
    ({"stop_timestamp": "later"}, "failed", "bad_times"),
    ({"stop_timestamp": "nan"}, "failed", "bad_times"),
    ({"start_frame": "x"}, "failed", "bad_times"),
]


@pytest.mark.parametrize(("changed", "status", "reason"), REASONS)
def test_a_row_that_is_not_kept_says_why(changed: dict[str, str], status: str, reason: str, tmp_path: Path) -> None:
    annotations = read_epic(write(tmp_path / "a.csv", [row(start_frame="9"), row(**changed)]), "extension")
    [rejected] = annotations.rejected
    assert (rejected["row"], rejected["status"], rejected["reason"]) == (2, status, reason)
    assert len(annotations.segments) == 1


def test_the_second_of_two_equal_segments_is_filtered(tmp_path: Path) -> None:
    rows = [row(), row(narration="something else"), row(start_frame="8")]
    annotations = read_epic(write(tmp_path / "a.csv", rows), "extension")
    assert [segment.instruction for segment in annotations.segments] == ["put down plate, on table"] * 2
    assert [(rejection["row"], rejection["reason"]) for rejection in annotations.rejected] == [(2, "duplicate_segment")]
    assert annotations.funnel == {"rows": 3, "in_subset": 3, "distinct": 2, "with_text": 2, "with_times": 2}


def test_subsets(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [row(), row("P01_01"), row("P30_09")])
    assert [len(read_epic(path, subset).segments) for subset in ("extension", "epic55", "all")] == [1, 2, 3]


def test_a_file_that_is_not_the_pinned_one_is_used_with_a_warning(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [row()])
    facts = read_epic(path, "extension").facts
    blob = subprocess.run(["git", "hash-object", str(path)], capture_output=True, text=True, check=True).stdout.strip()
    assert facts["annotations"] == [{"git_blob": blob, "pinned": None}]
    assert all(pinned.git_blob[:12] in facts["warnings"][0] for pinned in PINNED_FILES)
    assert git_blob(path) == blob


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"", b"\xff\xfe\x00binary", b"video_id\nP01_101\n"])
def test_a_file_that_is_no_such_table_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "wrong.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"wrong\.csv"):
        read_epic(path, "extension")


def test_the_real_file_gives_the_known_counts_in_order(real_data: Path) -> None:
    annotations = read_epic(real_data / "epic100" / "EPIC_100_train_partial.csv", "extension")
    assert list(annotations.funnel.items()) == [
        ("rows", 67_217),
        ("in_subset", 37_455),
        ("distinct", 37_454),
        ("with_text", 26_313),
        ("with_times", 25_431),
    ]
    reasons = Counter((rejection["status"], rejection["reason"]) for rejection in annotations.rejected)
    assert reasons == {
        ("filtered", "not_in_subset"): 29_762,
        ("filtered", "duplicate_segment"): 1,
        ("filtered", "no_text"): 11_141,
        ("filtered", "no_times"): 882,
    }
    assert len(annotations.segments) + len(annotations.rejected) == 67_217
    assert len({segment.segment_id for segment in annotations.segments}) == 25_431
    assert all(is_safe_video_id(segment.video_id) for segment in annotations.segments)
    assert annotations.facts["annotations"][0]["pinned"] is None
    assert (annotations.facts["num_actions"], annotations.facts["num_several_nouns"]) == (199, 3160)


def test_train_and_validation_are_read_as_one(real_data: Path) -> None:
    """The validation file is the pinned one; reading it asserts its counts."""
    train, validation = (real_data / "epic100" / f"EPIC_100_{name}.csv" for name in ("train_partial", "validation"))
    annotations = read_epic(train, "all", [validation])
    assert annotations.funnel["rows"] == annotations.funnel["in_subset"] == 67_217 + 9_668
    assert len(annotations.segments) + len(annotations.rejected) == 67_217 + 9_668
    assert len({segment.segment_id for segment in annotations.segments}) == len(annotations.segments)
    assert [file["pinned"] for file in annotations.facts["annotations"]] == [None, "EPIC_100_validation.csv"]
    assert len(annotations.facts["warnings"]) == 1
    assert {rejection["file"] for rejection in annotations.rejected} == {1}
    alone = read_epic(validation, "epic55")
    assert len(alone.segments) == 9_668
    assert alone.facts["warnings"] == []


def test_a_segment_that_two_files_have_counts_once_and_its_row_says_which_file(tmp_path: Path) -> None:
    one = write(tmp_path / "one.csv", [row(), row(start_frame="9")])
    two = write(tmp_path / "two.csv", [row("P01_102"), row(narration="again")])
    annotations = read_epic(one, "extension", [two])
    assert [segment.video_id for segment in annotations.segments] == ["P01_101", "P01_101", "P01_102"]
    [rejected] = annotations.rejected
    assert (rejected["file"], rejected["row"], rejected["reason"]) == (2, 2, "duplicate_segment")
    with pytest.raises(ValueError, match="given twice"):
        read_epic(one, "extension", [write(tmp_path / "copy.csv", [row(), row(start_frame="9")])])


def test_an_official_file_that_gives_other_counts_than_known_is_our_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.csv", [row(), row(start_frame="9"), row("P01_01")])
    counts = {"extension": 2, "epic55": 1, "all": 3}
    known = PinnedFile(name="a.csv", git_blob=git_blob(path), num_rows=3, num_in_subset=counts, num_distinct=counts)
    monkeypatch.setattr("tasks.annotations.epic.PINNED_FILES", (known,))
    facts = read_epic(path, "extension").facts
    assert facts["annotations"] == [{"git_blob": git_blob(path), "pinned": "a.csv"}]
    assert facts["warnings"] == ["1 actions by first word; the paper has 260."]
    monkeypatch.setattr(
        "tasks.annotations.epic.PINNED_FILES", (replace(known, num_distinct=counts | {"extension": 1}),)
    )
    with pytest.raises(AssertionError, match=r"a\.csv gave"):
        read_epic(path, "extension")
