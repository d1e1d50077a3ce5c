"""Numbers of a dataset -> coordinates of inline SVG columns and lengths of bars. Nothing to download."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.pages.charts import LARGEST, SMALLEST, Tick, left_out, plain_ticks, round_ticks, widened

WIDTH, HEIGHT = 520, 200
"""Size of a histogram in its own units."""
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 10, 26
"""Margins in which the ticks are written."""
NUM_BINS = 40
FEWEST_MARKS = 3
"""A logarithmic axis with fewer numbers would say nothing of its scale."""


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """The values of a histogram."""

    title: str
    note: str
    """A sentence that says what the chart shows and what to look for."""
    values: Sequence[float]
    low: float | None = None
    """Start of the axis; None: the least value."""
    high: float | None = None
    """End of the axis; larger values are counted in the last column."""
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
    """Text shown when the mouse is over it."""


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
    """Names with their counts, as horizontal bars, the largest first."""

    title: str
    note: str
    rows: Sequence[tuple[str, int]]
    num_others: int = 0
    """Number of names that are not shown."""
    total: int | None = None
    """Total of which the counts are shares; None where they are no shares."""

    @property
    def longest(self) -> int:
        """The count whose bar is the longest."""
        return max((count for _, count in self.rows), default=1) or 1


def draw_histogram(histogram: Histogram) -> Columns:
    """Compute the layout of a histogram for any values; its note counts the values that cannot be drawn."""
    values, num_left_out = _drawable(histogram)
    low, high = _range(histogram, values)
    if histogram.log_scale:
        values = np.log10(values)
    counts, edges = np.histogram(values.clip(low, high), bins=NUM_BINS, range=(low, high))
    top = max(1, int(counts.max()))

    def x(value: float) -> float:
        return round(LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT), 2)

    def y(count: float) -> float:
        return round(HEIGHT - BOTTOM - count / (1.05 * top) * (HEIGHT - TOP - BOTTOM), 2)

    def shown(value: float) -> str:
        return f"{10.0**value if histogram.log_scale else value:.3g}"

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
        x_ticks = [Tick(position=x(math.log10(log_mark)), label=f"{log_mark:g}") for log_mark in _log_marks(low, high)]
    else:
        x_ticks = [Tick(position=x(round_tick), label=f"{round_tick:g}") for round_tick in round_ticks(low, high, 5)]
    return Columns(
        title=histogram.title,
        note=histogram.note + left_out(num_left_out),
        columns=columns,
        x_ticks=x_ticks,
        y_ticks=[
            Tick(position=y(round_tick), label=f"{round_tick:,.0f}")
            for round_tick in round_ticks(0, 1.05 * top, 4)
            if round_tick % 1 == 0
        ],
    )


def _drawable(histogram: Histogram) -> tuple[NDArray[np.float64], int]:
    """Return the values that can be drawn, and the number of the others."""
    values = np.asarray(histogram.values, dtype=np.float64).ravel()
    kept = values[np.isfinite(values)].clip(-LARGEST, LARGEST)
    if histogram.log_scale:
        kept = kept[kept > SMALLEST]
    return kept, len(values) - len(kept)


def _range(histogram: Histogram, values: NDArray[np.float64]) -> tuple[float, float]:
    """Return where the axis begins and ends, on a logarithmic one as powers of ten."""
    low, high = (float(values.min()), float(values.max())) if len(values) else (1.0, 10.0)
    if histogram.low is not None and (histogram.low > SMALLEST or not histogram.log_scale):
        low = histogram.low
    high = max(low, high if histogram.high is None else histogram.high)
    if histogram.low is not None and high <= low:
        high = low + (abs(low) or 1.0)
    return widened(*(math.log10(end) for end in (low, high))) if histogram.log_scale else widened(low, high)


def _log_marks(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times the powers of ten between 10^low and 10^high; over many powers these alone."""
    factors = (1, 2, 5) if high - low < 2 else (1, 3) if high - low < 4 else (1,)
    every = max(1, int((high - low) / 10))
    powers = range(math.floor(low), math.ceil(high) + 1, every)
    marks = [factor * 10.0**power for power in powers for factor in factors]
    inside = [mark for mark in marks if low - 1e-9 <= math.log10(mark) <= high + 1e-9]
    # A short stretch has one such number or none: round numbers of a plain axis then.
    return inside if len(inside) >= FEWEST_MARKS else plain_ticks(10.0**low, 10.0**high, FEWEST_MARKS)
