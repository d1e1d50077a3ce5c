"""Numbers -> texts of tables: the digits that count, and no sign before a zero."""

import math


def fixed(value: float, digits: int, sign: str = "") -> str:
    """Return a number with `digits` digits behind the point; `sign` "+" marks what is above zero too.

    >>> fixed(-0.0004, 3), fixed(-0.0004, 3, "+"), fixed(2.5, 1, "+"), fixed(-1.26, 1)
    ('0.000', '+0.000', '+2.5', '-1.3')
    """
    text = f"{value:{sign}.{digits}f}"
    return text.replace("-", sign) if float(text) == 0 else text


def fid_digits(value: float) -> int:
    """Return how many digits behind the point a distance is printed with: three that count, where it is small.

    Below 1e-9 it is the rounding of a sum that is 0.

    >>> [fid_digits(value) for value in (41.2, 0.148, 0.00012, 0.0, 3e-17)]
    [2, 3, 6, 3, 3]
    """
    if abs(value) >= 10:
        return 2
    if abs(value) < 1e-9 or not math.isfinite(value):
        return 3
    return max(3, min(9, 2 - math.floor(math.log10(abs(value)))))


def interval_digits(low: float, high: float) -> int:
    """Return how many digits behind the point keep the two ends of an interval apart.

    >>> interval_digits(0.99892, 0.99916), interval_digits(52.1, 53.7)
    (5, 1)
    """
    return max(0, min(9, 1 - math.floor(math.log10(high - low)))) if high - low > 1e-9 else 0
