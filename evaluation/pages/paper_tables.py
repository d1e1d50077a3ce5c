"""scores.json -> the paper's Tables 1, 3 and 5 as rows of text and on the page, ours beside the published values.

The published values are data in evaluation/paper.py, its misprints noted there. A run of the drawn kitchen is never
shown beside them. Every table of a split is given in full as well, one row an editor and one column a measure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from evaluation.pages.numbers import fixed
from evaluation.pages.page import Cell, Table
from evaluation.paper import (
    HC_ABLATIONS,
    HC_TEST100,
    HC_TEST500,
    LC_ABLATIONS,
    LC_TEST500,
    Published,
    QuantitativeRow,
    notes_on,
)
from evaluation.scoring.measures import MEASURES
from evaluation.scoring.networks import headings, network_of

Paper = Literal["lc", "hc"]
Row = tuple[str, ...]
PRINTED = {
    "imagic": "Imagic",
    "pnp": "Plug-and-Play",
    "plug_and_play": "Plug-and-Play",
    "ddpm": "DDPM Noise Space",
    "ddpm_noise_space": "DDPM Noise Space",
    "prox": "Prox-MasaCtrl",
    "prox_masactrl": "Prox-MasaCtrl",
    "masactrl": "MasaCtrl",
    "start": "InstructPix2Pix",
    "finetuned": "Fine-tuned InstructPix2Pix",
    "editaction": "EditAction",
    "without_action": "without L_action",
    "without_reg": "without L_reg",
    "without_freezing": "without freezing",
}
"""Label of an editor -> its row in the paper."""
PAPER_NOTE = (
    "Acc: accuracy A in percent. Mean, and ± variance over the seeds. FID as in the sets of edits. A dash: not "
    "measured, or not printed in the paper."
)
COLUMNS = (("Acc", "acc_match_gt_percent"), ("FID_input", "fid_input"), ("FID_output", "fid_output"))


def text_of(number: Mapping[str, Any] | None) -> str:
    """Return mean ± variance, as the paper prints it; – where it is not defined."""
    if number is None:
        return "–"
    text = _two_digits(number["mean"])
    return text if number["variance"] is None else f"{text} ± {_two_digits(number['variance'])}"


def _two_digits(value: float) -> str:
    """Return a number with two digits behind the point as the paper's, or with three that count where it is small."""
    if abs(value) < 1e-9:
        return "0.00"
    return fixed(value, 2) if abs(value) >= 1 else f"{value:.3g}"


def _published(value: Published | None) -> str:
    if value is None:
        return "–"
    return f"{value.value:g}" if value.plus_minus is None else f"{value.value:g} ± {value.plus_minus:g}"


def published_table(paper: Paper, split: str, *, ablations: bool = False) -> Mapping[str, QuantitativeRow] | None:
    """Return what the paper prints of a split: Table 1 or 3, or the ablations of Table 5; None for sets it lacks."""
    if split.startswith("unseen"):
        return None
    if ablations:
        return LC_ABLATIONS if paper == "lc" else HC_ABLATIONS
    if paper == "lc":
        return LC_TEST500
    return HC_TEST100 if split.startswith("long") else HC_TEST500


def paper_rows(table: Mapping[str, Any], published: Mapping[str, QuantitativeRow] | None) -> list[Row]:
    """Return the paper's columns of a split, heading first: ours and, where there are such, the published ones."""
    head = ["Method"]
    for name, _ in COLUMNS:
        head += [name] if published is None else [name, f"{name}, paper"]
    rows: list[Row] = [tuple(head)]
    for row in table["rows"]:
        printed = None if published is None else published.get(PRINTED.get(row["editor"], row["name"]))
        values = (None, None, None) if printed is None else (printed.accuracy, printed.fid_input, printed.fid_output)
        cells = [row["name"]]
        for (_, key), value in zip(COLUMNS, values, strict=True):
            cells += [text_of(row[key])] if published is None else [text_of(row[key]), _published(value)]
        rows.append(tuple(cells))
    return rows


