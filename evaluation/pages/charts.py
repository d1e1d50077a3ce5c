"""Numbers over steps -> the coordinates of an inline SVG: smoothed curves, few ticks, nothing to download."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

WIDTH, HEIGHT = 520, 210
"""Size of a figure in its own units."""
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 12, 26
"""Margins in which the ticks are written."""
LARGEST, SMALLEST = 1e100, 1e-100
"""Larger values are drawn at the edge: their sums and quotients would not be finite."""
MAX_POINTS = 160
"""A curve is averaged to at most this many points; the loss of a single step is mostly noise."""


FEW_POINTS = 12
"""A curve of at most this many values has a mark at each."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """One curve."""

    name: str
    steps: Sequence[float]
    values: Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Curves over training steps that share an axis."""

    title: str
    note: str
    """One sentence on what the chart shows and how to read it."""
    series: Sequence[Series]
    log_scale: bool = False
    """Logarithmic values; only for positive ones."""


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A mark on an axis."""

    position: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A drawn series."""

    name: str
    points: str
    """Points of an SVG polyline."""
    last: str
    """The last value, as printed in the legend."""
    dots: Sequence[tuple[float, float]] = ()
    """Marks of the single values where there are few: one value makes no line."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A drawn chart."""

    title: str
    note: str
    curves: Sequence[Curve]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def averaged(series: Series) -> Series:
    """Average a series over equal stretches of steps, down to MAX_POINTS."""
    if len(series.steps) <= MAX_POINTS:
        return series
    parts = [
        np.array_split(np.asarray(numbers, dtype=np.float64), MAX_POINTS) for numbers in (series.steps, series.values)
    ]
    steps, values = ([float(part.mean()) for part in stretches] for stretches in parts)
    return Series(name=series.name, steps=steps, values=values)


def drawable(series: Series, *, log_scale: bool) -> Series:
    """Return a series without the points that cannot be drawn: not finite, or not positive on a logarithmic axis."""
    points = [
        (float(np.clip(step, -LARGEST, LARGEST)), float(np.clip(value, -LARGEST, LARGEST)))
        for step, value in zip(series.steps, series.values, strict=True)
        if math.isfinite(step) and math.isfinite(value) and (value > SMALLEST or not log_scale)
    ]
    return Series(name=series.name, steps=[step for step, _ in points], values=[value for _, value in points])


def left_out(num: int) -> str:
    """Return a sentence on the number of values that are not drawn.

    >>> left_out(0), left_out(2)
    ('', ' 2 values have no place here (not finite, or not positive) and are left out.')
    """
    return f" {num:,} values have no place here (not finite, or not positive) and are left out." if num else ""


def widened(low: float, high: float) -> tuple[float, float]:
    """Return a range that has a width, so that equal and nearly equal values can be drawn in its middle."""
    largest = max(abs(low), abs(high))
    if high - low > max(largest * 1e-9, SMALLEST):
        return low, high
    pad = largest * 0.1 or 1.0
    return low - pad, high + pad


def round_ticks(low: float, high: float, count: int) -> list[float]:
    """Return about `count` round numbers (1, 2 or 5 times a power of ten apart) in [low, high]; none for no numbers."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return []
    rough = high / max(1, count) - low / max(1, count)
    if rough <= max(abs(low), abs(high), SMALLEST) * 1e-13 or rough > LARGEST:
        return [low]
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((factor * power for factor in (1, 2, 5, 10) if factor * power >= rough), 10 * power)
    first = math.ceil(low / step - 1e-9)
    return [float(f"{index * step:.12g}") for index in range(first, math.floor(high / step + 1e-9) + 1)]


def plain_ticks(low: float, high: float, fewest: int) -> list[float]:
    """Return round numbers in [low, high], as few as there can be but at least `fewest`; fewer where none are so fine.

    >>> plain_ticks(0.53, 0.97, 3)
    [0.6, 0.7, 0.8, 0.9]
    """
    counts = (3, 4, 5, 6, 8, 10)
    tries = [round_ticks(low, high, count) for count in counts]
    return next((ticks for ticks in tries if len(ticks) >= fewest), tries[-1])


def log_ticks(low: float, high: float) -> list[float]:
    """Return the values 1, 2 and 5 times a power of ten between 10^low and 10^high; over many powers these alone."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return []
    low, high = max(low, -300.0), min(high, 300.0)
    every = max(1, int((high - low) / 10))
    powers = range(math.floor(low), math.ceil(high) + 1, every)
    factors = (1, 2, 5) if high - low < 2 else (1,)
    ticks = [factor * 10.0**power for power in powers for factor in factors]
    inside = [tick for tick in ticks if low <= math.log10(tick) <= high]
    # A short stretch has one such number or none: round numbers of a plain axis then.
    return inside if len(inside) > 1 or not -100 < low < high < 100 else plain_ticks(10.0**low, 10.0**high, 2)


def draw_chart(chart: Chart) -> Figure:
    """Compute the layout of a chart for any values; its note counts the values that cannot be drawn."""
    placed = [drawable(series, log_scale=chart.log_scale) for series in chart.series]
    num_left_out = sum(len(curve.steps) for curve in chart.series) - sum(len(curve.steps) for curve in placed)
    drawn = [averaged(series) for series in placed if len(series.steps)]
    scale = math.log10 if chart.log_scale else float
    values = [scale(value) for series in drawn for value in series.values] or [0.0, 1.0]
    steps = [step for series in drawn for step in series.steps] or [0.0, 1.0]
    low, high = _padded(min(values), max(values), is_log=chart.log_scale)
    x_low, x_high = widened(min(steps), max(max(steps), min(steps) + 1))

    def x(step: float) -> float:
        return round(LEFT + (step - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        return round(HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    curves = [
        Curve(
            name=series.name,
            points=" ".join(f"{x(a)},{y(scale(b))}" for a, b in zip(series.steps, series.values, strict=True)),
            last=f"{series.values[-1]:.3g}",
            dots=[(x(a), y(scale(b))) for a, b in zip(series.steps, series.values, strict=True)]
            if len(series.steps) <= FEW_POINTS
            else [],
        )
        for series in drawn
    ]
    return Figure(
        title=chart.title,
        note=chart.note + left_out(num_left_out),
        curves=curves,
        x_ticks=[Tick(position=x(step), label=f"{step:,.0f}") for step in round_ticks(x_low, x_high, 5)],
        y_ticks=[
            Tick(position=y(scale(value)), label=f"{value:.3g}")
            for value in (log_ticks(low, high) if chart.log_scale else round_ticks(low, high, 4))
        ],
    )


def _padded(low: float, high: float, *, is_log: bool) -> tuple[float, float]:
    """Widen a range a little, down to 0 for plain values that come near it."""
    if not is_log and 0 <= low <= 0.5 * high:
        low = 0.0
    if (low, high) != widened(low, high):
        return widened(low, high)
    pad = (high - low) * 0.06
    return (low if low == 0 and not is_log else low - pad), high + pad
