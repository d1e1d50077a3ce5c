"""Rows of texts -> CSV that no spreadsheet computes, Markdown and LaTeX, each with its own signs escaped.

LaTeX's first font encoding prints < > | as other signs, and its inputenc knows no Greek letters, arrows or ≥; a row
that begins with [ would be an argument of the row end before it.
"""

import csv
import html
import io
import re
from collections.abc import Sequence

from modeling.sheets import safe_cell
from modeling.visible import visible

Row = dict[str, str]
"""Column -> cell; all rows of a table have the same columns."""
_LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--"}
_LATEX |= {sign: f"\\{sign}" for sign in "&%$#_{}"}
_LATEX |= {"<": "$<$", ">": "$>$", "|": r"\textbar{}", '"': "''", "[": "{[}", "*": "{*}", "±": r"$\pm$", "−": "$-$"}
_LATEX |= {"≥": r"$\geq$", "≤": r"$\leq$", "×": r"$\times$", "→": r"$\to$", "↑": r"$\uparrow$", "↓": r"$\downarrow$"}
_LATEX |= {"Δ": r"$\Delta$", "λ": r"$\lambda$", "α": r"$\alpha$", "₁": "$_1$", "₂": "$_2$"}
_AT_THE_EDGE = re.compile(r"(?<!\w)_|_(?!\w)")
"""Underscores that Markdown takes as marks; between letters they are plain."""


def as_csv(rows: Sequence[Row], columns: Sequence[str] = ()) -> str:
    """Return rows as CSV whose cells no spreadsheet computes. `columns`: the header where there may be no row."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    if rows or columns:
        writer.writerow(rows[0] if rows else columns)
        writer.writerows([_csv(cell) for cell in row.values()] for row in rows)
    return text.getvalue()


def _csv(cell: str) -> object:
    return cell if _is_number(cell) else safe_cell(visible(cell, keep="\n"))


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
    return "".join(_LATEX.get(sign, sign) for sign in visible(cell.replace("\n", " ")))


def _markdown(cell: str) -> str:
    plain = html.escape(visible(cell.replace("\n", " ")), quote=False)
    return _AT_THE_EDGE.sub(r"\\_", "".join(f"\\{sign}" if sign in "|`[]\\*~" else sign for sign in plain))
