"""Scores of the eight compared systems in the drawn kitchen, and their cost per picture.

`python -m benchmarks.baselines sweep`: four settings of each text-to-image method, of its guidance and of the knob that
keeps the source, on the same validation actions. What it chooses stands in `tasks/starting_editor/text_editors.py`.
`python -m benchmarks.baselines run --workspace DIR`: what `editaction demo --methods editaction,finetuned --editors
all` made in DIR, read out of its artifacts, and what a picture costs. Kitchen numbers say nothing about the paper's
data sets.
"""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.recording import RESULTS, record
from evaluation.kitchen.judge import judge
from evaluation.kitchen.world import draw
from flows.wiring.presets import demo
from modeling.editors.instruct_pix2pix import Editor
from modeling.editors.load import load_method
from modeling.small_editor.shipped import STARTING_EDITOR, TEXT_TO_IMAGE
from tasks.artifacts.artifact import Artifact
from tasks.starting_editor.static_pairs import Task, action_tasks
from tasks.starting_editor.text_editors import kitchen_text_editors

SWEPT: Mapping[str, Mapping[str, tuple[float, ...]]] = {
    "prox_masactrl": {"text_guidance": (1.5, 4.0), "start_step": (2, 5)},
    "masactrl": {"text_guidance": (1.5, 4.0), "start_step": (2, 5)},
    "ddpm_noise_space": {"text_guidance": (2.0, 6.0), "skip": (1, 4)},
    "plug_and_play": {"text_guidance": (2.0, 5.0), "feature_share": (0.2, 0.8)},
    "imagic": {"text_guidance": (1.5, 4.0), "unet_rate": (1e-4, 4e-4)},
}
"""The settings to try: four of each method, in guidance and in the setting that keeps the source."""


def carried_and_kept(system: Any, tasks: list[Task], config: Any) -> tuple[float, float, float]:
    """Edit the scenes of tasks; return the percentages of both carried out and kept, carried out, and kept."""
    pictures, seeds = [draw(task.before, 0) for task in tasks], list(range(len(tasks)))
    edited = system.edit(pictures, [task.instruction for task in tasks], seeds, config)
    verdicts = [
        judge({"before": task.before.to_record(), "goal": task.goal, "view_before": 0}, picture)
        for task, picture in zip(tasks, edited, strict=True)
    ]
    seen = np.array(
        [(verdict.carried_out and verdict.kept, verdict.carried_out, verdict.kept) for verdict in verdicts], dtype=float
    )
    both, carried_out, kept = (round(100 * float(value), 1) for value in seen.mean(axis=0))
    return both, carried_out, kept


@click.group()
def main() -> None:
    """Run the sweep, or read the results of a run."""


@main.command()
@click.option("--validation", default=12, show_default=True, help="Validation actions.")
def sweep(validation: int) -> None:
    """Try the settings on validation actions; the best has most of both, then of carried out, then of kept."""
    started, tasks = time.monotonic(), action_tasks(901, validation)
    tried: dict[str, list[dict[str, Any]]] = {}
    chosen: dict[str, Any] = {}
    for name, knobs in SWEPT.items():
        system, config = load_method(name, TEXT_TO_IMAGE, "cpu"), getattr(kitchen_text_editors(), name)
        tried[name] = []
        for values in product(*knobs.values()):
            setting = dict(zip(knobs, values, strict=True))
            shares = carried_and_kept(system, tasks, replace(config, **setting))
            tried[name].append(setting | dict(zip(("both", "carried_out", "kept"), shares, strict=True)))
            print(name, tried[name][-1], flush=True)
        best = max(tried[name], key=lambda result: (result["both"], result["carried_out"], result["kept"]))
        chosen[name] = {knob: best[knob] for knob in knobs}
    record(
        "baselines_sweep",
        "Which settings give each text-to-image method its fair chance in the drawn kitchen?",
        {"settings_a_method": 4, "minutes": round((time.monotonic() - started) / 60, 2)},
        num_validation=validation,
        chosen=chosen,
        tried=tried,
        threads=os.environ.get("OMP_NUM_THREADS", "default"),
    )


