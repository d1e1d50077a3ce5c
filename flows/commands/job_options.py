"""The options of `editaction run` and `demo`."""

from collections.abc import Callable, Sequence
from typing import Any, get_args

import click

from flows.wiring.job import MEASURED_AFTER, UNTIL
from flows.wiring.presets import PRESETS
from modeling.config import CacheMode, EmaPlace
from modeling.editors.settings import METHOD_CONFIGS
from tasks.artifacts.storage import STORE_VARIABLE
from tasks.config import Fetch
from tasks.fetching.sites import MIRROR_VARIABLE
from tasks.stages import STAGES

REFRESHABLE = [name for name, stage in STAGES.items() if stage.in_main_job]
"""Stages that `--refresh` can rebuild: those of the main job."""


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for the recipe and its annotations and videos, of every command that runs on any data."""
    return _with_options(
        command,
        (
            click.option("--preset", type=click.Choice(list(PRESETS)), required=True, help="Which recipe."),
            click.option(
                "--annotations",
                help="Annotation file: EPIC CSV (hc), MPII .mat (lc), a table of actions, a list of pairs, or a "
                "LeRobot folder.",
            ),
            click.option(
                "--more-annotations",
                multiple=True,
                help="A further file of the same dataset: EPIC_100_validation.csv.",
            ),
            click.option("--videos", help="Folder of the videos."),
            click.option(
                "--fetch",
                type=click.Choice(get_args(Fetch)),
                default="local",
                show_default=True,
                help="local: --videos as it is; download: fetch missing videos; ranges: read only needed parts at the "
                "server.",
            ),
            click.option(
                "--mirror",
                envvar=MIRROR_VARIABLE,
                help="Address of the videos instead of the official ones; may hold {video}, {participant}. Or "
                "$EDITACTION_MIRROR.",
            ),
            click.option(
                "--connections",
                type=click.IntRange(min=1),
                default=4,
                show_default=True,
                help="Number of files fetched at once.",
            ),
            click.option(
                "--retries",
                type=click.IntRange(min=0),
                default=6,
                show_default=True,
                help="Number of retries at a failing server.",
            ),
        ),
    )


def job_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of `run` and `demo` to a command."""
    return _with_options(
        command,
        (
            click.option("--workspace", default="workspace", show_default=True, help="Folder of all artifacts."),
            click.option("--start", help="Pipeline folder or hub id to train from, instead of the preset's."),
            click.option(
                "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting: editor.num_steps=100."
            ),
            click.option(
                "--settings",
                "settings_file",
                help="JSON file of settings, such as the lambdas.json of choose-lambdas; --set comes after it.",
            ),
            click.option("--long-distance", help="CSV of the segments of your long-distance test set."),
            click.option("--until", type=click.Choice(UNTIL), default="report", show_default=True, help="Last stage."),
            click.option(
                "--methods",
                default="editaction",
                show_default=True,
                help="Objectives to compare: editaction, finetuned, without_action, action_0.01, table5, grid, ...",
            ),
            click.option(
                "--training-seeds",
                default="",
                metavar="SEEDS",
                help="Training seeds of each method, such as 0,1,2; by default the recipe's one seed.",
            ),
            click.option(
                "--measure",
                multiple=True,
                type=click.Choice([*MEASURED_AFTER]),
                help="Measure every editor too: told_apart, the instruction retrieval; verdicts, the kitchen's oracle; "
                "forgetting, static edits that it could do before; timing, seconds per picture.",
            ),
            click.option(
                "--editors",
                default="",
                metavar="NAMES",
                help="Further editors: all, or of " + ", ".join(METHOD_CONFIGS) + "; or a diffusers pipeline that "
                "--set editors.NAME=... gives.",
            ),
            click.option(
                "--limit",
                type=click.IntRange(min=1),
                help="Pictures that each of --editors edits (text_editors.limit); all are scored on these only.",
            ),
            click.option(
                "--edits",
                multiple=True,
                metavar="NAME=PLACE",
                help="Pictures that another system made, as a row of every table: a folder of SEED/SEGMENT_ID.png, or "
                "a CSV segment_id,seed,picture.",
            ),
            click.option("--safe", is_flag=True, help="Train with clipped gradients and a warm-up."),
            click.option("--plan", "plan_only", is_flag=True, help="Print what would run and why, and run nothing."),
            click.option("--refresh", multiple=True, type=click.Choice(REFRESHABLE), help="Rebuild this stage."),
            click.option("--retry-failed", is_flag=True, help="Try all failed items again."),
            click.option(
                "--item-limit-s",
                type=click.FloatRange(min=0, min_open=True),
                default=7200.0,
                show_default=True,
                help="Seconds that one video may take before it counts as timed_out.",
            ),
            click.option(
                "--max-failed-share",
                type=click.FloatRange(min=0, max=1),
                default=0.5,
                show_default=True,
                help="Train only if no larger share of the segments failed.",
            ),
            click.option(
                "--store",
                envvar=STORE_VARIABLE,
                help="Address of storage that machines share (s3://bucket/path, file:///folder): finished artifacts "
                "go there and come from there. Or $EDITACTION_STORE.",
            ),
            click.option("--workers", default=0, help="Processes for decoding and drawing; 0: one per core."),
            click.option(
                "--items-on",
                default="processes",
                show_default=True,
                metavar="WHERE",
                help="Where videos, edits and scores are worked on: processes here, dask (a local cluster), or a "
                "scheduler: tcp://host:8786.",
            ),
            click.option("--device", default="auto", show_default=True, help="Torch device."),
            click.option(
                "--processes", type=click.IntRange(min=1), default=1, show_default=True, help="GPUs to train on."
            ),
            click.option(
                "--micro-batch", type=click.IntRange(min=0), default=0, help="Examples per pass; 0: what fits."
            ),
            click.option("--gradient-checkpointing", is_flag=True, help="Train with less memory and more time."),
            click.option(
                "--ema-on",
                type=click.Choice(get_args(EmaPlace)),
                default="device",
                show_default=True,
                help="Place of the averaged weights in training: cpu frees 3 GiB at full size.",
            ),
            click.option("--compile", is_flag=True, help="Compile the U-Net for training."),
            click.option(
                "--cache",
                type=click.Choice(get_args(CacheMode)),
                default="auto",
                show_default=True,
                help="Compute all latents once before training.",
            ),
            click.option("--adam-bits", type=click.Choice(["8", "32"]), help="8: moments in a quarter of the memory."),
            click.option("--validate-every", default=0, help="Training steps between validations; 0: never."),
        ),
    )


def _with_options(command: Callable[..., Any], options: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
    """Add options to a command, in their order in its help."""
    for option in reversed(options):
        command = option(command)
    return command
