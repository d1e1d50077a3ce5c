"""Negatives with c's object exchanged.

They can name combinations that the data lacks, and differ from c in one thing.
"""

from collections import Counter

import numpy as np
import pytest

from modeling.objective.negatives import NegativeSampler
from modeling.objective.swapped_negatives import NUM_SWAPS, SwappedSampler, swapped
from tests.modeling.test_kindred_negatives import words

TEXTS = ["take cup", "take bowl", "put cup", "open door", "open"]
THINGS = ["cup", "bowl", "cup", "door", ""]
HEADS = Counter({"cup": 3, "bottle": 2, "board": 1})


@pytest.mark.parametrize(
    ("instruction", "thing", "expected"),
    [
        ("take red cup from fridge", "red cup", ["take red board from fridge", "take red bottle from fridge"]),
        ("Put Red Cup in drawer", "Red Cup", ["Put Red board in drawer", "Put Red bottle in drawer"]),
        ("take cupboard key", "cup", []),
        ("take cutting board", "cutting board", ["take cutting bottle", "take cutting cup"]),
        ("take it", "cup", []),
        ("take", "", []),
    ],
)
def test_the_last_word_of_the_object_is_exchanged_and_nothing_else(instruction, thing, expected):
    assert swapped(instruction, thing, HEADS) == expected


def test_of_many_things_a_few_are_taken_the_same_each_time_and_others_for_other_texts():
    heads = Counter({f"thing{number}": 1 for number in range(60)} | {"cup": 5})
    drawn = [swapped(f"take cup to place{number}", "cup", heads) for number in range(20)]
    assert {len(texts) for texts in drawn} == {NUM_SWAPS}
    assert drawn == [swapped(f"take cup to place{number}", "cup", heads) for number in range(20)]
    assert len({text.split()[1] for texts in drawn for text in texts}) > 2 * NUM_SWAPS


def test_every_exchange_is_drawn_also_those_that_nobody_wrote_and_what_names_no_object_gets_a_disjoint_one():
    sampler = SwappedSampler(TEXTS, words, objects=THINGS)
    rows = np.arange(len(TEXTS))
    of_steps = [sampler.draw(rows, seed=0, step=step) for step in range(60)]
    texts = [{sampler.unique[negatives.instructions[row]] for negatives in of_steps} for row in rows]
    assert texts[:2] == [{"take bowl", "take door"}, {"take cup", "take door"}]
    assert of_steps[0].is_preferred.tolist() == [True] * 4 + [False]
    plain = NegativeSampler(TEXTS, words)
    for step, negatives in enumerate(of_steps):
        expected = plain.unique[plain.draw(rows, seed=0, step=step).instructions[4]]
        assert sampler.unique[negatives.instructions[4]] == expected in TEXTS


def test_a_draw_depends_on_seed_step_and_row_alone():
    sampler = SwappedSampler(TEXTS, words, objects=THINGS)
    whole = sampler.draw(np.zeros(64, dtype=np.int64), seed=3, step=7).instructions
    part = sampler.draw(np.zeros(32, dtype=np.int64), seed=3, step=7, first_row=32).instructions
    assert np.array_equal(whole[32:], part)
    assert not np.array_equal(whole, sampler.draw(np.zeros(64, dtype=np.int64), seed=3, step=8).instructions)
