"""Scores of the eight compared systems in the drawn kitchen, and their cost per picture.

`python -m benchmarks.baselines sweep`: eight settings of each text-to-image method, of its guidance and of the knobs
that keep the source, on the same validation actions. What it chooses stands in `tasks/starting_editor/text_editors.py`.
`python -m benchmarks.baselines run --workspace DIR`: what `editaction demo --methods editaction,finetuned --editors
all` made in DIR, read out of its artifacts, and what a picture costs. Kitchen numbers say nothing about the paper's
data sets.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.baselines_table import (
    markdown,
    measures_of,
    method_settings,
    stage_seconds,
    training_steps,
)
from benchmarks.recording import RESULTS, record
from evaluation.kitchen.judge import judge
from evaluation.kitchen.world import draw
from flows.wiring.presets import demo
from modeling.editors.instruct_pix2pix import Editor
from modeling.editors.load import load_method
from modeling.small_editor.shipped import STARTING_EDITOR, TEXT_TO_IMAGE
from tasks.starting_editor.static_pairs import Task, action_tasks
from tasks.starting_editor.text_editors import kitchen_text_editors

SWEPT: Mapping[str, Mapping[str, tuple[float, ...]]] = {
    "imagic": {"text_guidance": (1.5, 4.0), "unet_rate": (1e-4, 4e-4), "unet_steps": (12, 40)},
    "plug_and_play": {"text_guidance": (2.0, 5.0), "feature_share": (0.2, 0.8), "attention_share": (0.5, 1.0)},
    "ddpm_noise_space": {"text_guidance": (3.0, 6.0, 9.0, 12.0), "skip": (10, 18)},
    "masactrl": {"text_guidance": (1.5, 4.0), "start_step": (4, 20), "start_layer": (0, 4)},
    "prox_masactrl": {"text_guidance": (1.5, 4.0), "start_layer": (0, 4), "quantile": (0.2, 0.6)},
}
"""The settings to try: eight of each method, in guidance and in the settings that keep the source."""


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
@click.option("--validation", default=24, show_default=True, help="Validation actions.")
@click.option("--method", "methods", multiple=True, type=click.Choice(list(SWEPT)), help="These alone; others stay.")
def sweep(validation: int, methods: tuple[str, ...]) -> None:
    """Try the settings on validation actions; the best has most of both, then of carried out, then of kept."""
    tasks = action_tasks(901, validation)
    for name in methods or SWEPT:
        tried = [try_setting(name, setting, tasks) for setting in settings_of(name)]
        best = max(tried, key=lambda setting: (setting["both"], setting["carried_out"], setting["kept"]))
        record_method(name, {"chosen": {knob: best[knob] for knob in SWEPT[name]}, "tried": tried}, validation)


def settings_of(name: str) -> list[dict[str, float]]:
    """Return the settings of a method that the sweep tries."""
    knobs = SWEPT[name]
    return [dict(zip(knobs, values, strict=True)) for values in product(*knobs.values())]


def try_setting(name: str, setting: dict[str, float], tasks: list[Task]) -> dict[str, Any]:
    """Return a setting with its three percentages on the validation actions."""
    system, config = load_method(name, TEXT_TO_IMAGE, "cpu"), getattr(kitchen_text_editors(), name)
    percentages = carried_and_kept(system, tasks, replace(config, **setting))
    tried = setting | dict(zip(("both", "carried_out", "kept"), percentages, strict=True))
    print(name, tried, flush=True)
    return tried


def record_method(name: str, swept: dict[str, Any], validation: int) -> None:
    """Write one method's part of the sweep; the other methods' parts of a sweep of the same size stay."""
    path = RESULTS / "baselines_sweep.json"
    earlier = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    same = earlier.get("num_validation") == validation and "methods" in earlier
    record(
        "baselines_sweep",
        "Which settings give each text-to-image method its fair chance in the drawn kitchen?",
        {"settings_a_method": len(swept["tried"])},
        keep_earlier=same,
        num_validation=validation,
        methods=(earlier["methods"] if same else {}) | {name: swept},
    )


@main.command()
@click.option("--workspace", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True)
def run(workspace: Path) -> None:
    """Read the results of the run (oracle, accuracy, FID and KID on every kind of features), and measure the cost of a
    picture.
    """
    measures, intervals, num_pairs = measures_of(workspace)
    for name, (seconds, rows) in costs(workspace).items():
        measures |= {f"{name}.cpu_seconds_per_picture": seconds, f"{name}.unet_rows_per_picture": rows}
    stages = stage_seconds(workspace)
    systems = {name.split(".")[0] for name in measures} - {"copy", "truth", "truth_vae"}
    measures |= {"num_methods": len(systems), "minutes": round(sum(stages.values()) / 60, 2)}
    record(
        "baselines",
        "What do the compared systems do in the drawn kitchen, and what does a picture cost each?",
        measures,
        intervals=intervals,
        stage_seconds=stages,
        training_steps=training_steps(workspace),
        settings={name: asdict(config) for name, config in method_settings(workspace).items()},
        num_pairs=num_pairs,
        note="Drawn kitchen, small models, other work on the same cores. Intervals: 95 %, clustered by video.",
    )
    print(markdown(measures, intervals))


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
    for name, settings in method_settings(workspace).items():
        method = load_method(name, TEXT_TO_IMAGE, "cpu")
        loaded.append((name, method, method.model.unet, settings))
    for name, system, unet, config in loaded:
        rows: list[int] = []
        handle = unet.register_forward_pre_hook(lambda _module, inputs, rows=rows: rows.append(len(inputs[0])))
        began = time.process_time()
        for seed, task in enumerate(tasks):
            system.edit([draw(task.before, 0)], [task.instruction], [seed], config)
        of_system[name] = (round((time.process_time() - began) / len(tasks), 3), sum(rows) / len(tasks))
        handle.remove()
    return of_system


if __name__ == "__main__":
    main()
