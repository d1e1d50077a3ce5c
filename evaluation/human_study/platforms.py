"""Rows of a platform's file, each with one rater's answers to one task -> submissions, for all forms in use."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from evaluation.human_study.answers import Answer, Rejected, Submission

RATER_COLUMNS = {
    "mturk": ("WorkerId",),
    "label-studio": ("annotator", "completed_by"),
    "prolific": ("Participant id", "participant_id", "Participant ID", "PROLIFIC_PID"),
    "csv": ("rater", "worker"),
}
"""Columns that name the rater; the first one that exists is read."""
STATUS_COLUMNS = ("AssignmentStatus", "Status", "status", "submission_status")
"""Columns in which MTurk and Prolific tell what became of a submission; the first that is filled is read.

In a file on its way back to MTurk the column Reject holds a reason instead.
"""
_NOT_COUNTED = ("rejected", "returned", "timed-out", "timed out", "screened out")
SECONDS_COLUMNS = ("WorkTimeInSeconds", "lead_time", "Time taken", "time_taken", "seconds")
_ANSWER = re.compile(r"(?:Answer\.)?(R[1-5])(?:_([A-Za-z0-9]+))?(?:\.([1-5]))?", re.ASCII)
_TRUE, _UNANSWERED = ("true", "1", "yes"), ("", "null", "none", "nan")
_INSIDE = ("rating", "choices", "label")
"""Keys of a score inside an object of Label Studio or MTurk."""
_LONGEST = 1_000
"""Characters of a score with its label; a longer text is none, and is not looked into."""
_DEEPEST = 4
"""Largest number of nested lists and objects around a score."""
Row = Mapping[str, Any]
Found = tuple[list[Submission], list[Rejected]]


class NotReadable(ValueError):
    """A file that holds no answers in any format; `reason` is a snake_case word."""

    def __init__(self, reason: str, message: str):
        super().__init__(message)
        self.reason = reason


def label_studio(source: str, tasks: Sequence[Row]) -> Found:
    """Read Label Studio's JSON: a list of tasks with their data and annotations."""
    rows: list[dict[str, Any]] = []
    rejected: list[Rejected] = []
    for task in tasks:
        data, annotations = task.get("data"), task.get("annotations")
        if not isinstance(data, dict) or not isinstance(annotations, list):
            raise NotReadable("fields_missing", f"{source}: each task needs data and annotations.")
        for annotation in annotations:
            if not isinstance(annotation, dict) or not isinstance(annotation.get("result"), list):
                raise NotReadable("fields_missing", f"{source}: each annotation needs a result.")
            rater = annotation.get("completed_by")
            rater = rater.get("email") or rater.get("id") if isinstance(rater, dict) else rater
            given = {
                str(one.get("from_name")): one.get("value") for one in annotation["result"] if isinstance(one, dict)
            }
            if annotation.get("was_cancelled"):
                rejected.append(_platform_rejected(source, str(rater), len(given), "skipped by the rater"))
                continue
            seconds = {"lead_time": annotation.get("lead_time")}
            rows.append({**data, **given, "annotator": rater, **seconds})
    if not rows:
        raise NotReadable("no_answers", f"{source}: no annotation in it.")
    submissions, more = wide(source, rows, "label-studio")
    return submissions, rejected + more


def long_rows(source: str, rows: Sequence[Row], platform: str) -> Found:
    """Read rows that each hold one answer: picture, question, score. A question that is none stays, to be counted."""
    return _by_rater(source, rows, platform, _answer_of)


def wide(source: str, rows: Sequence[Row], platform: str) -> Found:
    """Read rows that each hold one rater's answers to one task."""
    return _by_rater(source, rows, platform, _answers_of)


