"""Results of a study -> the tables: Table 2, agreement, judges, all answers, all rejected ones; and the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from evaluation.human_study.answers import Checked, Key
from evaluation.human_study.judges import JudgeColumn
from evaluation.human_study.questions import MEANINGS
from evaluation.human_study.results import Column
from evaluation.human_study.table_texts import (
    AGREEMENT_NOTE,
    JUDGES_NOTE,
    REJECTED_NOTE,
    SCORES_NOTE,
    TABLE_NOTE,
)
from evaluation.human_study.text_tables import Row
from evaluation.pages.numbers import fixed
from evaluation.paper import HUMAN_QUESTIONS, HUMAN_STUDY, notes_on

TEMPLATES = Path(__file__).resolve().parent / "templates"
_PRINTED = {"start": "InstructPix2Pix", "finetuned": "Fine-tuned InstructPix2Pix"}
"""Our methods whose names are not those of the paper's table."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """Everything that the page of a study shows."""

    columns: Sequence[Column]
    judges: Sequence[JudgeColumn]
    silent_judges: Sequence[str]
    """Sentences on judges that cannot be shown."""
    checked: Checked
    names: Mapping[str, str] = field(default_factory=dict)
    """Method -> how it is printed."""
    main: str = ""
    """The method that the others are compared with."""
    paper: str = ""
    """LC or HC: the paper's values are shown beside the results."""


def published(paper: str, split: str, question: str, method: str) -> float | None:
    """Return the paper's value in Table 2; None where there is none.

    >>> published("HC", "test500", "R1", "plug_and_play"), published("HC", "long100", "R5", "start")
    (3.25, 1.57)
    """
    place = f"{paper} test100 {question}" if split.startswith("long") else f"{paper} {question}"
    printed = {_letters(name): values for name, values in HUMAN_STUDY.items()}
    values = printed.get(_letters(_PRINTED.get(method, method)))
    if place not in HUMAN_QUESTIONS or values is None:
        return None
    return values[HUMAN_QUESTIONS.index(place)]


def _letters(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def shown(value: float | None, digits: int = 2) -> str:
    """Return a number as text, a dash where there is none."""
    return "–" if value is None else fixed(value, digits)


def shown_p(p: float) -> str:
    """Return a p-value as text."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def score_rows(results: Results) -> list[Row]:
    """Return one row for each test set, question and method."""
    rows = []
    for column in results.columns:
        for method, score in column.scores.items():
            name = results.names.get(method, method)
            difference = column.differences.get(method)
            rows.append(
                {
                    "test set": column.split,
                    "question": f"{column.question} {MEANINGS[column.question]}",
                    "method": name,
                    "mean": shown(score.mean),
                    "95 % interval": f"{shown(score.low)} to {shown(score.high)}" if score.low is not None else "–",
                    "SD": shown(score.std),
                    "answers": str(score.num_answers),
                    "raters": str(score.num_raters),
                    "paper": shown(published(results.paper, column.split, column.question, method)),
                    f"{results.names.get(results.main, results.main)} minus this": (
                        fixed(difference.mean, 2, "+") if difference else "–"
                    ),
                    "p (Wilcoxon)": shown_p(difference.p) if difference else "–",
                    "p (Holm)": shown_p(difference.p_holm) if difference else "–",
                }
            )
    return rows


def table2_rows(results: Results) -> list[Row]:
    """Return the study in the form of the paper's Table 2: one row a method, one column a test set and question."""
    rows: dict[str, Row] = {}
    for column in results.columns:
        for method, score in column.scores.items():
            row = rows.setdefault(method, {"method": results.names.get(method, method)})
            spread = f" [{shown(score.low)}, {shown(score.high)}]" if score.low is not None else ""
            printed = published(results.paper, column.split, column.question, method)
            beside = f"; paper {shown(printed)}" if printed is not None else ""
            row[f"{column.split} {column.question}"] = f"{shown(score.mean)}{spread}{beside}"
    heads = list(dict.fromkeys(name for row in rows.values() for name in row))
    return [{name: rows[method].get(name, "–") for name in heads} for method in sorted(rows)]


def agreement_rows(results: Results) -> list[Row]:
    """Return one row for each test set and question: how well people agree."""
    return [
        {
            "test set": column.split,
            "question": f"{column.question} {MEANINGS[column.question]}",
            "pairs": str(column.num_items),
            "Krippendorff's alpha, ordinal": shown(column.alpha, 3),
            "ICC(1,1)": shown(column.icc.single if column.icc else None, 3),
            "ICC(1,k)": shown(column.icc.mean if column.icc else None, 3),
            "k": shown(column.icc.raters_per_unit if column.icc else None, 1),
        }
        for column in results.columns
    ]


def judge_rows(results: Results) -> list[Row]:
    """Return one row for each judge, test set, question and method, always with its agreement with people."""
    return [
        {
            "judge": column.judge,
            "test set": column.split,
            "question": f"{column.question} {MEANINGS[column.question]}",
            "pictures rated by both": str(column.num_common),
            "rank correlation with people": shown(column.rank_correlation),
            "same preference as people, %": shown(column.pairwise_percent, 0),
            "method": results.names.get(method, method),
            "judge's mean": shown(mean),
            "people's mean": shown(column.people[method]),
        }
        for column in results.judges
        for method, mean in column.scores.items()
    ]


def rejected_rows(results: Results) -> list[Row]:
    """Return one row for each rejected file, rater or kind of row."""
    return [
        {
            "file": row.source,
            "rater": row.rater,
            "reason": row.reason,
            "rows": str(row.num_rows),
            "what was seen": row.message,
        }
        for row in results.checked.rejected
    ]


def answer_rows(checked: Checked, key: Key) -> list[Row]:
    """Return the valid answers with their pictures' entries in the key: all other tables can be made from this long
    table.
    """
    return [
        {
            "rater": submission.rater,
            "platform": submission.platform,
            **{
                name: str(key["pictures"][answer.picture][name])
                for name in ("segment_id", "video_id", "split", "method", "kind", "form")
            },
            "picture": answer.picture,
            "question": answer.question,
            "score": str(answer.score),
            "seconds": "" if answer.seconds is None else f"{answer.seconds:.2f}",
        }
        for submission in checked.kept
        for answer in submission.answers
    ]


def render_results(results: Results) -> str:
    """Return the page."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    tables: list[tuple[str, str, list[Row]]] = [
        ("Table 2", TABLE_NOTE, table2_rows(results)),
        ("Every score", SCORES_NOTE, score_rows(results)),
        ("Agreement of people", AGREEMENT_NOTE, agreement_rows(results)),
    ]
    if results.judges:
        tables.append(("Language models as judges", JUDGES_NOTE, judge_rows(results)))
    tables.append(("Not counted", REJECTED_NOTE, rejected_rows(results)))
    if results.paper:
        tables[0] = (tables[0][0], " ".join([TABLE_NOTE, *notes_on("table2", results.paper.lower())]), tables[0][2])
    return made.get_template("results.html.j2").render(results=results, tables=tables, facts=_facts(results))


def _facts(results: Results) -> str:
    checked: Any = results.checked
    raters = {submission.rater for submission in checked.kept}
    lost = checked.num_rows - checked.num_kept
    return (
        f"{len(raters)} raters count with {checked.num_kept} answers; {lost} of {checked.num_rows} rows do not count."
    )
