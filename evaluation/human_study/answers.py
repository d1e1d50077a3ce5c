"""Submissions of raters + the key -> the valid answers, and all rejected rows and raters with the reason.

A row can be invalid (an unknown picture, a score outside the scale); a rater can be rejected. Rows read = valid answers
+ rejected rows + rows of rejected raters.
"""

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evaluation.human_study.questions import CONTROLS, SCALE
from evaluation.human_study.survey import completion_code

Key = Mapping[str, Any]
"""key.json: `study`, and `pictures`: code -> segment_id, video_id, split, method, kind, form, questions."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One score."""

    picture: str
    """Code of the picture."""
    question: str
    """R1 to R5."""
    score: Any
    """The score as given; 1 to 5 after the check."""
    seconds: float | None = None
    """Seconds for the answer, where known."""


@dataclass(frozen=True, kw_only=True)
class Submission:
    """The answers of one rater in one file."""

    rater: str
    source: str
    """Name of the file."""
    platform: str
    """own | mturk | label-studio | prolific | csv | judge"""
    answers: Sequence[Answer]
    study: str = ""
    """Code of the study in the file; "" where a format has none."""
    form: str = ""
    """The form that the rater had to complete; "" where raters choose how many pictures they rate."""
    code: str = ""
    """Completion code in the file."""


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """A rejected file, rater or row."""

    source: str
    rater: str
    reason: str
    """A snake_case word."""
    message: str
    """Sentence that says what is wrong."""
    num_rows: int
    """Number of rows that are rejected with it."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits beyond which a rater is rejected."""

    min_answered: float = 0.8
    """Least share of a form that must be answered."""
    min_seconds: float = 1.0
    """Least median of the seconds per answer."""
    max_failed_controls: float = 0.34
    """Largest share of the control checks that may fail."""
    min_same: int = 12
    """A rater with at least this many answers, all of the same score, is rejected."""
    min_copied: int = 20
    """Two raters with at least this many common answers, of which 19 in 20 are equal, count as the same person."""


@dataclass(kw_only=True)
class Checked:
    """The valid answers and the rejected ones."""

    kept: list[Submission] = field(default_factory=list)
    """Accepted raters with their valid answers."""
    rejected: list[Rejected] = field(default_factory=list)
    num_rows: int = 0
    """Rows read."""

    @property
    def num_kept(self) -> int:
        """Answers that count."""
        return sum(len(submission.answers) for submission in self.kept)


def check_submissions(submissions: Sequence[Submission], key: Key, limits: Limits) -> Checked:
    """Divide submissions into accepted and rejected ones."""
    checked = Checked(num_rows=sum(len(submission.answers) for submission in submissions))
    seen: set[tuple[str, str]] = set()
    for submission in submissions:
        good, bad_rows = _check_rows(submission, key)
        checked.rejected += bad_rows
        problem = _rater_problem(submission, good, key, limits) or _same_again(
            submission, good, seen, key, checked.kept
        )
        problem = problem or _copied(good, key, checked.kept, limits)
        if problem is None:
            seen |= {(submission.rater, form) for form in _forms(good, key)}
            checked.kept.append(_with(submission, good))
        elif good or not bad_rows:
            reason, message = problem
            checked.rejected.append(
                Rejected(
                    source=submission.source,
                    rater=submission.rater,
                    reason=reason,
                    message=message,
                    num_rows=len(good),
                )
            )
    return checked


def _with(submission: Submission, answers: Sequence[Answer]) -> Submission:
    return Submission(**{**vars(submission), "answers": tuple(answers)})


def _forms(answers: Iterable[Answer], key: Key) -> set[str]:
    return {key["pictures"][answer.picture]["form"] for answer in answers}


def _check_rows(submission: Submission, key: Key) -> tuple[list[Answer], list[Rejected]]:
    """Return the readable rows and, for each reason, one entry for the unreadable ones."""
    good: dict[tuple[str, str], Answer] = {}
    bad: dict[str, list[Answer]] = defaultdict(list)
    for answer in submission.answers:
        reason = _row_problem(answer, good, key)
        if reason is None:
            good[answer.picture, answer.question] = answer
        else:
            bad[reason].append(answer)
    rejected = [
        Rejected(
            source=submission.source,
            rater=submission.rater,
            reason=reason,
            message=f"such as picture {rows[0].picture!r:.60}, {rows[0].question!r:.20}: {rows[0].score!r:.40}",
            num_rows=len(rows),
        )
        for reason, rows in bad.items()
    ]
    return list(good.values()), rejected


