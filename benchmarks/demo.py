"""The demo as a person runs it, in a fresh folder: minutes, what the oracle sees, and what orchestration costs.

    python -m benchmarks.demo [--folder DIR] [--set KEY=VALUE ...]

writes demo.json and orchestration.json. The alternative in the same run: the same stages called plainly, without
Prefect, in another fresh folder and a fresh process.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.recording import record
from tasks.artifacts import artifacts_of
from tasks.stages import STAGES

PLAINLY = """
import sys
from pathlib import Path
from flows.job import Request, make_job, parse_settings
from flows.making import plainly, run_job
from tasks.config import RunOptions
request = Request(preset="demo", workspace=sys.argv[1], settings=parse_settings(sys.argv[2:]))
run_job(make_job(request), plainly(Path(sys.argv[1]), RunOptions()))
"""


def timed(arguments: list[str], folder: Path) -> float:
    """Run a program to its end in `folder`; return its wall-clock seconds."""
    began = time.monotonic()
    subprocess.run(arguments, cwd=folder, check=True, stdin=subprocess.DEVNULL)
    return time.monotonic() - began


def newest_scores(workspace: Path) -> dict[str, Any]:
    """Return the scores of the run."""
    content: dict[str, Any] = json.loads((artifacts_of(workspace, "scores")[-1].path / "scores.json").read_text())
    return content


def stage_seconds(workspace: Path) -> dict[str, float]:
    """Return each stage's seconds, as its manifests say."""
    return {
        f"{stage}:{artifact.manifest['label']}": artifact.manifest["seconds"]
        for stage in STAGES
        for artifact in artifacts_of(workspace, stage)
    }


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--set", action="append", default=[], dest="settings")
    asked = parser.parse_args()
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="editaction-"))
    command = [sys.executable, "-m", "flows.cli"]
    options = [part for setting in asked.settings for part in ("--set", setting)]

    flows_s = timed([*command, "demo", *options], folder)
    plain_s = timed([sys.executable, "-c", PLAINLY, "plain", *asked.settings], folder)
    cached_s = timed([*command, "demo", *options], folder)
    status_s = min(timed([*command, "status"], folder) for _ in range(3))
    help_s = min(timed([*command, "--help"], folder) for _ in range(3))

    scores = newest_scores(folder / "workspace")
    record(
        "demo",
        "Drawn kitchen, fixed camera: how many instructions does the demo's editor carry out, and in how many minutes?",
        drawn_kitchen_measures(scores) | {"run_minutes": round(flows_s / 60, 2)},
        note="Numbers from the drawn kitchen; they say nothing about the paper's data sets.",
        stage_seconds=stage_seconds(folder / "workspace"),
        settings=asked.settings,
    )
    record(
        "orchestration",
        "What do the flows cost over the same stages called plainly, and how soon does an all-cached rerun answer?",
        {
            "overhead_percent": round(100 * (flows_s / plain_s - 1), 2),
            "flows_s": round(flows_s, 1),
            "plain_s": round(plain_s, 1),
            "cached_rerun_s": round(cached_s, 2),
            "status_s": round(status_s, 2),
            "help_s": round(help_s, 2),
        },
        alternative="the same stages called plainly in a fresh process and folder, no Prefect server",
        settings=asked.settings,
    )


def drawn_kitchen_measures(scores: dict[str, Any]) -> dict[str, float]:
    """Return what the oracle saw in the first test split, from the scores file."""
    split = scores["splits"][0]
    rows = {row["name"]: row for row in split["rows"]}
    editor, copy, start = rows["EditAction"], rows["copy of the input"], rows["starting editor, untouched"]
    return {
        "carried_out_percent": editor["carried_out_percent"]["mean"],
        "kept_percent": editor["kept_percent"]["mean"],
        "copy_carried_out_percent": copy["carried_out_percent"]["mean"],
        "starting_editor_carried_out_percent": start["carried_out_percent"]["mean"],
        "num_scenes": split["num_judged"],
    }


if __name__ == "__main__":
    main()
