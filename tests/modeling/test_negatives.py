"""Negative instructions: no shared token, uniform over examples, a function of (seed, step, row) alone."""

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import CLIPTokenizer

from modeling.objective.negatives import LEVELS, NegativeSampler, clip_tokens, describe_negatives
from tests.support.tiny_pipeline import tiny_tokenizer

VOCABULARY = ["take", "put", "open", "close", "cup", "plate", "door", "the", "from", "in", "red", "tap"]


def words(text: str) -> frozenset[int]:
    """Tokenize at spaces. A word's number is its place in VOCABULARY; other words have none."""
    return frozenset(VOCABULARY.index(word) for word in text.split() if word in VOCABULARY)


def content(text: str) -> frozenset[int]:
    """Return the tokens of a text without its function words."""
    return words(" ".join(word for word in text.split() if word not in ("the", "from", "in")))


sentences = st.lists(
    st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=4).map(" ".join), min_size=1, max_size=30
)


@settings(max_examples=60, deadline=None)
@given(sentences, st.integers(0, 2**63), st.integers(0, 10**9))
def test_every_negative_is_as_different_as_the_data_allow(texts: list[str], seed: int, step: int) -> None:
    sampler = NegativeSampler(texts, words)
    drawn = sampler.draw(np.arange(len(texts)), seed=seed, step=step)
    for text, number, level, size in zip(texts, drawn.instructions, drawn.levels, drawn.pool_sizes, strict=True):
        pools = (
            [other for other in texts if other != text and not words(text) & words(other)],
            [other for other in texts if other != text and not content(text) & content(other)],
            [other for other in texts if other != text],
        )
        expected = next(((place, pool) for place, pool in enumerate(pools) if pool), (3, []))
        assert (level, size) == (expected[0], len(expected[1]))
        assert (number == -1) if level == 3 else (sampler.unique[number] in expected[1])


@settings(max_examples=30, deadline=None)
@given(sentences, st.integers(0, 2**31), st.integers(1, 7))
def test_any_number_of_workers_draws_the_same(texts: list[str], seed: int, part: int) -> None:
    """Each worker draws for its own rows of the global batch."""
    sampler = NegativeSampler(texts, words)
    whole = sampler.draw(np.arange(len(texts)), seed=seed, step=3)
    for first in range(0, len(texts), part):
        rows = np.arange(len(texts))[first : first + part]
        alone = NegativeSampler(texts, words).draw(rows, seed=seed, step=3, first_row=first)
        np.testing.assert_array_equal(alone.instructions, whole.instructions[first : first + part])


def test_draws_differ_between_steps_seeds_and_rows() -> None:
    texts = [f"{verb} the {thing}" for verb in VOCABULARY[:4] for thing in VOCABULARY[4:7]]
    texts += ["tap red"] * 3 + [f"red{number}" for number in range(50)]
    sampler = NegativeSampler(texts, words)
    same = np.zeros(64, dtype=np.int64)
    first = sampler.draw(same, seed=0, step=0).instructions
    assert len(set(first)) > 10
    assert (first != sampler.draw(same, seed=0, step=1).instructions).any()
    assert (first != sampler.draw(same, seed=1, step=0).instructions).any()


@pytest.mark.parametrize("num_others", [0, 2000])
def test_a_negative_is_uniform_over_examples_and_not_over_texts(num_others: int) -> None:
    """With many examples that share a token all first tries fail; the sampler then lists the candidates instead."""
    texts = ["open door", *["take cup"] * 3, "put plate", *["open tap"] * num_others]
    sampler = NegativeSampler(texts, words)
    drawn = sampler.draw(np.zeros(8000, dtype=np.int64), seed=0, step=0)
    counts = Counter(sampler.unique[number] for number in drawn.instructions)
    assert set(counts) == {"take cup", "put plate"}
    assert counts["take cup"] / 8000 == pytest.approx(0.75, abs=0.02)
    assert set(drawn.pool_sizes) == {4}


