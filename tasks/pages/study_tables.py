"""Files of answers + the key -> a folder with Table 2 as page, CSV, Markdown and JSON, answers, rejected rows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from evaluation.human_study.answers import Limits, check_submissions
from evaluation.human_study.imports import read_judges, read_submissions
from evaluation.human_study.judges import judge_columns
from evaluation.human_study.results import columns_of, plain, votes_of
from evaluation.human_study.table_texts import COLUMNS
from evaluation.human_study.tables import (
    Results,
    agreement_rows,
    answer_rows,
    judge_rows,
    rejected_rows,
    render_results,
    score_rows,
    table2_rows,
)
from evaluation.human_study.text_tables import as_csv, as_latex, as_markdown
from modeling.atomic import atomic_folder, write_json
from tasks.artifacts.artifact import Record
from tasks.pages.editor_names import editor_name

MAIN = "editaction"
"""The method that the others are compared with, where it was rated."""


def study_results(
    key: Record,
    files: Sequence[Path],
    judge_files: Sequence[Path],
    limits: Limits,
    columns: Mapping[str, str],
) -> Results:
    """Read and check all files and compute the tables."""
    submissions, unread = read_submissions(files, columns)
    checked = check_submissions(submissions, key, limits)
    judged, unread_judges = read_judges(judge_files)
    # Limits on speed and controls are for people; a model's answers to controls are in its table.
    judge_checked = check_submissions(
        judged, key, replace(limits, min_seconds=0.0, max_failed_controls=1.0, min_answered=0.0)
    )
    # Rows that a platform itself rejected were read, too.
    checked.num_rows += sum(unread_file.num_rows for unread_file in unread)
    checked.rejected = [*unread, *checked.rejected, *unread_judges, *judge_checked.rejected]
    votes = votes_of(checked.kept, key)
    judges, silent = judge_columns(judge_checked.kept, votes, key)
    main = MAIN if MAIN in key["methods"] else key["methods"][0]
    return Results(
        columns=columns_of(votes, main),
        judges=judges,
        silent_judges=silent,
        checked=checked,
        names={method: editor_name(method) for method in key["methods"]},
        main=main,
        paper=key["paper"],
    )


def import_answers(
    key: Record,
    files: Sequence[Path],
    judge_files: Sequence[Path],
    out: Path,
    limits: Limits,
    columns: Mapping[str, str],
) -> dict[str, Any]:
    """Write the tables to the new folder `out`; return the counts."""
    results = study_results(key, files, judge_files, limits, columns)
    tables = {
        "table2": table2_rows(results),
        "scores": score_rows(results),
        "agreement": agreement_rows(results),
        "judges": judge_rows(results),
        "rejected": rejected_rows(results),
        "answers": answer_rows(results.checked, key),
    }
    with atomic_folder(out) as folder:
        for name, rows in tables.items():
            (folder / f"{name}.csv").write_text(as_csv(rows, COLUMNS[name]), encoding="utf-8", newline="")
        for name in ("table2", "scores", "agreement", "judges"):
            (folder / f"{name}.md").write_text(as_markdown(tables[name]), encoding="utf-8")
        (folder / "table2.tex").write_text(as_latex(tables["table2"]), encoding="utf-8")
        (folder / "table2.html").write_text(render_results(results), encoding="utf-8")
        write_json(folder / "results.json", {"columns": plain(results.columns), "judges": plain(results.judges)})
    return counts_of(results)


def counts_of(results: Results) -> dict[str, Any]:
    """Return rows read, rows that count, raters, and how often each reason was met."""
    reasons: dict[str, int] = {}
    for row in results.checked.rejected:
        reasons[row.reason] = reasons.get(row.reason, 0) + 1
    return {
        "raters": len({submission.rater for submission in results.checked.kept}),
        "rows": results.checked.num_rows,
        "kept": results.checked.num_kept,
        "rejected": dict(sorted(reasons.items())),
    }
