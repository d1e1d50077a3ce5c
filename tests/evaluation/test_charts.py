"""No data can stop a page: every chart is drawn from equal, nearly equal, single, empty, huge and NaN values."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evaluation.pages.charts import Chart, Figure, Series, averaged, draw_chart, log_ticks, round_ticks
from evaluation.pages.dataset_charts import Bars, Columns, Histogram, draw_histogram
from evaluation.pages.dataset_page import DatasetPage, render_dataset
from evaluation.pages.numbers import fid_digits
from evaluation.pages.page import figures_of
from evaluation.pages.paper_tables import text_of
from evaluation.pages.tables import number_cell, percent_text

NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.integers(-(10**6), 10**6).map(float)
NEARLY_EQUAL = st.tuples(st.floats(-1e6, 1e6), st.integers(1, 50)).map(
    lambda drawn: [math.nextafter(drawn[0], math.inf) if number % 2 else drawn[0] for number in range(drawn[1])]
)
VALUES = (
    st.lists(NUMBERS, max_size=300)
    | NEARLY_EQUAL
    | st.tuples(NUMBERS, st.integers(0, 400)).map(lambda drawn: [drawn[0]] * drawn[1])
)
EDGES = st.none() | st.floats(-1e6, 1e6)
EQUAL_DURATIONS = [stop - start for start, stop in ((0.1, 0.8), (0.2, 0.9), (0.3, 1.0), (0.4, 1.1), (1.0, 1.7))]


def coordinates(figure: Figure | Columns) -> list[float]:
    """Return every coordinate that a template writes."""
    positions = [tick.position for tick in (*figure.x_ticks, *figure.y_ticks)]
    if isinstance(figure, Columns):
        return positions + [
            edge for column in figure.columns for edge in (column.x, column.y, column.width, column.height)
        ]
    return positions + [
        float(part) for curve in figure.curves for point in curve.points.split() for part in point.split(",")
    ]


@settings(deadline=None)
@given(VALUES, EDGES, EDGES, st.booleans())
@example(EQUAL_DURATIONS, None, None, True)
@example(EQUAL_DURATIONS, None, None, False)
@example([0.7, 0.7000000000000001], 0.0, None, False)
@example([], None, None, True)
@example([], 5e-324, None, True)
@example([5e-324, 1e308, -1e308], None, None, False)
@example([math.nan, math.inf], None, None, True)
@example([math.nan, 1.0, math.inf, -math.inf], None, None, False)
@example([math.nan], 0.0, 1.0, False)
def test_every_histogram_is_drawn(values: list[float], low: float | None, high: float | None, log_scale: bool) -> None:
    histogram = Histogram(title="t", note="n.", values=values, low=low, high=high, log_scale=log_scale)
    drawn = draw_histogram(histogram)
    assert all(map(math.isfinite, coordinates(drawn)))
    counted = sum(int(column.label.rpartition(": ")[2].replace(",", "")) for column in drawn.columns)
    told = drawn.note.removeprefix("n.").split(" values ")[0].strip().replace(",", "")
    assert counted + int(told or 0) == len(values)


@pytest.mark.parametrize("values", [[], [0.0] * 5, [-2.0], [math.nan]])
def test_an_axis_begins_where_it_is_told_whatever_the_values(values: list[float]) -> None:
    drawn = draw_histogram(Histogram(title="t", note="n.", values=values, low=0.0))
    assert drawn.columns[0].label.startswith("0 to ")
    assert sum(column.height for column in drawn.columns) > 0 or not [value for value in values if math.isfinite(value)]


@settings(deadline=None)
@given(st.lists(st.tuples(VALUES, VALUES), max_size=3), st.booleans())
@example([([0.0, 1.0], [0.7, 0.7000000000000001])], False)
@example([([1e300, 1e300], [1e308, -1e308])], False)
@example([([1.0], [math.nan])], True)
@example([([0.0, math.nan, math.inf, 3.0], [math.nan, 1.0, 2.0, math.inf])], False)
@example([([0.0, 1.0], [-math.inf, 1.0])], False)
def test_every_chart_is_drawn(drawn: list[tuple[list[float], list[float]]], log_scale: bool) -> None:
    series = []
    for steps, values in drawn:
        num = min(len(steps), len(values))
        series.append(Series(name="s", steps=steps[:num], values=values[:num]))
    [figure] = figures_of([Chart(title="t", note="n", series=series, log_scale=log_scale)]) or [
        draw_chart(Chart(title="t", note="n", series=series, log_scale=log_scale))
    ]
    assert all(map(math.isfinite, coordinates(figure)))


@given(NUMBERS, NUMBERS, st.integers(0, 10))
def test_ticks_are_few_and_finite(low: float, high: float, count: int) -> None:
    for ticks in (round_ticks(low, high, count), log_ticks(low, high)):
        assert len(ticks) < 60
        assert all(map(math.isfinite, ticks))


@given(NUMBERS)
def test_every_number_has_a_text(value: float) -> None:
    assert percent_text(value)
    assert fid_digits(value) >= 0


def test_a_long_curve_is_averaged() -> None:
    series = averaged(Series(name="s", steps=list(range(1000)), values=[1.0] * 1000))
    assert (len(series.steps), set(series.values)) == (160, {1.0})


@pytest.mark.parametrize("rows", [[], [("a", 0)], [("a", 10**12), ("b", 1)]])
def test_a_page_of_nothing_is_a_page(rows: list[tuple[str, int]]) -> None:
    bars = Bars(title="t", note="", rows=rows, total=0)
    empty = [Histogram(title="t", note="", values=values, log_scale=True) for values in ([], [0.0], EQUAL_DURATIONS)]
    page = DatasetPage(
        title="t",
        summary="",
        warnings=[],
        tiles=[],
        gallery=[],
        rules=None,
        histograms=empty,
        bars=[bars],
        steps=bars,
        funnel=[],
        splits=None,
        leakage=None,
        quality=empty,
        provenance=[],
    )
    assert "<svg" in render_dataset(page)


@pytest.mark.parametrize(("low", "high"), [(0.8, 1.2), (1.1, 1.9), (0.53, 0.97), (2.4, 4.6), (0.01, 300.0)])
def test_a_logarithmic_axis_has_at_least_three_numbers_however_short_it_is(low, high):
    values = list(np.geomspace(low, high, 50))
    drawn = draw_histogram(Histogram(title="", note="", values=values, log_scale=True))
    numbers = [float(tick.label) for tick in drawn.x_ticks]
    assert len(numbers) >= 3
    assert all(low * 0.999 <= number <= high * 1.001 for number in numbers)
    positions = [tick.position for tick in drawn.x_ticks]
    assert positions == sorted(positions)
    assert len(log_ticks(np.log10(low), np.log10(high))) >= 2


def test_a_small_distance_keeps_the_digits_that_count():
    """The stand-in's distances are so small that three digits behind the point would show 0.000."""
    number = {"mean": 0.000123, "interval": [0.000101, 0.000145], "std": None, "num_seeds": 1}
    cell = number_cell(number, is_percent=False)
    assert (cell.value, cell.details) == ("0.000123", ["0.000101 to 0.000145"])
    assert number_cell(number | {"mean": 0.0, "interval": [0.0, 0.0]}, is_percent=False).value == "0.000"
    assert number_cell(number | {"mean": 41.234, "interval": [40.0, 42.0]}, is_percent=False).value == "41.23"
    assert text_of({"mean": 0.000123, "variance": 1.5e-9}) == "0.000123 ± 1.5e-09"
    assert text_of({"mean": 12.5, "variance": 0.0}) == "12.50 ± 0.00"
