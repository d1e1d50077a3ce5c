"""The command `survey`: makes the pages on which people rate edits, plans the study, and turns answers into Table 2."""

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from flows.commands.terminal import console
from tasks.artifacts.artifact import Artifact, artifacts_of, made_from, newest_artifact

CAMERAS = {"epic": "head", "mpii": "fixed"}
"""Annotation format -> default camera."""
PAPER_SETS = {"lc": "LC", "hc": "HC"}
"""Preset -> its data set in the paper."""


@click.command()
@click.option("--workspace", default="workspace", show_default=True)
@click.option("--plan", is_flag=True, help="Print raters, minutes and the smallest visible difference; write nothing.")
@click.option("--out", help="New folder: for the pages and the key, or, with --import, for the tables.")
@click.option("--items", type=click.IntRange(min=1), default=100, show_default=True, help="Pairs of each test set.")
@click.option("--items-per-form", type=click.IntRange(min=1), default=10, show_default=True, help="Pairs a rater sees.")
@click.option("--raters", type=click.IntRange(min=1), default=5, show_default=True, help="Raters of each pair.")
@click.option("--controls", type=click.IntRange(min=0), default=3, show_default=True, help="Control pictures a form.")
@click.option("--seconds", type=click.FloatRange(min=0.1), default=6.0, show_default=True, help="Expected, an answer.")
@click.option("--camera", type=click.Choice(["fixed", "head"]), help="By default from the annotations' format.")
@click.option("--questions", help="Questions R1 to R5, separated by commas; by default those of the paper.")
@click.option("--methods", help="Editors to rate, with commas; by default all, each trained under its lowest seed.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the choice of pairs.")
@click.option("--title", default="Rating edited pictures", show_default=True)
@click.option("--completion-code", default="", help="The platform's own code, shown at the end.")
@click.option("--base-url", default="", help="Address of the pictures for platforms, such as https://host/study/.")
@click.option("--survey", "folder", help="A survey's artifact or --out folder, in place of the newest.")
@click.option("--import", "imports", multiple=True, help="A file of answers: ours, MTurk, Label Studio, Prolific, CSV.")
@click.option("--judge", "judges", multiple=True, help="CSV of a language model's scores: rater (model@revision), ...")
@click.option("--column", "columns", multiple=True, help="NAME=COLUMN: which column of another CSV is which.")
@click.option("--min-seconds", type=float, default=1.0, show_default=True, help="Median an answer; faster is rejected.")
@click.option("--min-answered", type=float, default=0.8, show_default=True, help="Share of a form that is enough.")
def survey(workspace: str, plan: bool, out: str | None, **options: Any) -> None:
    """Let people rate edits: write blinded pages, plan the study, or import its answers.

    \b
    editaction survey --plan
    editaction survey --out study                      # publish study/publish, keep study/key.json to yourself
    editaction survey --import answers-*.json --out tables
    """
    if options["imports"] or options["judges"]:
        return _import(workspace, _new_folder(out), options)
    inputs, config = _inputs(workspace, options)
    if plan:
        return _print_plan(inputs, config, options)
    target = _new_folder(out)
    from flows.wiring.making import stage_task

    label = inputs["shards"].manifest["label"]
    paths: dict[str, Any] = {name: input_.path for name, input_ in inputs.items()}
    made = stage_task("survey").run(Path(workspace), label, config, **paths)
    shutil.copytree(made.path / "publish", target / "publish")
    shutil.copy2(made.path / "key.json", target / "key.json")
    num_forms = len(list((target / "publish").glob("form-*.html")))
    console.print(f"{target}/publish: {num_forms} pages to be rated, and files for platforms", soft_wrap=True)
    console.print(f"{target}/key.json: the meaning of the codes. Keep it to yourself.", soft_wrap=True)
    console.print("Address of a rater: form-01.html?worker=ID, or ?PROLIFIC_PID=ID.", soft_wrap=True, markup=False)
    return None


def _new_folder(out: str | None) -> Path:
    if not out:
        raise click.UsageError("Name a new folder with --out.")
    path = Path(out)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ValueError(f"{path} is there already. Name a new folder, or remove it.")
    return path


def _inputs(workspace: str, options: dict[str, Any]) -> tuple[dict[str, Artifact], Any]:
    """Return the newest shards with the newest edits of every method, and the config."""
    from tasks.config import SurveyConfig

    shards = newest_artifact(Path(workspace), "shards")
    prefix = shards.manifest["label"] + "-"
    edits = made_from(artifacts_of(Path(workspace), "edits"), "shards", shards)
    # Newest last, so that it replaces older ones of the same label.
    edit_inputs = chosen_edits(
        {edit.manifest["label"].removeprefix(prefix): edit for edit in edits}, options["methods"]
    )
    if not edit_inputs:
        raise ValueError(
            f"{workspace} has no edits of its newest shards; `editaction run ... --until edits` makes them."
        )
    config = SurveyConfig(
        camera=options["camera"] or _camera(workspace),
        questions=tuple(options["questions"].replace(" ", "").split(",")) if options["questions"] else (),
        num_items=options["items"],
        items_per_form=options["items_per_form"],
        num_controls=options["controls"],
        seed=options["seed"],
        title=options["title"],
        platform_code=options["completion_code"],
        base_url=options["base_url"],
        paper=PAPER_SETS.get(shards.manifest["label"], ""),  # type: ignore[arg-type]
    )
    return {"shards": shards, **edit_inputs}, config


