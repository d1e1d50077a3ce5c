"""scores, edits and the manifests of everything before them -> `report.html`, one page that needs no network.

The page is made from its inputs and their manifests; the only times in it are the seconds of each stage.
"""

import dataclasses
import json
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluation.classifier.trust import doubts
from evaluation.pages.charts import Chart, Series
from evaluation.pages.loss_weights import figure8
from evaluation.pages.page import Report, Setting, render
from evaluation.pages.tables import Json, headline_of, is_main
from modeling.atomic import write_bytes
from modeling.config import SamplingConfig, TrainConfig
from modeling.runs.log import METRICS
from tasks.artifacts.artifact import Artifact, Record, read_records
from tasks.artifacts.stage import stage
from tasks.artifacts.work import Work
from tasks.config import ReportConfig
from tasks.pages.costs import cost_of, in_order
from tasks.pages.editor_names import EDITS, TIMING, editor_name
from tasks.pages.forgotten import forgetting_tables
from tasks.pages.galleries import Galleries, first_label
from tasks.pages.report_card import write_card
from tasks.pages.report_files import galleries_of, page_tables, tables_of, write_files
from tasks.pages.shown import funnel_of, provenance_of

EDITOR = "editor_"
"""Beginning of the names of the inputs that are further editors, trained by another method."""
FEW_PAIRS = 200
"""With fewer training pairs the page warns that nobody has tried so few."""
FUNNEL_STAGES = ("kitchen", "segments", "videos", "frames", "splits", "shards", "classifier", "editor", "scores")
LOSSES = {
    "loss": "L, total",
    "static": "L_static",
    "loss_static": "L_static",
    "action": "L_action",
    "loss_action": "L_action",
    "reg": "L_reg",
    "loss_reg": "L_reg",
}
"""Keys of metrics.jsonl -> names of the curves."""