def _by_rater(source: str, rows: Sequence[Row], platform: str, read: Callable[[Row], Iterator[Answer]]) -> Found:
    names = [name for name in RATER_COLUMNS[platform] if any(name in row for row in rows)]
    if not names:
        raise NotReadable("column_missing", f"{source}: no column that names the rater ({RATER_COLUMNS[platform][0]}).")
    by_rater: dict[str, list[Answer]] = {}
    rejected: list[Rejected] = []
    for row in rows:
        rater = str(row.get(names[0]) if row.get(names[0]) is not None else "").strip()[:200]
        answers = list(read(row))
        status = next((str(row[name]).strip().lower() for name in STATUS_COLUMNS if row.get(name)), "")
        status = "rejected" if str(row.get("Reject") or "").strip() else status
        if status in _NOT_COUNTED:
            rejected.append(_platform_rejected(source, rater, len(answers), f"{status} on the platform"))
        elif not rater:
            what = Rejected(source=source, rater="", reason="no_rater", message="empty id", num_rows=len(answers))
            rejected.append(what)
        else:
            by_rater.setdefault(rater, []).extend(answers)
    submissions = [
        Submission(rater=rater, source=source, platform=platform, answers=answers)
        for rater, answers in by_rater.items()
    ]
    if not any(submission.answers for submission in submissions) and not rejected:
        raise NotReadable("no_answers", f"{source}: not one answer named R1 to R5 in it.")
    return submissions, rejected


def _platform_rejected(source: str, rater: str, num_rows: int, message: str) -> Rejected:
    return Rejected(source=source, rater=rater, reason="rejected_on_platform", message=message, num_rows=num_rows)


def _answer_of(row: Row) -> Iterator[Answer]:
    """Yield the answer of a row that holds one; none where its score is empty."""
    if str(row["score"]).strip().lower() in _UNANSWERED:
        return
    question = str(row["question"]).strip()
    name = _ANSWER.fullmatch(question.upper())
    yield Answer(
        picture=str(row["picture"]).strip(),
        question=name[1] if name and not name[2] and not name[3] else question,
        score=score_of(row["score"]),
        seconds=_seconds_of(row),
    )


def _seconds_of(row: Row) -> float | None:
    return next((number for name in SECONDS_COLUMNS if (number := number_of(row.get(name))) is not None), None)


def _answers_of(row: Row) -> Iterator[Answer]:
    """Yield the answers of one row, in any of the known forms."""
    given: dict[tuple[str, str], Any] = {}
    for name, value in _flat(row):
        field = _ANSWER.fullmatch(name)
        if field is None:
            continue
        question, slot, option = field[1], field[2] or "", field[3]
        if option is not None:
            if str(value).strip().lower() in _TRUE:  # two options of one question are no score
                given[question, slot] = [given[question, slot], option] if (question, slot) in given else option
        elif str(value).strip().lower() not in _UNANSWERED:
            given[question, slot] = value
    seconds = _seconds_of(row)
    for (question, slot), value in given.items():
        name = f"picture_{slot}" if slot else "picture"
        picture = str(row.get(f"Input.{name}", row.get(name, ""))).strip()
        each_s = seconds / len(given) if seconds is not None else None
        yield Answer(picture=picture, question=question, score=score_of(value), seconds=each_s)


def _flat(row: Row) -> Iterator[tuple[str, Any]]:
    """Yield names and values, those inside MTurk's Answer.taskAnswers too."""
    for name, value in row.items():
        if name != "Answer.taskAnswers":
            yield str(name), value
            continue
        try:
            content = json.loads(str(value))
        except (ValueError, RecursionError):
            continue
        for answers in content if isinstance(content, list) else [content]:
            if isinstance(answers, dict):
                for inner, answer in answers.items():
                    chosen = [k for k, on in answer.items() if on is True] if isinstance(answer, dict) else []
                    yield str(inner), chosen[0] if len(chosen) == 1 else answer


def score_of(value: Any) -> Any:
    """Return a score as an int where that is possible, else unchanged.

    >>> [score_of(answer) for answer in (4, "4", "4.0", "4 - mostly", {"rating": 4}, '{"rating": 4}', "four", 4.5)]
    [4, 4, 4, 4, 4, 4, 'four', 4.5]
    """
    for _ in range(_DEEPEST):
        if isinstance(value, str) and value.strip()[:1] in ("{", "["):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                return value
        elif isinstance(value, list) and len(value) == 1:
            value = value[0]
        elif isinstance(value, dict) and (inner := [value[name] for name in _INSIDE if name in value]):
            value = inner[0]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if (
        isinstance(value, str)
        and len(value) <= _LONGEST
        and (number := re.fullmatch(r"\s*([0-9])(?:\.0+)?(?:\s+\D.*|\s*[-:–].*|\s+)?", value))
    ):
        return int(number[1])
    return value


def number_of(value: Any) -> float | None:
    """Return seconds; None for what is no number, negative or endless."""
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else -1.0
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number < 1e9 else None
