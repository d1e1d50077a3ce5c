"""Times as people write them -> seconds: 12.5, 12.5s, 12,5, MM:SS(.ff), HH:MM:SS(.ff), 1h2m3s, ISO 8601's PT1M2.5S,
1500ms, pandas' "0 days 00:00:01.5", and what Parquet has for times.

A text is converted at once as a decimal number, so that 62.5 s is not 62 + 0.5 with a rounding in between.
"""

import math
import re
from datetime import time, timedelta
from decimal import Decimal

ACCEPTED = "Write seconds (12.5), MM:SS or HH:MM:SS.ss"
"""The accepted forms, as messages name them."""
_SECONDS = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*(?:s|sec|secs|seconds)?", re.ASCII)
_CLOCK = re.compile(r"(?:(\d{1,4}):)?(\d{1,4}):([0-5]?\d)(?:[.,](\d+))?", re.ASCII)
_UNITS = re.compile(
    r"(PT)?(?:(\d{1,4})\s*h(?:rs?|ours?)?)?\s*(?:(\d{1,5})\s*m(in|ins|inutes?)?)?"
    r"\s*(?:(\d+)(?:[.,](\d+))?\s*s(?:ecs?|econds?)?)?",
    re.ASCII | re.IGNORECASE,
)
_DAYS = re.compile(r"(\d{1,4}) days?,? (\d{1,2}:\d\d:\d\d(?:\.\d+)?)", re.ASCII)
"""How pandas and Python write a duration: "0 days 00:00:01.500000", "1 day, 0:00:01"."""
_MILLISECONDS = re.compile(r"(\d+(?:\.\d+)?)\s*(?:ms|msecs?|milliseconds?)", re.ASCII | re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"([+-]?\d+),(\d{1,2}|\d{4,})(\s*s?)", re.ASCII)
"""A decimal comma has not three digits behind it: 1,500 may mean one and a half, or fifteen hundred."""


def seconds_of(value: object) -> float | None:
    """Return a cell as seconds; None when it is no time. Negative and infinite numbers are returned unchanged.

    >>> seconds_of(" 0:01:02.50"), seconds_of("1:30"), seconds_of("12,5"), seconds_of("0.2s"), seconds_of(3)
    (62.5, 90.0, 12.5, 0.2, 3.0)
    >>> seconds_of("PT1M2.5S"), seconds_of("1h 2m 3s"), seconds_of("2 min"), seconds_of("1500ms")
    (62.5, 3723.0, 120.0, 1.5)
    >>> seconds_of("0 days 00:00:01.500000"), seconds_of("1 day, 0:00:01"), seconds_of("-1 days +23:59:58")
    (1.5, 86401.0, None)
    >>> seconds_of("1,500"), seconds_of("00:00:01:12"), seconds_of("1_0"), seconds_of("soon"), seconds_of(True)
    (None, None, None, None, None)
    """
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, time):
        return value.hour * 3600 + value.minute * 60 + value.second + value.microsecond / 1e6
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return math.inf
    return _from_text(value.strip()) if isinstance(value, str) else None


def _from_text(text: str) -> float | None:
    days = _DAYS.fullmatch(text)
    if days is not None:
        within = _from_text(days[2])
        return None if within is None else float(Decimal(days[1]) * 86_400 + Decimal(repr(within)))
    comma = _DECIMAL_COMMA.fullmatch(text)
    number = _SECONDS.fullmatch(f"{comma[1]}.{comma[2]}{comma[3]}" if comma else text)
    if number:
        return float(number[1])
    clock = _CLOCK.fullmatch(text)
    if clock is None:
        return _from_units(text)
    hours, minutes = int(clock[1] or 0), int(clock[2])
    if clock[1] is not None and minutes > 59:
        return None
    return float(f"{hours * 3600 + minutes * 60 + int(clock[3])}.{clock[4] or 0}")


def _from_units(text: str) -> float | None:
    """Read hours, minutes and seconds with their units. 5m alone is none: it may be metres."""
    thousandths = _MILLISECONDS.fullmatch(text)
    if thousandths:
        return float(Decimal(thousandths[1]) / 1000)
    parts = _UNITS.fullmatch(text)
    if parts is None or not any(parts.group(2, 3, 5)):
        return None
    iso, hours, minutes, long, seconds, fraction = parts.groups()
    if minutes and not (iso or hours or long or seconds):
        return None
    return float(f"{int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)}.{fraction or 0}")


def why_no_time(value: object) -> str:
    """Return the error of a cell that is no time, and the accepted forms.

    >>> why_no_time("1,500")
    "'1,500' may be 1.5 or 1500. Write seconds (12.5), MM:SS or HH:MM:SS.ss"
    """
    shown = repr(value)[:80]
    if isinstance(value, str) and re.fullmatch(r"\s*\d+,\d{3}\s*", value):
        whole, part = value.strip().split(",")
        return f"{shown} may be {float(f'{whole}.{part}'):g} or {whole}{part}. {ACCEPTED}"
    if isinstance(value, str) and re.fullmatch(r"\s*\d{1,3}([,.' \u00a0\u202f’]\d{3})+([.,]\d+)?\s*", value):
        return f"{shown} holds a separator of thousands. {ACCEPTED}"
    if isinstance(value, str) and value.count(":") + value.count(";") == 3:
        return f"{shown} looks like a time code with a number of frame, whose rate is not known. {ACCEPTED}"
    return f"{shown} is no time. {ACCEPTED}"
