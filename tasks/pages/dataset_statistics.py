"""Segments -> the statistics of the paper's appendix 7.1, each by several named rules, and the data of the charts.
Pure.

The paper does not say how it decides that an instruction names an ending point, so several plausible rules are counted
side by side.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from evaluation.paper import DatasetFigures
from tasks.annotations.instructions import END_PREPOSITIONS, parse_instruction
from tasks.artifacts.artifact import Record

PREPOSITIONS = END_PREPOSITIONS | {
    *("from", "off", "of", "with", "at", "by", "for", "near", "beside", "behind", "between", "through", "around"),
    *("above", "below", "across", "against", "along", "using", "via"),
}
"""Words of the rule `any_prep`."""
IN_ON_TO = frozenset({"in", "into", "on", "onto", "to"})
COLUMNS = ["video_id", "group", "start_s", "stop_s", "instruction", "verb", "object", "end_point", "overlaps"]
"""The fields of a row that are counted."""
NUM_LISTED = 200
"""Number of listed verbs, objects and places."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule to count a property of instructions."""

    statistic: str
    """start_point | end_point | neither"""
    name: str
    meaning: str
    holds: Callable[[Record], bool]


@dataclass(frozen=True, kw_only=True)
class Counted:
    """The result of a rule."""

    statistic: str
    rule: str
    meaning: str
    count: int
    percent: float | None
    """Share of all instructions; None when there are none."""
    paper_percent: float | None
    """The paper's value of this statistic, for every rule."""


def words_of(instruction: str) -> list[str]:
    """Return the words in lower case, without punctuation."""
    return re.findall(r"[^\s,.;:!?()\"]+", instruction.lower())


def has_word(instruction: str, wanted: frozenset[str]) -> bool:
    """Tell whether one of `wanted` follows the first word, other than the particle of turn or switch on or off.

    >>> [has_word(text, IN_ON_TO) for text in ("put cup on table", "turn on light", "turn on tap in sink", "on")]
    [True, False, True, False]
    """
    words = words_of(instruction)
    is_switch = words[:1] in (["turn"], ["switch"])
    rest = words[1:]
    if is_switch:
        particle = next((place for place, word in enumerate(rest) if word in ("on", "off")), None)
        rest = [word for place, word in enumerate(rest) if place != particle]
    return not wanted.isdisjoint(rest)


def destination_of(row: Record) -> str:
    """Return the end point by the grammar of instructions.py, even when the record has its own."""
    return parse_instruction(row["instruction"], row["verb"].replace(" ", "-")).end_point


RULES = (
    Rule(
        statistic="end_point",
        name="record",
        meaning="the pair's own end point, by which long-distance candidates are chosen: annotated, else dest_pp",
        holds=lambda row: bool(row["end_point"]),
    ),
    Rule(
        statistic="end_point",
        name="dest_pp",
        meaning="in, into, on, onto, to, inside, over, under or towards a place, after an object",
        holds=lambda row: bool(destination_of(row)),
    ),
    Rule(
        statistic="end_point",
        name="in_on_to",
        meaning="a word in, into, on, onto or to, but for turn or switch on",
        holds=lambda row: has_word(row["instruction"], IN_ON_TO),
    ),
    Rule(
        statistic="end_point",
        name="any_prep",
        meaning="any preposition, but for turn or switch on or off",
        holds=lambda row: has_word(row["instruction"], PREPOSITIONS),
    ),
    Rule(
        statistic="start_point",
        name="record",
        meaning="the pair's own start point: annotated, else what follows from, off or out of",
        holds=lambda row: bool(row["start_point"]),
    ),
    Rule(
        statistic="start_point",
        name="from",
        meaning="the word from",
        holds=lambda row: has_word(row["instruction"], frozenset({"from"})),
    ),
    Rule(
        statistic="neither",
        name="record",
        meaning="the pair has neither a start point nor an end point of its own: verb and object only",
        holds=lambda row: not row["start_point"] and not row["end_point"],
    ),
    Rule(
        statistic="neither",
        name="no_prep",
        meaning="no preposition, by any_prep",
        holds=lambda row: not has_word(row["instruction"], PREPOSITIONS),
    ),
)
MULTI_NOUN = "two or more nouns annotated (all_nouns of EPIC-KITCHENS, counted over all segments)"


