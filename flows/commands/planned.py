"""The plan of a run at the terminal: its stages, their earlier seconds, and what would fail."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.table import Table

from flows.commands.screen import say
from flows.commands.terminal import console


def print_plan(steps: list[Any]) -> None:
    """Print a line for each stage: what the run would do and why, and how many seconds that took before."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("stage", "label", "would", "why", "took before"):
        table.add_column(heading)
    for step in steps:
        seconds = "" if step.expected_s is None else f"{step.expected_s:.0f} s"
        table.add_row(step.stage, step.label, step.state, step.reason, seconds)
    console.print(table)


def tell_problems(problems: list[Any]) -> None:
    """Print what would fail, and end with status 1 when it would certainly fail here and now."""
    for problem in problems:
        say(f"would fail: {problem.message}")
    if not all(problem.is_elsewhere for problem in problems):
        sys.exit(1)


def earlier_seconds(workspace: Path) -> Callable[[str], float | None]:
    """Return a function from a stage to the seconds that its newest artifact took; None without one."""
    from tasks.artifacts.artifact import artifacts_of

    def seconds(stage: str) -> float | None:
        artifacts = artifacts_of(workspace, stage)
        return artifacts[-1].manifest["seconds"] if artifacts else None

    return seconds
