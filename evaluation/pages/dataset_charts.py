"""Numbers of a dataset -> coordinates of inline SVG columns and lengths of bars. Nothing to download."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.pages.charts import Tick, round_ticks

WIDTH, HEIGHT = 520, 200
"""Size of a histogram in its own units."""
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 10, 26
"""Margins in which the ticks are written."""
NUM_BINS = 40


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Values of which the distribution is shown."""

    title: str
    note: str
    """What it shows and what to look for."""
    values: Sequence[float]
    low: float | None = None
    """Where the axis begins; at the least value when None."""
    high: float | None = None
    """Where it ends; what lies beyond goes into the last column."""
    log_scale: bool = False
    """Columns of equal width on a logarithmic axis; only for positive values."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A drawn column."""

    x: float
    y: float
    width: float
    height: float
    label: str
    """Read out on pointing at it."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """A drawn histogram."""

    title: str
    note: str
    columns: Sequence[Column]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM


@dataclass(frozen=True, kw_only=True)
class Bars:
    """Things with their counts, as lying bars; those of most first."""

    title: str
    note: str
    rows: Sequence[tuple[str, int]]
    num_others: int = 0
    """Things that are not shown."""
    total: int | None = None
    """What counts are shares of; None where they are not."""

    @property
    def longest(self) -> int:
        """The count whose bar is the longest."""
        return max((count for _, count in self.rows), default=1) or 1


def draw_histogram(histogram: Histogram) -> Columns:
    """Lay a histogram out."""
    values = np.asarray(histogram.values, dtype=np.float64)
    low = float(values.min()) if histogram.low is None else histogram.low
    high = float(values.max()) if histogram.high is None else histogram.high
    high = high if high > low else low + (abs(low) or 1.0)
    if histogram.log_scale:
        low, high = math.log10(low), math.log10(high)
        values = np.log10(values)
    counts, edges = np.histogram(values.clip(low, high), bins=NUM_BINS, range=(low, high))
    top = max(1, int(counts.max()))

    def x(value: float) -> float:
        return round(LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT), 2)

    def y(count: float) -> float:
        return round(HEIGHT - BOTTOM - count / (1.05 * top) * (HEIGHT - TOP - BOTTOM), 2)

    def shown(value: float) -> str:
        return f"{10**value if histogram.log_scale else value:.3g}"

    columns = [
        Column(
            x=x(start),
            y=y(count),
            width=round(x(stop) - x(start) - 1, 2),
            height=round(y(0) - y(count), 2),
            label=f"{shown(start)} to {shown(stop)}: {count:,}",
        )
        for count, start, stop in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    ]
    if histogram.log_scale:
        x_ticks = [Tick(position=x(math.log10(each)), label=f"{each:g}") for each in _log_marks(low, high)]
    else:
        x_ticks = [Tick(position=x(each), label=f"{each:g}") for each in round_ticks(low, high, 5)]
    return Columns(
        title=histogram.title,
        note=histogram.note,
        columns=columns,
        x_ticks=x_ticks,
        y_ticks=[
            Tick(position=y(each), label=f"{each:,.0f}") for each in round_ticks(0, 1.05 * top, 4) if each % 1 == 0
        ],
    )


def _log_marks(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times the powers of ten between 10^low and 10^high; over many powers these alone."""
    factors = (1, 2, 5) if high - low < 2 else (1, 3) if high - low < 4 else (1,)
    marks = [factor * 10.0**power for power in range(math.floor(low), math.ceil(high) + 1) for factor in factors]
    return [mark for mark in marks if low - 1e-9 <= math.log10(mark) <= high + 1e-9]