def full_rows(table: Mapping[str, Any], header: Mapping[str, Any]) -> list[Row]:
    """Return every measure of a split with interval, difference and what n shows: one line an editor and measure.

    `header`: what scores.json has beside its splits, the names of the networks of features among it.
    """
    head = ("editor", "measure", "features", "mean", "low", "high", "variance", "pairs", "videos", "seeds")
    rows: list[Row] = [(*head, "difference", "diff_low", "diff_high", "p", "p_holm", "smallest_visible")]
    for row in table["rows"]:
        for measure in MEASURES:
            if row[measure.key] is not None:
                network = network_of(measure, header)
                rows.append((row["name"], measure.key, network, *_numbers(row[measure.key])))
    return rows


def _numbers(number: Mapping[str, Any]) -> list[str]:
    low, high = number["interval"]
    difference = number.get("difference")
    values = [number["mean"], low, high, number["variance"]]
    values += [number["num_pairs"], number["num_videos"], number["num_seeds"]]
    if difference is None:
        values += [None] * 6
    else:
        values += [difference["mean"], *difference["interval"], difference["p"], difference["p_holm"]]
        values.append(difference["smallest_visible"])
    return ["" if value is None else f"{value:.6g}" for value in values]


def short_rows(table: Mapping[str, Any], header: Mapping[str, Any]) -> list[Row]:
    """Return one row an editor and one column a measure: mean and interval. `header`: as in `full_rows`."""
    shown = [measure for measure in MEASURES if any(row[measure.key] is not None for row in table["rows"])]
    rows: list[Row] = [("Method", *headings(shown, header))]
    for row in table["rows"]:
        rows.append((row["name"], *(_with_interval(row[measure.key]) for measure in shown)))
    return rows


def _with_interval(number: Mapping[str, Any] | None) -> str:
    if number is None:
        return "–"
    low, high = number["interval"]
    return f"{number['mean']:.4g} [{low:.4g}, {high:.4g}]"


@dataclass(frozen=True, kw_only=True)
class Tables:
    """Every table of some scores, as it is written into files."""

    rows: Mapping[str, Sequence[Row]]
    """Stem of a file's name -> rows, heading first."""
    notes: Mapping[str, Sequence[str]]
    """Stem -> what the paper's own numbers in it contradict; empty where they are not shown."""


def paper_tables(content: Mapping[str, Any], paper: Paper | None) -> Tables:
    """Return the tables of all splits. `paper`: whose published values stand beside ours; never in a drawn kitchen."""
    beside = None if content["is_drawn_kitchen"] else paper
    tables: dict[str, list[Row]] = {}
    for table in content["splits"]:
        split = table["split"]
        number = "table3" if split.startswith("long") else "figure6" if split.startswith("unseen") else "table1"
        printed = None if beside is None else published_table(beside, split)
        tables[f"{number}_{split}"] = paper_rows(table, printed)
        if any(row["editor"].startswith("without_") for row in table["rows"]):
            printed = None if beside is None else published_table(beside, split, ablations=True)
            kept = [row for row in table["rows"] if row["editor"].startswith(("without_", "editaction"))]
            tables[f"table5_{split}"] = paper_rows({"rows": kept}, printed)
        tables[f"measures_{split}"] = short_rows(table, content)
        tables[f"all_{split}"] = full_rows(table, content)
    notes = {stem: notes_on(stem.partition("_")[0], beside) for stem in tables} if beside is not None else {}
    return Tables(rows=tables, notes=notes)


TITLES = {
    "table1": "Table 1",
    "table3": "Table 3, long-distance actions",
    "table5": "Table 5, ablations",
    "figure6": "Table of Figure 6, verbs that nobody was trained on",
}
"""Beginning of a file's stem -> the title on the page."""


def on_the_page(tables: Tables) -> list[Table]:
    """Return the paper's tables as those of a page, in the order of their numbers."""
    return [
        Table(
            title=f"{title}: {stem.partition('_')[2]}",
            columns=[(name, "") for name in rows[0][1:]],
            rows=[(row[0], "editor", [Cell(value=cell) for cell in row[1:]]) for row in rows[1:]],
            notes=[PAPER_NOTE, *tables.notes.get(stem, ())],
        )
        for begin, title in TITLES.items()
        for stem, rows in tables.rows.items()
        if stem.startswith(f"{begin}_")
    ]
