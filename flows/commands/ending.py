"""The end of a run at the terminal: what was built, the headline, the paths of editor and report, the next command."""

import json
import shlex
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from flows.commands.screen import styled
from flows.commands.terminal import console
from flows.wiring.making import Step


def print_stages(steps: Sequence[Step], found_before: Collection[str | None]) -> None:
    """Print a line for each stage: built or "Cached", its rows in words, its seconds."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("stage", "", "state", "rows", "seconds"):
        table.add_column(
            heading, style="dim" if heading == "" else None, justify="right" if heading == "seconds" else "left"
        )
    for step in steps:
        manifest = _manifest_of(step)
        state = "built" if step.is_cached and step.path not in found_before else step.state
        seconds = f"{manifest['seconds']:,.1f}" if manifest else ""
        table.add_row(step.stage, styled(step.label), state, rows_in_words(manifest), seconds)
    console.print(table)


def rows_in_words(manifest: dict[str, Any] | None) -> str:
    """Return "386 of 400 kept, 12 filtered, 2 failed"; "all 8 kept" where none is missing; "" where there are none."""
    if manifest is None or not manifest["counts"]["input"]:
        return ""
    counts = manifest["counts"]
    if counts["kept"] == counts["input"]:
        return f"all {counts['kept']:,} kept"
    parts = [f"{counts['kept']:,} of {counts['input']:,} kept"]
    parts += [f"{sum(counts[ending].values()):,} {ending}" for ending in ("filtered", "failed") if counts[ending]]
    return ", ".join(parts)


def print_answer(steps: Sequence[Step], workspace: Path) -> None:
    """Print the headline with the baselines, the split sizes, the editor with a command to use it, and the report."""
    paths = {step.stage: Path(step.path) for step in steps if step.path and step.is_cached}
    lines = []
    if "scores" in paths:
        lines += _headline(paths["scores"])
    if "splits" in paths:
        lines.append(("Splits", _split_sizes(paths["splits"])))
    if "editor" in paths:
        editor = next(Path(step.path) for step in steps if step.stage == "editor" and step.path)
        lines.append(("Editor", str(editor.resolve())))
        line = (
            f"editaction edit --editor {shlex.quote(str(workspace))} --image in.png --instruction '...' --out out.png"
        )
        lines.append(("Use it", line))
    if "report" in paths:
        lines.append(("Report", str((paths["report"] / "report.html").resolve())))
    if lines:
        console.print()
    for name, text in lines:
        console.print(styled((f"{name + ':' if name else '':<8}", "bold"), text), soft_wrap=True)


def _headline(scores: Path) -> list[tuple[str, str]]:
    from evaluation.pages.tables import headline_of

    headline = headline_of(json.loads((scores / "scores.json").read_text(encoding="utf-8")), ())
    beside = "; ".join(f"{label} {value}" for label, value in headline.beside)
    return [("Answer", f"{headline.value} {headline.label} ({headline.interval})"), ("", beside)]


def _split_sizes(splits: Path) -> str:
    from tasks.artifacts.artifact import Artifact

    sizes: dict[str, int] = {}
    for row in Artifact.read(splits).records():
        sizes[row["split"]] = sizes.get(row["split"], 0) + 1
    return ", ".join(f"{number:,} {split}" for split, number in sorted(sizes.items()))


def _manifest_of(step: Step) -> dict[str, Any] | None:
    if step.path is None or not (Path(step.path) / "manifest.json").is_file():
        return None
    manifest: dict[str, Any] = json.loads((Path(step.path) / "manifest.json").read_text(encoding="utf-8"))
    return manifest
