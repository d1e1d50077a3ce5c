"""Pairs -> those of held-out combinations of verb and thing, and the test pairs among them. Pure.

"move cup" holds out every pair whose verb is "move" and whose object has the word "cup", of any colour. The editor is
trained on "move" with other things and on cups with other verbs, and tested on the combination.
"""

from collections.abc import Collection, Sequence

from tasks.artifacts.artifact import Record
from tasks.config import SplitsConfig

UNSEEN_LEFT = "unseen_combination"
"""Reason of a pair of a held-out combination that is no test pair."""
BEYOND_NUM_TRAIN = "beyond_num_train"
"""Reason of a pair that only `num_train` excludes from training."""


def is_of(row: Record, combination: str) -> bool:
    """Tell whether a pair's verb begins `combination` and its object has all the words of the rest."""
    verb, words = str(row["verb"]).lower(), combination.lower().split()
    num_verb_words = len(verb.split())
    rest = words[num_verb_words:]
    return (
        bool(rest) and words[:num_verb_words] == verb.split() and set(rest) <= set(str(row["object"]).lower().split())
    )


def combinations_of(rows: Sequence[Record], combinations: Sequence[str], *, besides: Collection[str]) -> dict[str, str]:
    """Return segment_id -> held-out combination, for the pairs of one; `besides`: pairs that are test pairs already.

    ValueError for a combination that no pair is of.
    """
    by_segment = {
        row["segment_id"]: combination
        for combination in combinations
        for row in rows
        if row["segment_id"] not in besides and is_of(row, combination)
    }
    missing = sorted(set(combinations) - set(by_segment.values()))
    if missing:
        raise ValueError(
            f"splits: no pair is of the held-out combination {missing[0]!r}. Name a verb of the annotations and a word "
            "of its objects, such as 'move cup'; `editaction dataset` lists verbs and nouns."
        )
    return by_segment


def held_out_combinations(
    ordered: Sequence[str], rows: Sequence[Record], config: SplitsConfig
) -> tuple[list[str], dict[str, str]]:
    """Return the test pairs among the held-out pairs, and the others with their reason.

    ordered: the held-out pairs in the order of the draw.
    """
    overlapping = {row["segment_id"] for row in rows if config.test_without_overlap and row["overlaps"]}
    unseen = [segment_id for segment_id in ordered if segment_id not in overlapping][: config.num_unseen]
    return unseen, dict.fromkeys(sorted(set(ordered) - set(unseen)), UNSEEN_LEFT)