def chosen_edits(by_label: dict[str, Artifact], wanted: str | None) -> dict[str, Artifact]:
    """Return the edits to be rated as `edits_<method>`: the named ones, or those of each method's lowest seed."""
    names = [part.strip() for part in wanted.split(",")] if wanted else []
    missing = [name for name in names if name not in by_label]
    if missing:
        raise ValueError(f"--methods: no edits of {', '.join(missing)}; there are {', '.join(sorted(by_label))}.")
    if names:
        return {f"edits_{name}": by_label[name] for name in names}
    lowest: dict[str, tuple[int, str]] = {}
    for label in by_label:
        method, _, seed = label.rpartition("-seed")
        place = (int(seed), label) if method and seed.isdigit() else (-1, label)
        method = method if place[0] >= 0 else label
        lowest[method] = min(place, lowest.get(method, place))
    return {f"edits_{method}": by_label[label] for method, (_, label) in sorted(lowest.items())}


def _camera(workspace: str) -> Any:
    segments = artifacts_of(Path(workspace), "segments")
    return CAMERAS.get(segments[-1].manifest["config"].get("reader", ""), "fixed") if segments else "fixed"


def _print_plan(inputs: dict[str, Artifact], config: Any, options: dict[str, Any]) -> None:
    """Print the cost of the study and the smallest difference that it can show, for each test set."""
    from evaluation.human_study.questions import check_questions, questions_for
    from evaluation.human_study.survey import plan_study

    methods = [name.removeprefix("edits_") for name in inputs if name != "shards"]
    rows = [row for row in inputs["shards"].records() if row["split"] not in ("train", "validation")]
    console.print(f"Methods: {', '.join(methods)}", soft_wrap=True, markup=False)
    for split in sorted({row["split"] for row in rows}):
        names = config.questions or questions_for(config.camera, is_long_distance=split.startswith("long"))
        check_questions(names)
        plan = plan_study(
            num_items=min(config.num_items, sum(row["split"] == split for row in rows)),
            num_methods=len(methods),
            num_questions=len(names),
            items_per_form=config.items_per_form,
            num_controls=config.num_controls,
            raters_per_item=options["raters"],
            seconds_per_answer=options["seconds"],
        )
        for line in (
            f"{split}: {plan.num_items} pairs, {', '.join(names)}, camera {config.camera}",
            f"  {plan.num_raters} raters: {plan.num_forms} forms x {options['raters']}, "
            f"{plan.answers_a_rater} answers and {math.ceil(plan.minutes_a_rater)} minutes each, "
            f"{plan.hours_in_all:.1f} hours in all",
            f"  smallest difference of two methods that 80 of 100 such studies find: {plan.smallest_difference:.2f} "
            f"points; its 95 % interval is ± {plan.half_width:.2f}",
        ):
            console.print(line, soft_wrap=True, markup=False)
    console.print(
        "Expected: an SD of 1.2 points between two methods on one pair, half of its variance the pair's own.",
        soft_wrap=True,
    )


def _column_map(columns: Sequence[str]) -> dict[str, str]:
    pairs = [column.partition("=") for column in columns]
    if any(not name or not column for name, _, column in pairs):
        raise click.UsageError(
            "--column is NAME=COLUMN, such as rater=user_id; NAME: rater, picture, question, score, "
            "seconds, or R1 to R5."
        )
    return {name.strip(): column.strip() for name, _, column in pairs}


def _import(workspace: str, out: Path, options: dict[str, Any]) -> None:
    """Read files of answers, check them and write the tables."""
    from evaluation.human_study.answers import Limits
    from tasks.exports.rating_files import read_key
    from tasks.pages.study_tables import import_answers

    folder = Path(options["folder"]) if options["folder"] else newest_artifact(Path(workspace), "survey").path
    limits = Limits(min_seconds=options["min_seconds"], min_answered=options["min_answered"])
    files = [Path(option) for option in options["imports"]]
    judges = [Path(option) for option in options["judges"]]
    counts = import_answers(read_key(folder), files, judges, out, limits, _column_map(options["columns"]))
    console.print(f"{out}: {json.dumps(counts)}", soft_wrap=True, markup=False)
    console.print(str((out / "table2.html").resolve()), soft_wrap=True, markup=False)
