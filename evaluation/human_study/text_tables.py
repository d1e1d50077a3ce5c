"""Rows of texts -> CSV that no spreadsheet computes, Markdown and LaTeX, each with its own signs escaped."""

import csv
import html
import io
import re
from collections.abc import Sequence

from modeling.sheets import safe_cell

Row = dict[str, str]
"""Column -> cell; all rows of a table have the same columns."""


def as_csv(rows: Sequence[Row]) -> str:
    """Return rows as CSV whose cells no spreadsheet computes."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    if rows:
        writer.writerow(rows[0])
        writer.writerows([cell if _is_number(cell) else safe_cell(cell) for cell in row.values()] for row in rows)
    return text.getvalue()


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def as_markdown(rows: Sequence[Row]) -> str:
    """Return rows as a Markdown table; what has a meaning in Markdown or HTML is escaped."""
    if not rows:
        return ""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "".join(f"| {' | '.join(map(_markdown, line))} |\n" for line in lines)


def as_latex(rows: Sequence[Row]) -> str:
    """Return rows as a LaTeX tabular."""
    if not rows:
        return ""
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    body = [" & ".join(map(_latex, line)) + r" \\" for line in lines]
    return "\n".join(
        [
            rf"\begin{{tabular}}{{l{'c' * (len(rows[0]) - 1)}}}",
            r"\hline",
            body[0],
            r"\hline",
            *body[1:],
            r"\hline",
            r"\end{tabular}",
            "",
        ]
    )


def _latex(cell: str) -> str:
    escaped = "".join(
        {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}.get(c, c) for c in cell
    )
    return re.sub(r"([&%$#_])", r"\\\1", escaped).replace("–", "--")


def _markdown(cell: str) -> str:
    return html.escape(cell, quote=False).replace("|", "\\|").replace("`", "\\`").replace("\n", " ")
