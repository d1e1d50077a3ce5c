"""A measure + the header of a table of scores -> the network whose features it compares, and how both are printed."""

from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.scoring.measures import Measure


def network_of(measure: Measure, header: Mapping[str, Any]) -> str:
    """Return the name of the network whose features a measure compares, with weights and preprocessing; "": none."""
    return "" if measure.network is None else str(header.get(measure.network, ""))


def headings(measures: Sequence[Measure], header: Mapping[str, Any]) -> list[str]:
    """Return how measures are headed: with their network's short name where several networks are among them."""
    several = len({network_of(measure, header) for measure in measures if measure.network}) > 1
    return [
        f"{measure.heading}, {short_name(network_of(measure, header))}"
        if several and measure.network
        else measure.heading
        for measure in measures
    ]


def short_name(network: str) -> str:
    """Return a network's name without weights and preprocessing.

    >>> short_name("EfficientNet-Lite0 (file 0123; 1280 features)")
    'EfficientNet-Lite0'
    """
    return network.split(" (")[0]