def flat_settings(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return nested settings by dotted name, as text."""
    flat: dict[str, str] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            flat |= flat_settings(value, f"{prefix}{name}.")
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
            flat[f"{prefix}{name}"] = "none" if shown is None else str(shown)
    return flat


def settings_of(stage_name: str, config: Mapping[str, Any]) -> list[Setting]:
    """Return a stage's settings; those of training and sampling with the paper's value where it differs."""
    paper: dict[str, str] = {}
    if stage_name == "editor":
        paper = flat_settings(dataclasses.asdict(TrainConfig()))
    elif stage_name == "edits":
        paper = flat_settings({"sampling": dataclasses.asdict(SamplingConfig()), "seeds": [0, 1, 2]})
    return [
        Setting(name=f"{stage_name}.{name}", value=value, paper=paper.get(name) if paper.get(name) != value else None)
        for name, value in flat_settings(config).items()
    ]


def series_of(metrics: Sequence[Record], keys: Mapping[str, str]) -> list[Series]:
    """Return the curves of the keys in the log; steps without a value are left out."""
    series = []
    for key, name in keys.items():
        points = [(row["step"], row[key]) for row in metrics if row.get(key) is not None]
        if points:
            series.append(Series(name=name, steps=[step for step, _ in points], values=[value for _, value in points]))
    return series


def charts_of(metrics: Sequence[Record]) -> list[Chart]:
    """Return the charts of a training log: the denoising losses, the contrastive loss, the pull to the start."""
    losses = {key: name for key, name in LOSSES.items() if any(key in row for row in metrics)}
    denoising = {key: name for key, name in losses.items() if name in ("L, total", "L_static")}
    action = {key: name for key, name in losses.items() if name == "L_action"}
    pull = {key: name for key, name in losses.items() if name == "L_reg"}
    charts = [
        (denoising, "Total and static loss", "Means over equal stretches of steps; logarithmic.", True),
        (action, "L_action", "One half: the instruction and another one explain the edit equally well.", False),
        (pull, "L_reg", "Squared distance to the start's prediction: grows as the editor learns what is new.", False),
    ]
    drawn = []
    for keys, title, note, log_scale in charts:
        series = series_of(metrics, keys)
        positive = all(value > 0 for curve in series for value in curve.values)
        if any(value != 0 for curve in series for value in curve.values):
            drawn.append(Chart(title=title, note=note, series=series, log_scale=log_scale and positive))
    return drawn


def comparison_of(logs: Mapping[str, Sequence[Record]]) -> list[Chart]:
    """Return the chart of the editors' static losses beside each other, where there are several; the first four."""
    shown = {name: series for name, log in logs.items() for series in series_of(log, {"static": name})}
    if len(shown) < 2:
        return []
    note = "Of the same examples, noise and timesteps at every step; logarithmic."
    positive = all(value > 0 for curve in shown.values() for value in curve.values)
    return [Chart(title="L_static by editor", note=note, series=list(shown.values())[:4], log_scale=positive)]


def warnings_of(num_train: int, content: Json) -> list[str]:
    """Return the warnings that come before the numbers."""
    warnings = []
    if num_train < FEW_PAIRS:
        warnings.append(
            f"The editor was trained on {num_train:,} pairs only. The paper trains on 24,000 and more; how little "
            "suffices is not known. Judge by the figures and the pictures below, not by the loss."
        )
    for table in content["splits"]:
        reasons = doubts(content.get("classifier", {}).get(table.get("split")), table)
        if reasons:
            warnings.append(" ".join(reasons) + " Accuracy A and B mean nothing here and are not in the headline.")
    smallest = min(table["num_pairs"] for table in content["splits"])
    if smallest < 50:
        warnings.append(
            f"The smallest test set has {smallest:,} pairs: its intervals are wide, and FID means little there."
        )
    return warnings


def warned_before(stages: Mapping[str, Artifact]) -> list[str]:
    """Return the warnings of training and classifier, each sentence once."""
    warnings = [warning for stage in stages.values() for warning in stage.manifest["facts"].get("warnings", [])]
    return list(dict.fromkeys(warnings))


def summary_of(content: Json, num_train: int, num_videos: int | None) -> str:
    """Return a few sentences about this run."""
    source = f"cut from {num_videos:,} videos" if num_videos else "cut from videos"
    world = " of a drawn kitchen, whose oracle can read every picture" if content["is_drawn_kitchen"] else ""
    return (
        f"An InstructPix2Pix editor was fine-tuned on {num_train:,} pairs of first and last frames of labelled "
        f"actions, {source}{world}. It then edited held-out first frames as their instructions say."
    )


def recipe_of(inputs: Mapping[str, Artifact], main: str, num_train: int) -> list[str]:
    """Return the settings behind the headline number, in short clauses."""
    clauses = [f"{num_train:,} training pairs"]
    if "editor" in inputs:
        config = inputs["editor"].manifest["config"]
        objective = config["objective"]
        clauses.append(f"{config['num_steps']:,} steps of {config['batch_size']} at {config['size_px']} px")
        clauses.append(
            f"λ1 {objective['lambda_action']:g}, λ2 {objective['lambda_reg']:g}, frozen: {objective['freeze']}"
        )
    sampling = inputs[first_label(inputs, main)].manifest["config"]["sampling"]
    guidance = f"s_i {sampling['image_guidance']:g}, s_c {sampling['text_guidance']:g}"
    return [*clauses, f"{sampling['num_steps']} denoising steps, {guidance}"]


def go_on_with(editor: Artifact | None, instruction: str) -> str:
    """Return the command that edits a picture with the run's editor, as it can be typed where the run was started."""
    if editor is None:
        return ""
    folder = (editor.path / "pipeline").resolve()
    here = Path.cwd()
    place = folder.relative_to(here) if folder.is_relative_to(here) else folder
    said = shlex.quote(instruction)
    return f"editaction edit --editor {shlex.quote(str(place))} --image in.png --instruction {said} --out out.png"


def example_of(shards: Artifact) -> str:
    """Return an instruction that the editor was trained on: the most usual one, or of these the first by letters."""
    counts = Counter(row["instruction"] for row in shards.records() if row["split"] == "train")
    return min(counts, key=lambda instruction: (-counts[instruction], instruction), default="open fridge")


@stage
def report(work: Work, config: ReportConfig, *, scores: Artifact, shards: Artifact, **inputs: Artifact) -> None:
    """Write the page, its figures and tables as files. Inputs: the edits (`edits_<label>`), timings
    (`timing_<label>`), further editors, and the earlier stages to tell of.
    """
    content = json.loads((scores.path / "scores.json").read_text(encoding="utf-8"))
    edits = {name: artifact for name, artifact in inputs.items() if name.startswith(EDITS)}
    timings = {name.removeprefix(TIMING): input_ for name, input_ in inputs.items() if name.startswith(TIMING)}
    known = {"shards": shards, "scores": scores} | {k: input_ for k, input_ in inputs.items() if k not in edits}
    stages = {name: known[name] for name in FUNNEL_STAGES if name in known}
    num_train = sum(row["split"] == "train" for row in shards.records())
    main_table = next((entry for entry in content["splits"] if entry["split"].startswith("test")), content["splits"][0])
    main = next((row["editor"] for row in main_table["rows"] if is_main(row)), next(iter(edits)).removeprefix(EDITS))
    num_videos = inputs["videos"].manifest["counts"]["kept"] if "videos" in inputs else None
    trained = {editor_name(main): inputs["editor"]} if "editor" in inputs else {}
    trained |= {
        editor_name(name.removeprefix(EDITOR)): artifact for name, artifact in known.items() if name.startswith(EDITOR)
    }
    logs = {name: list(read_records(artifact.path / METRICS)) for name, artifact in trained.items()}
    settings = {name: settings_of(name, stage.manifest["config"]) for name, stage in stages.items()}
    settings["edits"] = settings_of("edits", edits[first_label(edits, main)].manifest["config"])
    galleries = galleries_of(Galleries(shards, scores, edits), content, main_table, main, config)
    weights = figure8(main_table)
    tables, printed = tables_of(content, timings, config.paper)
    shown = [*stages.values(), *list(trained.values())[1:], *edits.values(), *timings.values()]
    page = Report(
        title=config.title,
        summary=summary_of(content, num_train, num_videos),
        warnings=[*warned_before(stages), *warnings_of(num_train, content)],
        headline=headline_of(content, recipe_of(inputs, main, num_train)),
        galleries=galleries,
        figures=weights,
        tables=[*page_tables(content), *printed, *forgetting_tables(inputs)],
        charts=charts_of(next(iter(logs.values()), [])) + comparison_of(logs),
        funnel=[funnel_of(name, stage) for name, stage in stages.items()],
        settings=settings,
        notes=config.notes,
        provenance=[provenance_of(artifact) for artifact in shown if artifact is not scores] + [provenance_of(scores)],
        packages=scores.manifest["packages"],
        go_on=go_on_with(inputs.get("editor"), example_of(shards)),
        cost=cost_of(in_order({**known, **edits})),
    )
    write_bytes(work.path / "report.html", render(page).encode())
    write_files(work.path, galleries, weights, tables)
    if "editor" in inputs:
        measured = SamplingConfig(**edits[first_label(edits, main)].manifest["config"]["sampling"])
        write_card(work.path, inputs["editor"], page.headline, galleries[0], measured, example_of(shards))
    work.write_rows([{"split": table["split"], "num_pairs": table["num_pairs"]} for table in content["splits"]])
