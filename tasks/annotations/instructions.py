"""Narration -> verb, object, start and end point: a small grammar of the instructions of kitchen datasets.

The model gets the raw narration; these parts serve for the choice of test pairs (those with an end point), negatives
and statistics. The dataset's verb column, which joins particles ("put-down"), distinguishes particles ("put down") from
prepositions ("put down the sink").
"""

import re
import unicodedata
from dataclasses import dataclass

PARTICLES = frozenset({"up", "down", "on", "off", "out", "over"})
END_PREPOSITIONS = frozenset({"in", "into", "on", "onto", "to", "inside", "over", "under", "towards"})
START_PREPOSITIONS = frozenset({"from", "off", "out of"})
OTHER_PREPOSITIONS = frozenset(
    {"with", "at", "by", "for", "near", "next to", "beside", "behind", "between", "through", "around", "above", "below"}
    | {"across", "against", "along", "down", "using", "via", "without", "while", "before", "after"}
)
ARTICLES = frozenset({"the", "a", "an"})


@dataclass(frozen=True, kw_only=True)
class ParsedInstruction:
    """The parts of an instruction, in lower case; "" for a missing part."""

    action: str
    """First word: the paper's action."""
    particle: str
    """Word that belongs to the verb, as `on` in "turn on light"."""
    object: str
    """The object of the action."""
    start_point: str
    """The place where the object is taken from."""
    end_point: str
    """The place where the object is brought to."""

    @property
    def verb(self) -> str:
        """The action with its particle."""
        return f"{self.action} {self.particle}".strip()


def parse_instruction(text: str, verb: str = "") -> ParsedInstruction:
    """Parse an instruction; `verb` is the dataset's verb, its particle joined by a hyphen ("" when unknown).

    >>> def parts(text, verb=""):
    ...     parsed = parse_instruction(text, verb)
    ...     return parsed.verb, parsed.object, parsed.start_point, parsed.end_point
    >>> parts("open door", "open")
    ('open', 'door', '', '')
    >>> parts("turn on light", "turn-on")
    ('turn on', 'light', '', '')
    >>> parts("turn light on", "turn-on")
    ('turn on', 'light', '', '')
    >>> parts("put cup on table", "put-on")
    ('put', 'cup', '', 'table')
    >>> parts("put down plate on top of board", "put-down")
    ('put down', 'plate', '', 'top of board')
    >>> parts("take plate from cupboard to the table", "take")
    ('take', 'plate', 'cupboard', 'table')
    >>> parts("take cup of tea out of microwave", "take-out")
    ('take', 'cup of tea', 'microwave', '')
    >>> parts("pour water from kettle into mug with left hand", "pour-into")
    ('pour', 'water', 'kettle', 'mug')
    >>> parts("take lid off pan", "take-off")
    ('take', 'lid', 'pan', '')
    >>> parts("take off lid from pan")
    ('take off', 'lid', 'pan', '')
    >>> parts("Switch on the stove.")
    ('switch on', 'stove', '', '')
    >>> parts("look in fridge", "look-in")
    ('look', '', '', '')
    >>> parts("")
    ('', '', '', '')
    """
    words = re.findall(r"[^\s,.;:!?()\"]+", text.lower())
    if not words:
        return ParsedInstruction(action="", particle="", object="", start_point="", end_point="")
    action, rest = words[0], words[1:]
    particle, rest = _take_particle(rest, verb.lower())
    phrases = _phrases(rest)
    named = phrases[0][1]
    start = next((words for preposition, words in phrases if preposition in START_PREPOSITIONS and words), [])
    # "look in fridge": what follows an action at once is no place where an object ends up.
    ends = (words for preposition, words in phrases if preposition in END_PREPOSITIONS and words and named)
    return ParsedInstruction(
        action=action,
        particle=particle,
        object=" ".join(named),
        start_point=" ".join(start),
        end_point=" ".join(next(ends, [])),
    )


def as_read(text: str) -> str:
    """Return an instruction as the text encoder reads it: composed accents, single blanks, small letters.

    Two instructions that are equal so are one: CLIP's tokenizer makes the same tokens of them.

    >>> as_read("Open  the Door ")
    'open the door'
    """
    return " ".join(unicodedata.normalize("NFC", text).lower().split())


def _take_particle(words: list[str], verb: str) -> tuple[str, list[str]]:
    """Split off the particle of the verb: the next word, or the last word when nothing follows that it can govern."""
    joined = verb.replace("_", "-").split("-")[1:]
    if words[:1] and words[0] in PARTICLES and (not verb or words[0] in joined) and words[:2] != ["out", "of"]:
        return words[0], words[1:]
    if words[-1:] and words[-1] in PARTICLES and (not verb or words[-1] in joined):
        return words[-1], words[:-1]
    return "", words


def _phrases(words: list[str]) -> list[tuple[str, list[str]]]:
    """Cut words at prepositions into (preposition, words without articles); the first has none.

    >>> _phrases("lid out of the box next to sink".split())
    [('', ['lid']), ('out of', ['box']), ('next to', ['sink'])]
    """
    phrases: list[tuple[str, list[str]]] = [("", [])]
    place = 0
    while place < len(words):
        pair, word = " ".join(words[place : place + 2]), words[place]
        if pair in START_PREPOSITIONS | OTHER_PREPOSITIONS:
            phrases.append((pair, []))
            place += 2
            continue
        if word in END_PREPOSITIONS | START_PREPOSITIONS | OTHER_PREPOSITIONS:
            phrases.append((word, []))
        elif word not in ARTICLES:
            phrases[-1][1].append(word)
        place += 1
    return phrases
