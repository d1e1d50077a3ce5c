"""Pairs -> those with a withheld verb, and the test pairs among them (the paper's Figure 6). Pure.

"wipe" withholds every pair whose verb column is "wipe", and no other: "wipe down" is a verb of its own, to be named
too. How many training sentences have the word all the same is counted, since the editor reads sentences.
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tasks.artifacts.artifact import Record
from tasks.config import SplitsConfig

WITHHELD_LEFT = "withheld_verb"
"""Reason of a pair of a withheld verb that is no test pair."""
UNSEEN_VERBS = "unseen_verbs"
"""Beginning of the name of their split; the number of its pairs follows."""


def withheld_pairs(rows: Sequence[Record], verbs: Collection[str], *, besides: Collection[str]) -> list[str]:
    """Return the pairs of the verbs; `besides`: pairs that are tested on anyway. ValueError for a verb without any."""
    verbs_there = {str(row["verb"]): True for row in rows}
    missing = sorted(set(verbs) - verbs_there.keys())
    if missing:
        raise ValueError(
            f"splits: no pair has the verb {missing[0]!r} of SplitsConfig.withhold_verbs; `editaction dataset` lists "
            "the verbs."
        )
    return [row["segment_id"] for row in rows if row["verb"] in verbs and row["segment_id"] not in besides]


def tested_of(
    ordered: Sequence[str], rows: Mapping[str, Record], config: SplitsConfig, taken: Collection[str], column: str | None
) -> tuple[list[str], dict[str, str]]:
    """Return the test pairs among the withheld pairs, and the others with their reason.

    ordered: the withheld pairs in the order of the draw. `taken`: values of the column (video or participant) that
    are trained or validated on; in the disjoint methods a pair of such a one is not tested on. None: no such method.
    """
    allowed = [
        segment_id
        for segment_id in ordered
        if not (config.test_without_overlap and rows[segment_id]["overlaps"])
        and (column is None or rows[segment_id][column] not in taken)
    ]
    asked = config.num_withheld if config.num_withheld is not None else min(config.num_test, len(allowed))
    if len(allowed) < max(1, asked):
        raise ValueError(
            f"splits: {UNSEEN_VERBS} cannot be filled: {max(1, asked)} pairs are asked for, and {len(allowed)} of the "
            f"{len(ordered)} pairs of the withheld verbs may be tested on. Lower num_withheld, or withhold other verbs."
        )
    tested = allowed[:asked]
    return tested, dict.fromkeys(sorted(set(ordered) - set(tested)), WITHHELD_LEFT)


def told_withheld(rows: Sequence[Record], splits: Mapping[str, str], verbs: Sequence[str]) -> dict[str, Any]:
    """Return for each verb its pairs, those tested on, and the training sentences that have its words all the same."""
    sentences = [row["instruction"].lower() for row in rows if splits.get(row["segment_id"]) == "train"]
    pairs = Counter(row["verb"] for row in rows)
    tested = Counter(row["verb"] for row in rows if splits.get(row["segment_id"], "").startswith(UNSEEN_VERBS))
    told = {}
    for verb in verbs:
        # A verb of several words is counted where all of them stand in a sentence: "turn" and "on" in "turn tap on".
        words = [re.compile(rf"\b{re.escape(word)}\b") for word in re.split(r"[\s_-]+", verb.lower()) if word]
        told[verb] = {
            "pairs": pairs[verb],
            "tested": tested[verb],
            "training_sentences_with_it": sum(all(word.search(sentence) for word in words) for sentence in sentences),
        }
    return told
