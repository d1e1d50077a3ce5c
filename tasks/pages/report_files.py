"""The figures and tables of a report as files beside its page: PNG and SVG, and CSV, Markdown and LaTeX."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from evaluation.pages.charts import Figure
from evaluation.pages.figures import edit_grid
from evaluation.pages.page import Gallery, Table
from evaluation.pages.paper_tables import Tables, on_the_page, paper_tables
from evaluation.pages.svg import svg_of
from evaluation.pages.table_files import write_tables
from evaluation.pages.tables import split_tables, verb_table
from evaluation.pages.timing_table import timing_rows, timing_table
from evaluation.paper import notes_on
from modeling.atomic import write_bytes
from modeling.data.images import encode_png
from tasks.artifacts.artifact import Artifact
from tasks.config import ReportConfig
from tasks.pages.editor_names import editor_name
from tasks.pages.galleries import Galleries

Json = dict[str, Any]


def galleries_of(make: Galleries, content: Json, main_table: Json, main: str, config: ReportConfig) -> list[Gallery]:
    """Return every gallery of the report, the main one first."""
    others = [entry for entry in content["splits"] if entry is not main_table]
    galleries = [
        make.main(main_table, config.num_grid_rows),
        make.instructions(main_table),
        *make.others(others, config.num_figure_rows),
        make.worst(main_table, main, config.num_figure_rows),
    ]
    return [galleries[0], *(gallery for gallery in galleries[1:] if gallery.pairs)]


def page_tables(content: Json) -> list[Table]:
    """Return the page's tables of every test set."""
    return [
        page_table
        for table in content["splits"]
        for page_table in (*split_tables(content, table), verb_table(content, table))
    ]


def tables_of(
    content: Json, timings: Mapping[str, Artifact], paper: Literal["lc", "hc"] | None
) -> tuple[Tables, list[Table]]:
    """Return the tables as they are written, and those of them that the page shows beside its own.

    These are the paper's with its values beside ours, and Table 4 where editors were timed.
    """
    tables = paper_tables(content, paper)
    shown = on_the_page(tables) if tables.notes else []
    if not timings:
        return tables, shown
    told = {label: json.loads((timing.path / "timing.json").read_text("utf-8")) for label, timing in timings.items()}
    names = {label: editor_name(label) for label in told}
    beside = paper if paper is not None and not content["is_drawn_kitchen"] else None
    rows = timing_rows(told, names, beside_paper=not content["is_drawn_kitchen"])
    notes = {"table4": notes_on("table4", beside)} if beside is not None else {}
    both = Tables(rows={**tables.rows, "table4": rows}, notes={**tables.notes, **notes})
    return both, [*shown, timing_table(rows, told)]


def write_files(folder: Path, galleries: Sequence[Gallery], weights: Sequence[Figure], tables: Tables) -> None:
    """Write `figures/` and `tables/` into the report's folder."""
    (folder / "figures").mkdir(exist_ok=True)
    (folder / "tables").mkdir(exist_ok=True)
    for gallery in galleries:
        if gallery.pairs:
            write_bytes(folder / "figures" / f"{gallery.name}.png", encode_png(edit_grid(gallery.pairs)))
    for place, figure in enumerate(weights, 1):
        write_bytes(folder / "figures" / f"figure8_{place}.svg", svg_of(figure).encode())
    write_tables(folder / "tables", tables)