@main.command()
@click.option("--workspace", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True)
def run(workspace: Path) -> None:
    """Read the results of the run (oracle, accuracy, FID and KID on every kind of features), and measure the cost of a
    picture.
    """
    measures: dict[str, float] = {}
    intervals: dict[str, list[float]] = {}
    scored = sorted((workspace / "scores").glob("*/scores.json"))
    for path in scored:
        scores = json.loads(path.read_text(encoding="utf-8"))
        features = "" if scores["fid_features"].startswith("fixed-random") else "real_"
        for row in scores["splits"][0]["rows"]:
            for name, value in row.items():
                if not isinstance(value, dict) or value.get("mean") is None:
                    continue
                of_features = name.startswith(("fid", "kid"))
                full = f"{row['editor']}.{features if of_features else ''}{name}"
                measures[full] = value["mean"]
                if value.get("interval"):
                    intervals[full] = value["interval"]
    for name, (seconds, rows) in costs(workspace).items():
        measures |= {f"{name}.cpu_seconds_per_picture": seconds, f"{name}.unet_rows_per_picture": rows}
    stages = stage_seconds(workspace)
    systems = {name.split(".")[0] for name in measures} - {"copy", "truth", "truth_vae"}
    measures |= {"num_methods": len(systems), "minutes": round(sum(stages.values()) / 60, 2)}
    swept = json.loads((RESULTS / "baselines_sweep.json").read_text(encoding="utf-8"))
    record(
        "baselines",
        "What do the compared systems do in the drawn kitchen, and what does a picture cost each?",
        measures,
        intervals=intervals,
        stage_seconds=stages,
        settings={name: swept["chosen"][name] for name in sorted(SWEPT)},
        num_pairs=json.loads(scored[0].read_text(encoding="utf-8"))["splits"][0]["num_pairs"],
        note="Drawn kitchen, small models, other work on the same cores. Intervals: 95 %, clustered by video.",
    )


def costs(workspace: Path) -> dict[str, tuple[float, float]]:
    """Edit four pictures, one at a time, with each system: CPU seconds and rows through the U-Net for a picture.

    CPU seconds, because other work on the same cores changes the wall clock much more.
    """
    tasks, of_system = action_tasks(902, 4), {}
    editors = {"start": STARTING_EDITOR} | {
        path.parent.name.rsplit("-", 1)[0].removeprefix("demo-").replace("demo", "editaction"): path
        for path in sorted((workspace / "editor").glob("*/pipeline"))
    }
    loaded: list[tuple[str, Any, Any, Any]] = [
        (name, editor := Editor.load(path, "cpu"), editor.unet, demo().edits.sampling) for name, path in editors.items()
    ]
    for name in SWEPT:
        method = load_method(name, TEXT_TO_IMAGE, "cpu")
        loaded.append((name, method, method.model.unet, getattr(kitchen_text_editors(), name)))
    for name, system, unet, config in loaded:
        rows: list[int] = []
        handle = unet.register_forward_pre_hook(lambda _module, inputs, rows=rows: rows.append(len(inputs[0])))
        began = time.process_time()
        for seed, task in enumerate(tasks):
            system.edit([draw(task.before, 0)], [task.instruction], [seed], config)
        of_system[name] = (round((time.process_time() - began) / len(tasks), 3), sum(rows) / len(tasks))
        handle.remove()
    return of_system


def stage_seconds(workspace: Path) -> dict[str, float]:
    """Return the seconds of every artifact of a workspace, as their manifests say."""
    seconds = {}
    for path in sorted(workspace.glob("*/*/manifest.json")):
        artifact = Artifact.read(path.parent)
        seconds[f"{path.parent.parent.name}:{path.parent.name}"] = round(float(artifact.manifest["seconds"]), 1)
    return seconds


if __name__ == "__main__":
    main()
