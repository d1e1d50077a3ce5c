"""Valid answers -> the columns of Table 2: means with intervals, agreement of the raters, paired tests."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from evaluation.human_study.agreement import (
    IntraclassCorrelation,
    MeanScore,
    intraclass_correlation,
    krippendorff_alpha,
    mean_score,
    paired_wilcoxon,
)
from evaluation.human_study.answers import Key, Submission
from evaluation.statistics.paired_tests import holm


@dataclass(frozen=True, kw_only=True)
class Vote:
    """One answer with its picture's entry in the key."""

    rater: str
    picture: str
    segment_id: str
    video_id: str
    split: str
    method: str
    question: str
    score: int


@dataclass(frozen=True, kw_only=True)
class Column:
    """One question on one test set."""

    split: str
    question: str
    scores: Mapping[str, MeanScore]
    """Method -> mean with its interval."""
    differences: Mapping[str, "Difference"]
    """Method -> comparison of the main method with it."""
    alpha: float | None
    """Krippendorff's ordinal alpha of the raters."""
    icc: IntraclassCorrelation | None
    num_items: int


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The main method minus another, over the items that have answers to both."""

    mean: float
    p: float
    """Wilcoxon's signed-rank test over the items' means, two-sided."""
    p_holm: float
    """Adjusted over all methods of the column."""
    num_items: int


def votes_of(submissions: Sequence[Submission], key: Key) -> list[Vote]:
    """Return the answers to edits, without those to controls."""
    votes = []
    for submission in submissions:
        for answer in submission.answers:
            picture = key["pictures"][answer.picture]
            if picture["kind"] == "edit":
                known = {name: picture[name] for name in ("segment_id", "video_id", "split", "method")}
                votes.append(
                    Vote(
                        rater=submission.rater,
                        picture=answer.picture,
                        question=answer.question,
                        score=answer.score,
                        **known,
                    )
                )
    return votes


def columns_of(votes: Sequence[Vote], main: str, seed: int = 0, num_resamples: int = 2000) -> list[Column]:
    """Return Table 2's columns, in the order of split and question."""
    by_column: dict[tuple[str, str], list[Vote]] = defaultdict(list)
    for vote in votes:
        by_column[vote.split, vote.question].append(vote)
    return [
        _column(*place, by_column[place], main, np.random.default_rng([seed, number]), num_resamples)
        for number, place in enumerate(sorted(by_column))
    ]


def _column(
    split: str, question: str, votes: Sequence[Vote], main: str, rng: np.random.Generator, num_resamples: int
) -> Column:
    by_method: dict[str, list[Vote]] = defaultdict(list)
    for vote in votes:
        by_method[vote.method].append(vote)
    return Column(
        split=split,
        question=question,
        scores={
            method: mean_score(
                [entry.video_id for entry in part],
                [entry.rater for entry in part],
                [entry.score for entry in part],
                rng,
                num_resamples,
            )
            for method, part in sorted(by_method.items())
        },
        differences=_differences(by_method, main),
        alpha=krippendorff_alpha(rating_table(votes)),
        icc=intraclass_correlation(_numbers([vote.picture for vote in votes]), [vote.score for vote in votes]),
        num_items=len({vote.segment_id for vote in votes}),
    )


def rating_table(votes: Sequence[Vote]) -> np.ndarray:
    """Return ratings [raters, pictures], NaN where a rater did not rate."""
    raters, pictures = _numbers([vote.rater for vote in votes]), _numbers([vote.picture for vote in votes])
    table = np.full((max(raters) + 1, max(pictures) + 1), np.nan)
    table[raters, pictures] = [vote.score for vote in votes]
    return table


def _numbers(names: Sequence[str]) -> list[int]:
    places = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return [places[name] for name in names]


def _item_means(votes: Sequence[Vote]) -> dict[str, float]:
    scores: dict[str, list[int]] = defaultdict(list)
    for vote in votes:
        scores[vote.segment_id].append(vote.score)
    return {segment_id: float(np.mean(score)) for segment_id, score in scores.items()}


def _differences(by_method: Mapping[str, Sequence[Vote]], main: str) -> dict[str, Difference]:
    """Return the comparison of the main method with each other method, over common items."""
    if main not in by_method:
        return {}
    ours = _item_means(by_method[main])
    compared: dict[str, tuple[list[float], list[float]]] = {}
    for method in sorted(set(by_method) - {main}):
        theirs = _item_means(by_method[method])
        common = sorted(set(ours) & set(theirs))
        if common:
            compared[method] = ([ours[pair] for pair in common], [theirs[pair] for pair in common])
    p_values = [paired_wilcoxon(*pair) for pair in compared.values()]
    return {
        method: Difference(
            mean=float(np.mean(np.subtract(*compared[method]))),
            p=p,
            p_holm=adjusted,
            num_items=len(compared[method][0]),
        )
        for method, p, adjusted in zip(compared, p_values, holm(p_values), strict=True)
    }


def plain(columns: Sequence[Any]) -> list[dict[str, Any]]:
    """Return columns as JSON-like values."""
    return [asdict(column) for column in columns]
