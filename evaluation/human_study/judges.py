"""Scores of language models -> their agreement with people's scores of the same pictures, and both means.

A language model is no rater among others: its scores stand in a table of their own, beside its agreement with people,
and are not shown at all where people have rated none of its pictures.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from evaluation.human_study.answers import Key, Submission
from evaluation.human_study.results import Vote, votes_of

MIN_COMMON = 2
"""Least number of common pictures of a judge and people for a result."""


@dataclass(frozen=True, kw_only=True)
class JudgeColumn:
    """A language model's scores compared with people's, for one question on one test set."""

    judge: str
    """model@revision"""
    split: str
    question: str
    num_common: int
    """Pictures that people rated too."""
    rank_correlation: float | None
    """Spearman's correlation with the mean of people."""
    pairwise_percent: float | None
    """Pairs of edits of an item that people rate differently: the share in which the judge prefers the same edit.

    Ties count half.
    """
    scores: Mapping[str, float]
    """Method -> mean of the judge on the common pictures."""
    people: Mapping[str, float]
    """Method -> mean of people on the same pictures."""


def judge_columns(
    judges: Sequence[Submission], people: Sequence[Vote], key: Key
) -> tuple[list[JudgeColumn], list[str]]:
    """Return each judge's comparison with people, and a sentence for every judge that is not shown."""
    means: dict[tuple[str, str], list[int]] = defaultdict(list)
    for vote in people:
        means[vote.picture, vote.question].append(vote.score)
    columns, silent = [], []
    for judge in judges:
        by_column: dict[tuple[str, str], list[Vote]] = defaultdict(list)
        for vote in votes_of([judge], key):
            if (vote.picture, vote.question) in means:
                by_column[vote.split, vote.question].append(vote)
        shown = [_judge_column(judge.rater, *place, by_column[place], means) for place in sorted(by_column)]
        shown = [judged for judged in shown if judged.num_common >= MIN_COMMON]
        columns += shown
        if not shown:
            silent.append(
                f"{judge.rater} is not shown: people have rated fewer than {MIN_COMMON} of its pictures, "
                "so nobody knows what its scores are worth."
            )
    return columns, silent


def _judge_column(
    judge: str, split: str, question: str, votes: Sequence[Vote], means: Mapping[tuple[str, str], Sequence[int]]
) -> JudgeColumn:
    theirs = np.array([vote.score for vote in votes], dtype=np.float64)
    people = np.array([np.mean(means[vote.picture, vote.question]) for vote in votes])
    varies = len(votes) > 2 and bool(np.ptp(theirs)) and bool(np.ptp(people))
    by_method: dict[str, list[int]] = defaultdict(list)
    for number, vote in enumerate(votes):
        by_method[vote.method].append(number)
    return JudgeColumn(
        judge=judge,
        split=split,
        question=question,
        num_common=len(votes),
        rank_correlation=float(stats.spearmanr(theirs, people).statistic) if varies else None,
        pairwise_percent=_pairwise_percent([vote.segment_id for vote in votes], theirs, people),
        scores={method: float(theirs[places].mean()) for method, places in sorted(by_method.items())},
        people={method: float(people[places].mean()) for method, places in sorted(by_method.items())},
    )


def _pairwise_percent(items: Sequence[str], judge: np.ndarray, people: np.ndarray) -> float | None:
    places: dict[str, list[int]] = defaultdict(list)
    for number, item in enumerate(items):
        places[item].append(number)
    points: list[float] = []
    for part in places.values():
        for position, one in enumerate(part):
            for other in part[position + 1 :]:
                if people[one] != people[other]:
                    product = (judge[one] - judge[other]) * (people[one] - people[other])
                    points.append(1.0 if product > 0 else 0.5 if product == 0 else 0.0)
    return 100 * float(np.mean(points)) if points else None
