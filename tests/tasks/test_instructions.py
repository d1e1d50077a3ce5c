"""Instructions are divided into verb, object, start point and end point."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tasks.annotations.instructions
from tasks.annotations.instructions import parse_instruction


def test_the_examples_in_the_grammar_hold() -> None:
    assert doctest.testmod(tasks.annotations.instructions).failed == 0


@pytest.mark.parametrize(
    ("text", "verb", "expected"),
    [
        ("take out bottle from fridge", "", ("take out", "bottle", "fridge", "")),
        ("move red pan from counter to stove", "move", ("move", "red pan", "counter", "stove")),
        ("put down knife, fork and spoon", "put-down", ("put down", "knife fork and spoon", "", "")),
        ("turn over pancake in pan", "turn-over", ("turn over", "pancake", "", "pan")),
        ("turn tap off", "turn-off", ("turn off", "tap", "", "")),
        ("pour oil over salad", "pour-over", ("pour", "oil", "", "salad")),
        ("throw peel into bin under the sink", "throw-into", ("throw", "peel", "", "bin")),
        ("wipe counter with cloth", "wipe", ("wipe", "counter", "", "")),
        ("open", "open", ("open", "", "", "")),
        ("stand in kitchen", "stand", ("stand", "", "", "")),
    ],
)
def test_parts_of_instructions(text: str, verb: str, expected: tuple[str, str, str, str]) -> None:
    parsed = parse_instruction(text, verb)
    assert (parsed.verb, parsed.object, parsed.start_point, parsed.end_point) == expected


@given(st.text(), st.text())
def test_any_text_is_parsed(text: str, verb: str) -> None:
    parsed = parse_instruction(text, verb)
    words = set(text.lower().split())
    assert parsed.action == "" or any(parsed.action in word for word in words)
