"""Verbs that nobody is trained on: the split of their pairs, their counts, and what is refused."""

from dataclasses import replace

import pytest

from tasks.artifacts.stage import stage
from tasks.artifacts.work import Work
from tasks.config import SplitsConfig
from tasks.splits import splits
from tasks.splitting.assignment import assign_splits
from tasks.splitting.withheld_verbs import told_withheld
from tests.support.drawn_frames import DrawnFrames, drawn_row

VERBS = ("move", "put in", "wipe", "open")
ROWS = [drawn_row(number) | {"verb": VERBS[number % 4], "overlaps": number % 7 == 0} for number in range(240)]
CONFIG = SplitsConfig(num_test=20, withhold_verbs=("wipe",), num_withheld=30)
WIPES = {row["segment_id"] for row in ROWS if row["verb"] == "wipe"}


def test_nobody_is_trained_on_a_withheld_verb_and_every_pair_is_accounted_for():
    assigned = assign_splits(ROWS, CONFIG)
    assert assigned.splits.keys().isdisjoint(assigned.left_out)
    assert assigned.splits.keys() | assigned.left_out.keys() == {row["segment_id"] for row in ROWS}
    members = {
        name: {segment_id for segment_id, of in assigned.splits.items() if of == name}
        for name in assigned.splits.values()
    }
    assert {name: len(ids) for name, ids in members.items()} == {"unseen_verbs30": 30, "test20": 20, "train": 160}
    assert members["unseen_verbs30"] <= WIPES
    assert assigned.left_out == dict.fromkeys(WIPES - members["unseen_verbs30"], "withheld_verb")
    assert assigned == assign_splits(ROWS[::-1], CONFIG), "the order of the rows decides nothing"


@pytest.mark.parametrize(("num_test", "expected"), [(20, 20), (100, 60)])
def test_without_a_number_there_are_as_many_as_random_test_pairs_or_all(num_test, expected):
    assigned = assign_splits(ROWS, replace(CONFIG, num_withheld=None, num_test=num_test))
    assert list(assigned.splits.values()).count(f"unseen_verbs{expected}") == expected


def test_overlapping_pairs_are_not_tested_on_where_that_is_asked_and_too_few_are_refused():
    free = [row for row in ROWS if row["verb"] == "wipe" and not row["overlaps"]]
    asked = replace(CONFIG, test_without_overlap=True, num_withheld=len(free))
    tested = {
        segment_id for segment_id, of in assign_splits(ROWS, asked).splits.items() if of.startswith("unseen_verbs")
    }
    assert tested == {row["segment_id"] for row in free}
    with pytest.raises(ValueError, match=f"{len(free)} of the 60 pairs of the withheld verbs may be tested on"):
        assign_splits(ROWS, replace(asked, num_withheld=len(free) + 1))


def test_in_a_disjoint_split_their_videos_are_not_trained_on_either():
    rows = [row | {"video_id": f"v{number // 8}"} for number, row in enumerate(ROWS)]
    assigned = assign_splits(rows, replace(CONFIG, method="video-disjoint", num_withheld=None, held_out_share=0.2))
    videos = {
        kind: {row["video_id"] for row in rows if assigned.splits.get(row["segment_id"], "").startswith(kind)}
        for kind in ("train", "unseen_verbs")
    }
    assert videos["unseen_verbs"]
    assert videos["train"].isdisjoint(videos["unseen_verbs"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"num_withheld": 0}, "at least 1"),
        ({"withhold_verbs": ()}, "goes with withhold_verbs"),
    ],
)
def test_numbers_that_cannot_be_are_refused_with_the_config(given, message):
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **given)


def test_a_verb_that_no_pair_has_is_refused_by_name():
    with pytest.raises(ValueError, match="no pair has the verb 'fly' of SplitsConfig"):
        assign_splits(ROWS, replace(CONFIG, withhold_verbs=("wipe", "fly")))


def test_training_sentences_that_have_the_word_all_the_same_are_counted():
    texts = [("a", "wipe", "wipe table"), ("b", "wipe down", "wipe down hob"), ("c", "move", "move wiper")]
    rows = [{"segment_id": segment_id, "verb": verb, "instruction": text} for segment_id, verb, text in texts]
    told = told_withheld(rows, {"a": "unseen_verbs1", "b": "train", "c": "train"}, ("wipe",))
    assert told == {"wipe": {"pairs": 1, "tested": 1, "training_sentences_with_it": 1}}


@stage
def frames(work: Work, config: DrawnFrames) -> None:
    """Write ROWS as a table."""
    work.write_rows(ROWS)


def test_the_stage_counts_withheld_pairs_by_reason_and_tells_of_them(tmp_path):
    artifact = splits.run(tmp_path, "t", CONFIG, frames=frames.run(tmp_path, "drawn", DrawnFrames()).path)
    counts = artifact.manifest["counts"]
    assert counts["filtered"] == {"withheld_verb": 30}
    assert counts["input"] == counts["kept"] + 30 == 240
    assert artifact.manifest["facts"]["withheld_verbs"]["wipe"]["tested"] == 30