def test_fall_backs_are_counted_by_kind() -> None:
    texts = ["take the cup", "open the door", "take the plate"]
    drawn = NegativeSampler(texts, words).draw(np.arange(3), seed=0, step=0)
    assert [LEVELS[level] for level in drawn.levels] == ["content"] * 3
    assert describe_negatives(drawn)["fallbacks"] == {"content": 3, "different": 0, "none": 0}
    alike = NegativeSampler(["take cup"] * 4, words).draw(np.arange(4), seed=0, step=0)
    assert (alike.instructions == -1).all()
    assert describe_negatives(alike)["fallbacks"] == {"content": 0, "different": 0, "none": 4}


def test_punctuation_capitals_and_special_tokens_are_no_tokens_of_an_instruction() -> None:
    tokenize = clip_tokens(tiny_tokenizer())
    assert tokenize("take, cup") == tokenize("Take cup")
    assert len(tokenize("take, cup")) == 2
    assert tokenize(",") == frozenset()
    assert tokenize("cup é") == tokenize("cup")  # a letter that the vocabulary lacks becomes the end token


def assert_disjoint(sampler: NegativeSampler, examples: np.ndarray, tokenizer, step: int) -> None:
    """Assert that no token of the tokenizer's own ids is shared, except its special tokens."""
    drawn = sampler.draw(examples, seed=1, step=step)
    special = set(tokenizer.all_special_ids)
    for own, number, level in zip(sampler.number_of_example[examples], drawn.instructions, drawn.levels, strict=True):
        if LEVELS[level] == "disjoint":
            ids, other = (set(tokenizer(sampler.unique[place]).input_ids) - special for place in (own, number))
            assert ids
            assert not ids & other


def test_a_negative_shares_no_clip_token() -> None:
    """Words that the vocabulary lacks are compared by their pieces; here these are letters."""
    tokenizer = tiny_tokenizer()
    texts = [
        "take cup",
        "open the cupboard",
        "put plate",
        "kite",
        "close knife",
        "kupboard",
        "left table on",
        "a knife",
    ]
    sampler = NegativeSampler(texts, clip_tokens(tokenizer))
    for step in range(30):
        assert_disjoint(sampler, np.arange(len(texts)), tokenizer, step)
    sizes = dict(zip(sampler.unique, (sampler.pool(number) for number in range(len(texts))), strict=True))
    assert LEVELS[sizes["kite"][0]] == "disjoint"
    assert sizes["kite"][1] == len(texts) - 2  # all except itself and "kupboard", which has a k too


def test_epics_narrations_have_negatives_that_share_no_token_of_clip(real_data: Path) -> None:
    annotations, vocabulary = real_data / "epic100" / "EPIC_100_validation.csv", real_data / "clip" / "vocab.json"
    if not (annotations.is_file() and vocabulary.is_file()):
        pytest.skip(f"no EPIC annotations and CLIP vocabulary in {real_data}")
    merges = (real_data / "clip" / "merges.txt").read_text(encoding="utf-8").splitlines()[1:]
    pairs = [tuple(line.split()) for line in merges if len(line.split()) == 2]
    tokenizer = CLIPTokenizer(vocab=json.loads(vocabulary.read_text(encoding="utf-8")), merges=pairs)
    tokenizer.model_max_length = 77
    with annotations.open(newline="", encoding="utf-8") as file:
        texts = [row["narration"] for row in csv.DictReader(file)]
    sampler = NegativeSampler(texts, clip_tokens(tokenizer))
    examples = np.arange(0, len(texts), 19)
    assert_disjoint(sampler, examples, tokenizer, step=0)
    levels = sampler.draw(examples, seed=1, step=0).levels
    assert (levels == LEVELS.index("disjoint")).mean() > 0.99


def test_a_text_is_compared_as_far_as_clip_reads_it() -> None:
    tokenizer = tiny_tokenizer()
    long = " ".join(["take"] * 10 + ["cup"])  # 12 tokens in all; two of them are start and end
    assert clip_tokens(tokenizer)(long) == clip_tokens(tokenizer)("take")


def test_the_examples_order_does_not_matter_to_the_numbers_of_instructions() -> None:
    texts = ["take cup", "open door", "put plate"]
    assert NegativeSampler(texts, words).unique == NegativeSampler(texts[::-1], words).unique