def _row_problem(answer: Answer, before: Mapping[tuple[str, str], Answer], key: Key) -> str | None:
    picture = key["pictures"].get(answer.picture)
    if picture is None:
        return "unknown_picture"
    if answer.question not in picture["questions"]:
        return "question_not_asked"
    if isinstance(answer.score, bool) or not isinstance(answer.score, int) or answer.score not in SCALE:
        return "not_on_the_scale"
    if (answer.picture, answer.question) in before:
        return "answered_twice"
    return None


def _rater_problem(
    submission: Submission, answers: Sequence[Answer], key: Key, limits: Limits
) -> tuple[str, str] | None:
    """Return reason and message when a rater's own answers are reason to reject them."""
    if submission.study and submission.study != key["study"]:
        return "another_study", f"it answers study {submission.study!r:.40}, this is {key['study']}"
    if not answers:
        return "no_answers", "not one row of it is an answer to this study"
    scores = {(answer.picture, answer.question): answer.score for answer in answers}
    if submission.code and submission.code != completion_code(key["study"], submission.form, submission.rater, scores):
        return (
            "answers_changed",
            "its completion code does not fit its answers: they were changed after the code was made",
        )
    asked = sum(len(picture["questions"]) for picture in key["pictures"].values() if picture["form"] == submission.form)
    if submission.form and len(answers) < limits.min_answered * asked:
        return "incomplete", f"{len(answers)} of {asked} questions are answered"
    counts = Counter(scores.values())
    if len(answers) >= limits.min_same and len(counts) == 1:
        return "always_the_same", f"the answer is {answers[0].score} every one of {len(answers)} times"
    seconds = [answer.seconds for answer in answers if answer.seconds is not None]
    if seconds and statistics.median(seconds) < limits.min_seconds:
        return "too_fast", f"half of the answers took less than {statistics.median(seconds):.2f} s"
    failed, checks = failed_controls(scores, key)
    if checks and len(failed) > limits.max_failed_controls * checks:
        return "failed_controls", f"{len(failed)} of {checks} checks: {'; '.join(failed)}"
    return None


def failed_controls(scores: Mapping[tuple[str, str], int], key: Key) -> tuple[list[str], int]:
    """Return the failed control checks of a rater, and the number of all checks."""
    failed, checks = [], 0
    for (code, question), score in scores.items():
        control = CONTROLS.get(key["pictures"][code]["kind"])
        if control is not None and question in control.bounds:
            low, high = control.bounds[question]
            checks += 1
            if not low <= score <= high:
                failed.append(f"{control.title}: {question} is {score}")
    return failed, checks


def _same_again(
    submission: Submission, answers: Sequence[Answer], seen: set[tuple[str, str]], key: Key, kept: Sequence[Submission]
) -> tuple[str, str] | None:
    """Return reason and message when this rater has rated the same pictures in another file."""
    again = {form for form in _forms(answers, key) if (submission.rater, form) in seen}
    if not again:
        return None
    given = {(answer.picture, answer.question) for answer in answers}
    for other in kept:
        if other.rater == submission.rater and given & {(answer.picture, answer.question) for answer in other.answers}:
            return "same_rater_twice", f"{other.source} has this rater's answers to {', '.join(sorted(again))} already"
    return None


def _copied(answers: Sequence[Answer], key: Key, kept: Sequence[Submission], limits: Limits) -> tuple[str, str] | None:
    """Return reason and message when another rater gave the same answers."""
    scores = {(answer.picture, answer.question): answer.score for answer in answers}
    if len(scores) < limits.min_copied:
        return None
    for other in kept:
        num_equal, num_common = _num_equal(other.answers, scores)
        if num_common >= limits.min_copied and 20 * num_equal >= 19 * num_common:
            what = f"{num_equal} of {num_common} common answers are those of rater {other.rater!r:.60}"
            return "copied", f"{what} ({other.source})"
    return None


def _num_equal(answers: Sequence[Answer], scores: Mapping[tuple[str, str], int]) -> tuple[int, int]:
    """Return how many answers have the same score, of how many that both gave; it ends where too many differ."""
    equal = common = 0
    for answer in answers:
        score = scores.get((answer.picture, answer.question))
        equal, common = equal + (score == answer.score), common + (score is not None)
        if 20 * (common - equal) > len(scores):
            break
    return equal, common
