"""Files of answers, of our own page or a platform -> submissions. The content of a file tells its format.

    own            JSON or CSV that the page gives at its end
    mturk          batch results: Input.picture, Answer.R1, Answer.R1.4 or Answer.taskAnswers, WorkerId
    label-studio   JSON, JSON_MIN or CSV: ratings R1 to R5, data.picture, completed_by or annotator
    prolific       batch report: the columns of prolific.csv, R1 to R5 and the participant's id
    csv            any other table, through a map of columns

Answers may be named R1, or R1_A with the picture in picture_A, where a task shows several pictures.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from evaluation.human_study.answers import Answer, Rejected, Submission
from evaluation.human_study.platforms import (
    RATER_COLUMNS,
    Found,
    NotReadable,
    Row,
    label_studio,
    long_rows,
    number_of,
    score_of,
    wide,
)
from evaluation.human_study.survey import ANSWERS_FORMAT
from modeling.json_text import parse_json
from modeling.sheets import plain_cell, told_separator

MAX_BYTES = 200_000_000
"""Largest size of a file of answers."""
_JUDGE = re.compile(r"[^@\s]+@[^@\s]+")
_OWN = ("study", "form", "worker", "code")
"""Columns with one value for all rows in a CSV of our own page."""


def read_submissions(paths: Sequence[Path], columns: Mapping[str, str] | None = None) -> Found:
    """Read files of answers. An unreadable file becomes one rejected entry with its reason.

    `columns`: name here (rater, picture, question, score, seconds, R1 ...) -> column there, for tables of other makes.
    """
    submissions: list[Submission] = []
    rejected: list[Rejected] = []
    for path in paths:
        try:
            from_file, not_counted = read_file(path, columns)
        except NotReadable as error:
            rejected.append(Rejected(source=path.name, rater="", reason=error.reason, message=str(error), num_rows=0))
            continue
        submissions += from_file
        rejected += not_counted
    return submissions, rejected


def read_file(path: Path, columns: Mapping[str, str] | None = None) -> Found:
    """Read one file; NotReadable says why it cannot be."""
    if not path.is_file():
        raise NotReadable("no_such_file", f"{path}: there is no such file.")
    if path.stat().st_size > MAX_BYTES:
        raise NotReadable("too_large", f"{path.name}: more than {MAX_BYTES} bytes are no answers of raters.")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotReadable("not_utf8", f"{path.name}: not UTF-8 ({error.reason} at byte {error.start}).") from error
    if text.lstrip()[:1] in ("{", "["):
        return _from_json(path.name, text)
    return _from_table(path.name, text, columns)


def _from_json(source: str, text: str) -> Found:
    try:
        content = parse_json(text)
    except ValueError as error:
        raise NotReadable("cut_off_or_damaged", f"{source}: no whole JSON ({error}).") from error
    if _is_own(content):
        return [_own_json(source, content)], []
    if isinstance(content, list) and content and all(_is_own(entry) for entry in content):
        return [_own_json(source, entry) for entry in content], []
    if isinstance(content, list) and content and all(isinstance(entry, dict) for entry in content):
        if any("annotations" in entry for entry in content):
            return label_studio(source, content)
        return wide(source, content, "label-studio")
    raise NotReadable("unknown_format", f"{source}: neither our answers nor Label Studio's JSON.")


def _is_own(content: object) -> bool:
    return isinstance(content, dict) and content.get("format") == ANSWERS_FORMAT


def _own_json(source: str, content: Row) -> Submission:
    texts = {name: content.get(name) for name in ("study", "form", "worker", "code")}
    rows = content.get("answers")
    if not all(isinstance(text, str) and text for text in texts.values()) or not isinstance(rows, list):
        raise NotReadable("fields_missing", f"{source}: needs study, form, worker, code and answers.")
    if not all(isinstance(row, dict) and {"picture", "question", "score"} <= set(row) for row in rows):
        raise NotReadable("fields_missing", f"{source}: each answer needs picture, question and score.")
    return _own(source, texts, rows)


def _own(source: str, texts: Row, rows: Sequence[Row]) -> Submission:
    return Submission(
        rater=str(texts["worker"])[:200],
        source=source,
        platform="own",
        answers=[
            Answer(
                picture=str(row["picture"]),
                question=str(row["question"]),
                score=score_of(row["score"]),
                seconds=number_of(row.get("seconds")),
            )
            for row in rows
        ],
        study=str(texts["study"]),
        form=str(texts["form"]),
        code=str(texts["code"]),
    )


def _from_table(source: str, text: str, columns: Mapping[str, str] | None) -> Found:
    rows = read_rows(source, text)
    header = set(rows[0])
    if "code" in header and {row.get("format") for row in rows} == {ANSWERS_FORMAT}:
        missing = {"study", "form", "worker", "picture", "question", "score"} - header
        if missing:
            raise NotReadable("fields_missing", f"{source}: column {min(missing)!r} is missing.")
        by_rater: dict[tuple[str, ...], list[dict[str, str]]] = {}
        for row in rows:
            by_rater.setdefault(tuple(row[name] for name in _OWN), []).append(row)
        return [
            _own(source, dict(zip(_OWN, place, strict=True)) | {"worker": plain_cell(place[2])}, part)
            for place, part in by_rater.items()
        ], []
    if columns:
        return _mapped(source, rows, columns)
    for platform in ("mturk", "label-studio", "prolific"):
        if any(name in header for name in RATER_COLUMNS[platform]):
            return wide(source, rows, platform)
    return _mapped(source, rows, {})


def read_rows(source: str, text: str) -> list[dict[str, str]]:
    """Read a table with a header, divided by commas, semicolons or tabs; NotReadable when it is none."""
    if not text.strip():
        raise NotReadable("no_answers", f"{source}: the file is empty.")
    first, _, rest = text.partition("\n")
    if told := told_separator(first):
        text, delimiter = rest, told
    else:
        delimiter = max(",;\t", key=first.count)
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, restval="")
        rows = list(reader)
    except csv.Error as error:
        raise NotReadable("cut_off_or_damaged", f"{source}: no whole table ({error}).") from error
    if not rows:
        raise NotReadable("no_answers", f"{source}: a header without a row.")
    twice = next((name for name, number in Counter(reader.fieldnames or ()).items() if name and number > 1), None)
    if twice is not None:
        raise NotReadable("column_twice", f"{source}: column {twice!r:.80} is there twice; nobody knows which counts.")
    if any(None in row for row in rows):
        raise NotReadable("cut_off_or_damaged", f"{source}: a row has more cells than the header.")
    return rows


def _mapped(source: str, rows: Sequence[Row], columns: Mapping[str, str]) -> Found:
    """Read any table: one row an answer (picture, question, score), or one row a picture (picture, R1, R2 ...)."""
    there = {column: name for name, column in columns.items()}
    if len(there) < len(columns):
        twice = next(column for column, number in Counter(columns.values()).items() if number > 1)
        raise NotReadable("column_twice", f"{source}: --column names {twice!r:.80} twice; one column is one thing.")
    missing = [column for column in there if column not in rows[0]]
    if missing:
        raise NotReadable(
            "column_missing", f"{source}: no column {missing[0]!r}; there are {', '.join(rows[0])[:300]}."
        )
    named = [{there.get(column, column): value for column, value in row.items()} for row in rows]
    header = set(named[0])
    if not any(name.startswith("picture") for name in header) or not header & set(RATER_COLUMNS["csv"]):
        raise NotReadable(
            "unknown_format",
            f"{source}: no format that is known; it has {', '.join(rows[0])[:300]}. Say which column is which: "
            "--column rater=... --column picture=... --column question=... --column score=..., or R1=... and so on.",
        )
    if {"picture", "question", "score"} <= header:
        return long_rows(source, named, "csv")
    return wide(source, named, "csv")


def read_judges(paths: Sequence[Path]) -> Found:
    """Read a language model's scores: CSV with rater (`model@revision`), picture, question, score.

    A rater without a revision is rejected: nobody could repeat the study with the same model.
    """
    submissions, rejected = read_submissions(paths, {"rater": "rater"})
    named: list[Submission] = []
    for submission in submissions:
        if _JUDGE.fullmatch(submission.rater):
            named.append(Submission(**{**vars(submission), "platform": "judge"}))
            continue
        message, num_rows = f"{submission.rater!r:.80} is not model@revision", len(submission.answers)
        what = Rejected(
            source=submission.source, rater=submission.rater, reason="no_revision", message=message, num_rows=num_rows
        )
        rejected.append(what)
    return named, rejected
