"""A split's table and the classifier's own accuracy -> the reasons not to trust its accuracy.

Two tests. Does it recognise actions at all (real clips, compared with always naming the most frequent action)? Does it
distinguish an edit from no edit (ground truth, compared with the copy of the input)? When one fails, the page says so
first and accuracy leaves the headline.
"""

from collections.abc import Mapping
from typing import Any

from evaluation.statistics.intervals import share_interval


def chance_of(table: Mapping[str, Any]) -> float:
    """Return the accuracy of always naming the split's most frequent action."""
    counts = [verb["num_pairs"] for verb in table.get("by_verb", ())]
    return max(counts) / sum(counts) if counts else 1.0


def doubts(counts: Mapping[str, int] | None, table: Mapping[str, Any]) -> list[str]:
    """Return reasons not to believe the accuracies of a split, as sentences; empty when there is none.

    `counts`: the classifier's right answers on the split's real clips; None where it was not measured.
    """
    reasons = []
    if counts and counts["num_segments"]:
        right, num_clips, chance = counts["right_on_real_clips"], counts["num_segments"], chance_of(table)
        if share_interval(right, num_clips).low <= chance:
            reasons.append(
                f"The action classifier is near chance: right on {right:,} of {num_clips:,} real clips of "
                f"{table['split']}, where always naming the most frequent action is right in {100 * chance:.1f} %."
            )
    rows = {row["editor"]: row.get("acc_label_percent") for row in table.get("rows", ()) if row["kind"] == "reference"}
    copy, truth = rows.get("copy"), rows.get("truth")
    if copy and truth and truth["interval"][0] <= copy["mean"]:
        reasons.append(
            f"The action classifier cannot tell an edit from no edit on {table['split']}: it recognises the annotated "
            f"action in {truth['mean']:.1f} % of the ground truth and in {copy['mean']:.1f} % of copies of the input."
        )
    return reasons


def is_trusted(scores: Mapping[str, Any], table: Mapping[str, Any]) -> bool:
    """Tell whether accuracy may be the headline."""
    return not doubts(scores.get("classifier", {}).get(table["split"]), table)
