"""Rows of a table -> the files that a paper or a spreadsheet takes: CSV, Markdown and LaTeX."""

from pathlib import Path

from evaluation.human_study.text_tables import as_csv, as_latex, as_markdown
from evaluation.pages.paper_tables import Tables
from modeling.atomic import write_bytes


def write_tables(folder: Path, tables: Tables) -> None:
    """Write STEM.csv, .md and .tex of each table; its notes stand under the Markdown, and as comments in the LaTeX."""
    for stem, rows in tables.rows.items():
        cells = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
        said = tables.notes.get(stem, ())
        below = "".join(f"\n* {note}" for note in said)
        comments = "".join(f"% {note}\n" for note in said)
        write_bytes(folder / f"{stem}.csv", as_csv(cells).encode())
        write_bytes(folder / f"{stem}.md", (as_markdown(cells) + (f"{below}\n" if below else "")).encode())
        write_bytes(folder / f"{stem}.tex", (comments + as_latex(cells)).encode())
