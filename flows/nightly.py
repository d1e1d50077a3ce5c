"""Every night: evaluate again what is newest, and compare with the night before."""

import json
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.evaluate import evaluate
from flows.wiring.request import Request
from tasks.artifacts.artifact import artifacts_of


@flow(name="nightly")
def nightly(request: Request) -> str:
    """Evaluate the request's editor and set its scores beside those of the evaluation before; return the report."""
    before = _newest_scores(Path(request.workspace))
    path = evaluate(request, allow_failed=True)
    now = _newest_scores(Path(request.workspace))
    create_markdown_artifact(markdown=comparison(before, now), key="nightly", description="Scores against last night")
    return str(path)


def _newest_scores(workspace: Path) -> dict[str, Any] | None:
    artifacts = artifacts_of(workspace, "scores")
    return json.loads((artifacts[-1].path / "scores.json").read_text(encoding="utf-8")) if artifacts else None


def comparison(before: dict[str, Any] | None, now: dict[str, Any] | None) -> str:
    """Return a Markdown table of every number of two score files, with their difference."""
    if now is None:
        return "No scores yet."
    numbers, earlier = _numbers(now), _numbers(before or {})
    lines = ["| measure | before | now | difference |", "|---|---|---|---|"]
    for name, value in numbers.items():
        old = earlier.get(name)
        cells = ("", "") if old is None else (f"{old:.4g}", f"{value - old:+.4g}")
        lines.append(f"| {name} | {cells[0]} | {value:.4g} | {cells[1]} |")
    return "\n".join(lines)


def _numbers(value: Any, name: str = "") -> dict[str, float]:
    """Flatten nested JSON to its numbers: {"a": {"b": 1}} -> {"a.b": 1}. Rows of a list go by what they are about."""
    if isinstance(value, bool):
        return {}
    if isinstance(value, int | float):
        return {name: value}
    rows = enumerate(value) if isinstance(value, list) else ()
    children = value.items() if isinstance(value, dict) else ((_name_of(row, number), row) for number, row in rows)
    flat: dict[str, float] = {}
    for key, child in children:
        flat |= _numbers(child, f"{name}.{key}" if name else str(key))
    return flat


def _name_of(row: Any, number: int) -> str:
    """Return the split, editor or verb that a row is about, else its position."""
    subjects = (row.get(key) for key in ("split", "editor", "verb")) if isinstance(row, dict) else ()
    return next((subject for subject in subjects if isinstance(subject, str)), str(number))
