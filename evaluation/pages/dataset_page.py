"""Plain facts of a dataset -> one HTML page that needs nothing else, in the style of the report."""

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.pages.dataset_charts import Bars, Histogram, draw_histogram
from evaluation.pages.page import FunnelStage, Provenance, ShownPair, Table, environment


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One number of the dataset."""

    name: str
    value: str
    detail: str = ""
    """Small print under it."""


@dataclass(frozen=True, kw_only=True)
class RuleLine:
    """Number of instructions with a property, by one rule of counting."""

    statistic: str
    """The property of the instructions that is counted."""
    rule: str
    """Name of the rule."""
    meaning: str
    """What the rule counts, in words."""
    count: int
    percent: float
    """Share of all instructions, in percent."""
    paper_percent: float | None
    """Percentage that the paper prints for the statistic."""


@dataclass(frozen=True, kw_only=True)
class RulesTable:
    """The statistics of the paper's appendix 7.1; lines of one statistic follow each other."""

    lines: Sequence[RuleLine]
    paper: str | None
    """Name of the paper's dataset, None where there is none."""
    notes: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class DatasetPage:
    """Everything the page shows, in its order."""

    title: str
    summary: str
    """A few sentences about the data."""
    warnings: Sequence[str]
    """Warnings about the data."""
    tiles: Sequence[Tile]
    gallery: Sequence[ShownPair]
    rules: RulesTable | None
    histograms: Sequence[Histogram]
    """Histograms of the values that the annotations alone give."""
    bars: Sequence[Bars]
    """Verbs, objects, places."""
    steps: Bars
    """Number of rows left after each step, from the first annotation row to training."""
    funnel: Sequence[FunnelStage]
    splits: Table | None
    leakage: Table | None
    quality: Sequence[Histogram]
    provenance: Sequence[Provenance]


def render_dataset(page: DatasetPage) -> str:
    """Return the page as HTML."""
    return (
        environment()
        .get_template("dataset.html.j2")
        .render(
            page=page,
            histograms=[draw_histogram(histogram) for histogram in page.histograms],
            quality=[draw_histogram(histogram) for histogram in page.quality],
        )
    )
