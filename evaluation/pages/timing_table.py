"""Timings of editors -> Table 4: seconds per picture, by one protocol, beside the paper's.

The paper's seconds are data in evaluation/paper.py. A run of the drawn kitchen, whose pictures have 96 px, is never
shown beside them.
"""

from collections.abc import Mapping
from typing import Any

from evaluation.pages.page import Cell, Table
from evaluation.pages.paper_tables import PRINTED, Row
from evaluation.paper import SECONDS_PER_EDIT

COLUMNS = (
    ("Seconds, batch 1", "a picture, median call"),
    ("Seconds, best batch", "a picture"),
    ("Best batch", "pictures at once"),
    ("Steps", "of denoising"),
    ("Passes", "through the network, a picture"),
    ("Side", "px"),
    ("Precision", ""),
    ("Device", ""),
)
PAPER = ("Seconds, paper", "512 px, 100 steps; device unstated")


def timing_rows(timings: Mapping[str, Mapping[str, Any]], names: Mapping[str, str], *, beside_paper: bool) -> list[Row]:
    """Return the table as rows of text, heading first. `timings`: label -> timing.json; `names`: label -> name."""
    rows: list[Row] = [("Method", *(name for name, _ in COLUMNS), *([PAPER[0]] if beside_paper else []))]
    for label, timing in timings.items():
        protocol, alone, best = timing["protocol"], timing["batch_1"], timing["best_batch"]
        row = [
            names[label],
            "–" if alone is None else f"{alone['seconds_per_picture']:.3g}",
            "–" if best is None else f"{best['seconds_per_picture']:.3g}",
            "–" if best is None else str(best["batch_size"]),
            _or_dash(protocol["num_steps"]),
            _or_dash((alone or best or {}).get("passes_per_picture")),
            str(protocol["size_px"]),
            protocol["precision"],
            protocol["device"],
        ]
        if beside_paper:
            printed = SECONDS_PER_EDIT.get(PRINTED.get(label, label))
            row.append("–" if printed is None else f"{printed:g}")
        rows.append(tuple(row))
    return rows


def _or_dash(number: float | None) -> str:
    return "–" if number is None else f"{number:g}"


def timing_table(rows: list[Row], timings: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return the page's table of these rows."""
    protocol = next(iter(timings.values()))["protocol"]
    notes = [
        f"{protocol['num_warm_up']} warm-up calls, then the median of {protocol['num_calls']} calls, each from an idle "
        "to an idle device: tokenizing, encoding, denoising, decoding; weights loaded and pictures decoded before. "
        "Passes are counted at the denoising network."
    ]
    columns = [*COLUMNS, *([PAPER] if len(rows[0]) > len(COLUMNS) + 1 else [])]
    if len(columns) > len(COLUMNS):
        notes.append("The paper's seconds are of its own machine, so only their order compares.")
    return Table(
        title="Seconds per picture (Table 4)",
        columns=columns,
        rows=[(row[0], "editor", [Cell(value=cell) for cell in row[1:]]) for row in rows[1:]],
        notes=notes,
    )
