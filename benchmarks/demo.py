"""The demo as a user runs it, in a fresh folder: its minutes, the oracle's verdicts, and the cost of orchestration.

    python -m benchmarks.demo                      # demo.json: the whole demo
    python -m benchmarks.demo --orchestration      # orchestration.json: a shortened demo, as flows and plainly

The alternative of the second, in the same run: the same stages called plainly, without Prefect, in another fresh
folder and a fresh process. It is shortened so that both take only minutes. Orchestration costs a fixed number of
seconds, so its share of a longer run is smaller.
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
from tasks.artifacts.artifact import artifacts_of
from tasks.stages import STAGES

COMMAND = [sys.executable, "-m", "flows.commands.cli"]
SHORTENED = ["kitchen.num_videos=40", "editor.num_steps=500", "classifier.num_epochs=2", "splits.num_test=100"]
"""Settings of the shortened demo: about a quarter of the work."""
PLAINLY = """
import sys
from pathlib import Path
from flows.wiring.job import Request, make_job
from flows.wiring.settings import parse_settings
from flows.wiring.making import plainly, run_job
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


def measure_demo(folder: Path) -> None:
    """Run the demo as a user does and record the oracle's verdicts."""
    flows_s = timed([*COMMAND, "demo"], folder)
    record_demo(folder, flows_s)


def record_demo(folder: Path, flows_s: float) -> None:
    """Write demo.json from a finished demo that took `flows_s` seconds."""
    record(
        "demo",
        "Drawn kitchen, fixed camera: how many instructions does the demo's editor carry out, and in how many minutes?",
        drawn_kitchen_measures(newest_scores(folder / "workspace")) | {"run_minutes": round(flows_s / 60, 2)},
        note="Numbers from the drawn kitchen; they say nothing about the paper's data sets.",
        stage_seconds=stage_seconds(folder / "workspace"),
    )


def measure_orchestration(folder: Path) -> None:
    """Run a shortened demo as flows and plainly, then all-cached, and record the difference."""
    options = [part for setting in SHORTENED for part in ("--set", setting)]
    flows_s = timed([*COMMAND, "demo", *options], folder)
    plain_s = timed([sys.executable, "-c", PLAINLY, "plain", *SHORTENED], folder)
    cached_s = timed([*COMMAND, "demo", *options], folder)
    status_s = min(timed([*COMMAND, "status"], folder) for _ in range(3))
    help_s = min(timed([*COMMAND, "--help"], folder) for _ in range(3))
    record(
        "orchestration",
        "What do the flows cost over the same stages called plainly, and how soon does an all-cached rerun answer?",
        {
            "overhead_percent": round(100 * (flows_s / plain_s - 1), 2),
            "overhead_s": round(flows_s - plain_s, 1),
            "flows_s": round(flows_s, 1),
            "plain_s": round(plain_s, 1),
            "cached_rerun_s": round(cached_s, 2),
            "status_s": round(status_s, 2),
            "help_s": round(help_s, 2),
        },
        alternative="the same stages called plainly in a fresh process and folder, no Prefect server",
        settings=SHORTENED,
    )


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orchestration", action="store_true")
    folder = Path(tempfile.mkdtemp(prefix="editaction-"))
    if parser.parse_args().orchestration:
        measure_orchestration(folder)
    else:
        measure_demo(folder)


def drawn_kitchen_measures(scores: dict[str, Any]) -> dict[str, float]:
    """Return the oracle's verdicts on the first test split, from the scores file."""
    split = scores["splits"][0]
    rows = {row["editor"]: row for row in split["rows"]}
    editor, copy, start = rows["editaction"], rows["copy"], rows["start"]
    return {
        "carried_out_percent": editor["carried_out_percent"]["mean"],
        "kept_percent": editor["kept_percent"]["mean"],
        "copy_carried_out_percent": copy["carried_out_percent"]["mean"],
        "starting_editor_carried_out_percent": start["carried_out_percent"]["mean"],
        "num_scenes": split["num_judged"],
    }


if __name__ == "__main__":
    main()
