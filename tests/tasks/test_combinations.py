"""Held-out combinations of verb and thing, and training on little data: the split of each pair, or why it has none."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.config import SplitsConfig
from tasks.splits import draw, splits
from tasks.splitting.assignment import assign_splits
from tasks.splitting.combinations import is_of
from tests.support.drawn_frames import draw_frames, drawn_row

THINGS = ("red cup", "green cup", "red apple", "fridge")
VERBS = ("move", "put in", "open")
ROWS = [
    drawn_row(number) | {"verb": VERBS[number % 3], "object": THINGS[number % 4], "overlaps": number % 7 == 0}
    for number in range(240)
]
CONFIG = SplitsConfig(num_test=20, unseen_combinations=("move cup", "put in apple"), num_unseen=30, num_train=50)


@pytest.mark.parametrize(
    ("combination", "verb", "thing", "expected"),
    [
        ("move cup", "move", "red cup", True),
        ("move red cup", "move", "red cup", True),
        ("move green cup", "move", "red cup", False),
        ("move cup", "move", "cupboard", False),
        ("move cup", "put in", "red cup", False),
        ("put in cup", "put in", "Red Cup", True),
        ("put in cup", "put", "red cup", False),
        ("move", "move", "red cup", False),
    ],
)
def test_a_combination_is_a_verb_and_words_of_the_object(combination, verb, thing, expected):
    assert is_of({"verb": verb, "object": thing}, combination) is expected


@settings(max_examples=30, deadline=None)
@given(order=st.permutations(ROWS), seed=st.integers(0, 1000))
def test_nobody_is_trained_on_a_held_out_combination_and_every_pair_is_accounted_for(order, seed):
    config = replace(CONFIG, seed=seed)
    assigned = assign_splits(order, config)
    assert assigned == assign_splits(ROWS, config) or assigned.splits == assign_splits(ROWS, config).splits
    assert assigned.splits.keys().isdisjoint(assigned.left_out)
    assert assigned.splits.keys() | assigned.left_out.keys() == {row["segment_id"] for row in ROWS}
    of = {row["segment_id"]: any(is_of(row, combination) for combination in CONFIG.unseen_combinations) for row in ROWS}
    members = {
        name: [segment_id for segment_id in of if assigned.splits.get(segment_id) == name]
        for name in set(assigned.splits.values())
    }
    assert {name: len(ids) for name, ids in members.items()} == {"train": 50, "test20": 20, "unseen30": 30}
    assert all(map(of.get, members["unseen30"]))
    assert not any(map(of.get, members["train"] + members["test20"]))
    reasons = {True: "unseen_combination", False: "beyond_num_train"}
    assert all(reason == reasons[of[segment_id]] for segment_id, reason in assigned.left_out.items())


def test_more_training_pairs_keep_the_fewer_ones_and_move_no_test_pair():
    few, many = (assign_splits(ROWS, replace(CONFIG, num_train=num)).splits for num in (20, 60))
    assert {segment_id for segment_id, split in few.items() if split == "train"} < {
        e for e, split in many.items() if split == "train"
    }
    assert {segment_id: split for segment_id, split in few.items() if split != "train"} == {
        segment_id: split for segment_id, split in many.items() if split != "train"
    }


def test_held_out_pairs_that_overlap_others_are_not_tested_on_where_that_is_asked():
    overlapping = {row["segment_id"] for row in ROWS if row["overlaps"]}
    for asked in (False, True):
        assigned = assign_splits(ROWS, replace(CONFIG, test_without_overlap=asked)).splits
        unseen = {segment_id for segment_id, split in assigned.items() if split == "unseen30"}
        assert bool(unseen & overlapping) is not asked


def test_a_long_distance_pair_that_a_person_chose_stays_one_though_its_combination_is_held_out():
    chosen = next(row["segment_id"] for row in ROWS if is_of(row, "move cup"))
    assigned = assign_splits(ROWS, replace(CONFIG, num_long_distance=1), (chosen,))
    assert assigned.splits[chosen] == "long1"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_unseen": 61}, "unseen61 cannot be filled: 61 pairs are asked for and 60 are left"),
        ({"num_train": 200}, "train cannot be filled: 200 pairs are asked for and 160 are left"),
        ({"unseen_combinations": ("move cup", "open appel")}, "no pair is of the held-out combination 'open appel'"),
    ],
)
def test_what_cannot_be_held_out_is_an_error_that_says_why(changes, message):
    with pytest.raises(ValueError, match=message):
        assign_splits(ROWS, replace(CONFIG, **changes))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"unseen_combinations": ("move cup",)}, "go together"),
        ({"num_unseen": 3}, "go together"),
        ({"unseen_combinations": ("move cup",), "num_unseen": 3, "method": "video-disjoint"}, "method 'paper'"),
        ({"num_train": 0}, "at least 1"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        SplitsConfig(**settings)


def test_the_stage_counts_what_it_leaves_out(tmp_path):
    drawn = draw_frames(tmp_path, num_pairs=12)
    config = SplitsConfig(num_test=2, unseen_combinations=("put 3", "put 5"), num_unseen=1, num_train=4)
    made = splits.run(tmp_path, "t", config, frames=drawn.path)
    assert made.manifest["counts"]["filtered"] == {"beyond_num_train": 4, "unseen_combination": 1}
    assert made.manifest["facts"]["split_sizes"] == {"test2": 2, "train": 4, "unseen1": 1}


def test_pairs_of_other_verbs_are_used_nowhere_and_counted():
    drawn = draw(ROWS, SplitsConfig(num_test=20, verbs=("move", "open")), None)[0]
    verb_of = {row["segment_id"]: row["verb"] for row in ROWS}
    assert {verb_of[segment_id] for segment_id in drawn.splits} == {"move", "open"}
    assert {segment_id: "other_verb" for segment_id, verb in verb_of.items() if verb == "put in"} == drawn.left_out
    with pytest.raises(ValueError, match="no pair has the verb 'muve'"):
        draw(ROWS, SplitsConfig(num_test=20, verbs=("muve",)), None)
