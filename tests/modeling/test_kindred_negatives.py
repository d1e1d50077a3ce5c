"""Negatives of the same verb or object: used wherever there are any, and counted where there are none."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modeling.data.loader import Examples
from modeling.objective.kindred_negatives import KindredSampler, make_sampler
from modeling.objective.negatives import NegativeSampler, describe_negatives
from tests.support.tiny_pipeline import tiny_tokenizer, write_examples

pairs = st.lists(
    st.tuples(st.sampled_from(["take", "put", "open"]), st.sampled_from(["cup", "bowl", "door", ""])), min_size=1
)
NUMBERS = {word: number for number, word in enumerate(["take", "put", "open", "cup", "bowl", "door"])}


def words(text: str) -> frozenset[int]:
    return frozenset(NUMBERS[word] for word in text.split() if word in NUMBERS)


def sampler_of(drawn, kind):
    texts = [f"{verb} {thing}".strip() for verb, thing in drawn]
    verbs, objects = zip(*drawn, strict=True)
    return texts, KindredSampler(texts, words, kind=kind, verbs=verbs, objects=objects)


@settings(max_examples=60, deadline=None)
@given(
    drawn=pairs,
    kind=st.sampled_from(["same_verb", "same_object"]),
    seed=st.integers(0, 2**40),
    step=st.integers(0, 10**6),
)
def test_every_negative_is_of_the_kind_wherever_there_is_one(drawn, kind, seed, step):
    texts, sampler = sampler_of(drawn, kind)
    same, other = (0, 1) if kind == "same_verb" else (1, 0)
    rows = np.arange(len(texts))
    negatives = sampler.draw(rows, seed=seed, step=step)
    plain = NegativeSampler(texts, words).draw(rows, seed=seed, step=step)
    for row, pair in enumerate(drawn):
        kin = [
            text
            for text, other_pair in zip(texts, drawn, strict=True)
            if pair[same] and other_pair[same] == pair[same] and other_pair[other] != pair[other] and text != texts[row]
        ]
        assert negatives.is_preferred[row] == bool(kin)
        if kin:
            assert sampler.unique[negatives.instructions[row]] in kin
            assert negatives.pool_sizes[row] == len(kin)
        else:
            assert negatives.instructions[row] == plain.instructions[row]
    assert describe_negatives(negatives)["fallbacks"]["not_preferred"] == int((~negatives.is_preferred).sum())
    assert "not_preferred" not in describe_negatives(plain)["fallbacks"]


def test_kin_are_drawn_as_often_as_their_examples_stand_in_the_data():
    drawn = [("take", "cup"), *[("take", "bowl")] * 3, ("take", "door"), ("put", "cup")]
    _, sampler = sampler_of(drawn, "same_verb")
    counts = Counter(
        sampler.unique[number]
        for step in range(400)
        for number in sampler.draw(np.zeros(8, int), seed=0, step=step).instructions
    )
    assert set(counts) == {"take bowl", "take door"}
    assert counts["take bowl"] / sum(counts.values()) == pytest.approx(0.75, abs=0.03)


def test_a_draw_depends_on_seed_step_and_row_alone():
    drawn = [(verb, thing) for verb in ("take", "put", "open") for thing in ("cup", "bowl", "door")] * 2
    _, sampler = sampler_of(drawn, "same_object")
    whole = sampler.draw(np.arange(18), seed=3, step=7)
    parts = [sampler.draw(np.arange(first, first + 6), seed=3, step=7, first_row=first) for first in (0, 6, 12)]
    assert np.array_equal(whole.instructions, np.concatenate([part.instructions for part in parts]))
    assert not np.array_equal(whole.instructions, sampler.draw(np.arange(18), seed=3, step=8).instructions)
    assert not np.array_equal(whole.instructions, sampler.draw(np.arange(18), seed=4, step=7).instructions)


def test_verbs_and_objects_come_from_the_shards(tmp_path):
    """All drawn examples have one verb and object, so none has kin. The default does not ask for kin."""
    examples = Examples(write_examples(tmp_path, count=6))
    kindred = make_sampler(examples, tiny_tokenizer(), "same_verb").draw(np.arange(6), seed=0, step=0)
    assert not kindred.is_preferred.any()
    assert make_sampler(examples, tiny_tokenizer(), "disjoint").draw(np.arange(6), seed=0, step=0).is_preferred is None
