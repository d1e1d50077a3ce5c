"""A paired difference of scores.json -> what a table's cell and the headline say of it."""

from typing import Any

from evaluation.pages.numbers import fid_digits, fixed

Json = dict[str, Any]


def p_text(p: float) -> str:
    """Return a p value for print."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def difference_lines(difference: Json | None, digits: int, *, is_percent: bool) -> list[str]:
    """Return what a cell says of a paired difference; equal values show nothing, so no smallest difference then."""
    if difference is None:
        return []
    mark = ", shown" if difference["is_shown"] else ""
    digits = digits if is_percent else max(digits, fid_digits(difference["mean"]))
    visible = fixed(difference["smallest_visible"], digits)
    lines = [f"Δ {fixed(difference['mean'], digits, '+')}, p {p_text(difference['p_holm'])}{mark}"]
    return [*lines, f"n shows ≥ {visible}"] if float(visible) else lines


def difference_text(difference: Json | None, name: str, other: str | None) -> str:
    """Return in a sentence whether a difference is shown, and which one would be; "" without one."""
    if difference is None or other is None:
        return ""
    start = f"{fixed(difference['mean'], 1, '+')} points to {other}, p {p_text(difference['p_holm'])}: "
    if difference["is_shown"]:
        return f"{start}these pairs show that {name} is {'better' if difference['mean'] > 0 else 'worse'}."
    least = difference["smallest_visible"]
    return f"{start}no difference is shown" + (f"; these pairs would show {least:.1f} points." if least else ".")