def count_by_rules(
    rows: Sequence[Record], facts: Mapping[str, Any], num_segments: int, paper: DatasetFigures | None
) -> list[Counted]:
    """Return every rule's count over `rows`; `multi_noun` comes from the reader's `facts` over `num_segments`."""
    printed: dict[str, float] = {}
    if paper is not None:
        printed = {name: getattr(paper, f"{name}_percent") for name in ("start_point", "end_point", "neither")}
    counted = [
        _counted(rule.statistic, rule.name, rule.meaning, sum(map(rule.holds, rows)), len(rows), printed)
        for rule in RULES
    ]
    if "num_several_nouns" in facts:
        several = _counted("end_point", "multi_noun", MULTI_NOUN, facts["num_several_nouns"], num_segments, printed)
        counted.insert(sum(rule.statistic == "end_point" for rule in RULES), several)
    return counted


def _counted(statistic: str, rule: str, meaning: str, count: int, num: int, printed: Mapping[str, float]) -> Counted:
    percent = round(100 * count / num, 2) if num else None
    return Counted(
        statistic=statistic,
        rule=rule,
        meaning=meaning,
        count=count,
        percent=percent,
        paper_percent=printed.get(statistic),
    )


def first_words(instructions: pd.Series) -> pd.Series:
    """Return the action of each instruction as the paper most likely counts it: its first word; "" without words."""
    words = instructions.map(words_of)
    return words[words.map(bool)].map(lambda several: several[0])


def counts_of(values: pd.Series) -> list[tuple[Any, int]]:
    """Return each distinct value with its number, the most frequent first, then the one that came first."""
    sizes = values.groupby(values, sort=False).size().sort_values(ascending=False, kind="stable")
    return [(value, int(number)) for value, number in sizes.items()]


def statistics_of(
    rows: Sequence[Record], facts: Mapping[str, Any], num_segments: int, paper: DatasetFigures | None
) -> dict[str, Any]:
    """Return all counts as plain data. `rows`: pairs where they are cut, else segments."""
    table = pd.DataFrame.from_records(rows, columns=COLUMNS)
    listed = {f"{name}s": counts_of(table[name][table[name] != ""]) for name in ("verb", "object", "end_point")}
    actions = counts_of(first_words(table["instruction"]))
    # Durations are unknown before the frames are cut where no seconds are given: NaN, which is left out.
    durations_s = (table["stop_s"] - table["start_s"]).astype(float).replace([np.inf, -np.inf], np.nan).dropna()
    return {
        "num": len(table),
        "num_videos": table["video_id"].nunique(),
        "num_participants": table["group"].nunique(),
        "num_actions": len(actions),
        "num_overlapping": int(table["overlaps"].sum()),
        "durations_s": _spread(durations_s),
        "rules": [asdict(count_by_rule) for count_by_rule in count_by_rules(rows, facts, num_segments, paper)],
        "num_distinct": {name: len(counts) for name, counts in listed.items()},
        "actions": actions,
    } | {name: counts[:NUM_LISTED] for name, counts in listed.items()}


def _spread(durations_s: pd.Series) -> dict[str, float | int]:
    if durations_s.empty:
        return {}
    return {
        "sum": round(float(durations_s.sum()), 2),
        "mean": round(float(durations_s.mean()), 3),
        "median": round(float(durations_s.median()), 3),
        "min": round(float(durations_s.min()), 3),
        "max": round(float(durations_s.max()), 3),
        "num_under_1_s": int((durations_s < 1).sum()),
        "num_over_30_s": int((durations_s > 30).sum()),
    }
