"""The command `edit`: an editor and pictures in, edited pictures out."""

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import click

from flows.commands.screen import say, styled
from flows.commands.terminal import ITEMS_FAILED, console, counting
from flows.wiring.presets import picture_side, preset, sampling_for
from flows.wiring.settings import parse_settings, with_settings
from modeling.config import Precision, SamplingConfig, SchedulerName
from modeling.editors.settings import (
    METHOD_CONFIGS,
    METHOD_PRESETS,
    ImagicConfig,
    MethodConfig,
    PipelineConfig,
    with_steps,
)
from modeling.presets import GUIDANCES
from tasks.config import PipelineEditorConfig
from tasks.starting_editor.text_editors import kitchen_text_editors


@click.command()
@click.option(
    "--editor",
    help="Pipeline folder, folder of an editor artifact, hub id, or a workspace: its newest finished editor. May be "
    "left out where --set editors.NAME has a start.",
)
@click.option(
    "--image",
    required=True,
    help="A picture, a folder of pictures, a CSV (image, instruction[, seed, out]), or shards: a tar or their folder.",
)
@click.option("--instruction", help="What to do. Instructions in a CSV have priority; shards have their own.")
@click.option("--out", required=True, help="The .png or .jpg file to write, or a folder.")
@click.option(
    "--seed", "seeds", multiple=True, type=int, default=[0], show_default=True, help="Can be given several times."
)
@click.option(
    "--guidance",
    type=click.Choice(list(GUIDANCES)),
    help="Both scales at once: paper (s_i 1, s_c 7.5) or ip2p (1.5, 7.5), InstructPix2Pix's own.",
)
@click.option("--image-guidance", type=float, help="s_i of Eq. 8.")
@click.option("--text-guidance", type=float, help="s_c of Eq. 8.")
@click.option("--steps", type=click.IntRange(min=1), help="Denoising steps.")
@click.option("--scheduler", type=click.Choice(get_args(SchedulerName)), help="pipeline: the editor's own.")
@click.option("--precision", type=click.Choice(get_args(Precision)), help="Number type of the U-Net.")
@click.option(
    "--size", "size_px", type=click.IntRange(min=8), help="Side in pixels of the pictures that the editor gets."
)
@click.option("--keep-aspect", is_flag=True, help="Stretch each edit back to its picture's aspect ratio.")
@click.option("--overwrite", is_flag=True, help="Write over existing files.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Pictures at a time; by default 8 at 512 px.")
@click.option(
    "--method",
    metavar="NAME",
    help="Edit with one of "
    + ", ".join(METHOD_CONFIGS)
    + " (--editor is then a text-to-image model, such as stable-diffusion-v1-5/stable-diffusion-v1-5), with a "
    "diffusers pipeline by its class (FluxKontextPipeline), or by the name that --set gives it.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="editors.NAME=...",
    help='A diffusers pipeline: editors.kontext=\'{"class": "FluxKontextPipeline", "start": ..., "arguments": {}}\'.',
)
@click.option("--fast", is_flag=True, help="Use the method's cheaper settings, where its authors offer some.")
@click.option(
    "--prompt-policy",
    type=click.Choice(["instruction", "template"]),
    help="How the method's texts are made from the instruction.",
)
@click.option("--compile", is_flag=True, help="Compile the U-Net: it takes a minute, then edits are faster.")
@click.option("--device", default="auto", show_default=True)
def edit(
    editor: str | None, image: str, instruction: str | None, out: str, seeds: tuple[int, ...], **options: Any
) -> None:
    """Carry out an instruction in a picture, or many in a folder, the rows of a CSV, or shards."""
    from modeling.editing.files import edit_files

    editor, sampling = how_to_edit(editor, options)
    if isinstance(sampling, ImagicConfig):
        say(f"imagic tunes the model for {sampling.embedding_steps + sampling.unet_steps:,} steps per picture.")
    with counting(console, "edits") as on_progress:
        outcomes = edit_files(
            editor=editor,
            image=image,
            instruction=instruction,
            out=out,
            seeds=seeds,
            sampling=sampling,
            on_progress=on_progress,
            on_warning=lambda text: say(f"warning: {text}"),
            **options,
        )
    counts = Counter(outcome.status for outcome in outcomes)
    console.print(
        f"{out}: " + ", ".join(f"{number} {status}" for status, number in sorted(counts.items())), soft_wrap=True
    )
    for outcome in outcomes:
        if outcome.status == "failed":
            console.print(styled(f"{outcome.request.image}: {outcome.message}"), soft_wrap=True)
    if counts["failed"]:
        sys.exit(ITEMS_FAILED)


AnyConfig = SamplingConfig | MethodConfig | PipelineConfig


def how_to_edit(editor: str | None, options: dict[str, Any]) -> tuple[str, AnyConfig]:
    """Take what decides an edit out of `options`; return the editor's place and how it edits."""
    named = named_pipelines(parse_settings(list(options.pop("settings"))))
    method = options["method"]
    if method is not None and method not in METHOD_CONFIGS:
        pipeline = named.get(method) or (PipelineEditorConfig(class_name=method, start=editor) if editor else None)
        if pipeline is None:
            raise ValueError(
                f"--method {method}: name its weights with --editor, or with --set editors.{method}={{...}}."
            )
        options["method"] = pipeline.class_name
        return editor or pipeline.start, _pipeline_settings(pipeline, options)
    if editor is None:
        raise ValueError("--editor is missing: a pipeline folder, an editor artifact, a hub id, or a workspace.")
    editor = newest_editor(editor)
    return editor, _method_settings(editor, options) if method else _sampling(editor, options)


def named_pipelines(settings: dict[str, Any]) -> dict[str, PipelineEditorConfig]:
    """Return the diffusers pipelines that settings name; ValueError for a setting of anything else."""
    if strange := [name for name in settings if not name.startswith("editors.")]:
        raise ValueError(f"--set {strange[0]}: an edit has settings of editors.NAME alone; options say the rest.")
    pipelines: dict[str, PipelineEditorConfig] = with_settings(preset("demo"), settings).editors
    return pipelines


def _pipeline_settings(pipeline: PipelineEditorConfig, options: dict[str, Any]) -> PipelineConfig:
    """Take what decides a pipeline's edit out of `options` and return it; its own arguments come with --set."""
    from modeling.editors.pipeline import check_pipeline  # torch and diffusers

    for unused in ("guidance", "image_guidance", "text_guidance", "scheduler", "fast", "prompt_policy", "compile"):
        if options[unused]:
            raise ValueError(
                f"--{unused.replace('_', '-')} does not go with a diffusers pipeline by its class; give its own "
                'arguments with --set editors.NAME={"class": ..., "start": ..., "arguments": {...}}.'
            )
    for absent in ("guidance", "image_guidance", "text_guidance", "scheduler", "fast", "prompt_policy"):
        options.pop(absent)
    check_pipeline(pipeline.class_name, pipeline.arguments)
    config = PipelineConfig(size_px=pipeline.size_px or 512, precision=pipeline.precision, options=pipeline.arguments)
    given = {"num_steps": options.pop("steps"), "precision": options.pop("precision")}
    return with_settings(config, {field: value for field, value in given.items() if value is not None})


def newest_editor(editor: str) -> str:
    """Return the folder of the newest finished editor where `editor` is a workspace; anything else as it is."""
    folder = Path(editor)
    if not (folder / "editor").is_dir() or (folder / "model_index.json").is_file():
        return editor
    from tasks.artifacts.artifact import newest_artifact

    return str(newest_artifact(folder, "editor").path)


def _method_settings(editor: str, options: dict[str, Any]) -> MethodConfig:
    """Take the settings of a method out of `options` and return them."""
    name, side = options["method"], picture_side(Path(editor))
    presets = METHOD_PRESETS["fast" if options.pop("fast") else "paper"]
    config: MethodConfig = presets(name) if side is None or side >= 256 else getattr(kitchen_text_editors(), name)
    for unused in ("guidance", "image_guidance", "scheduler"):
        if options.pop(unused) is not None:
            raise ValueError(
                f"--{unused.replace('_', '-')} is a setting of InstructPix2Pix; {name} does not have it. Leave it out."
            )
    steps = options.pop("steps")
    config = config if steps is None else with_steps(config, steps)
    given = {option: options.pop(option) for option in ("text_guidance", "precision", "prompt_policy")}
    return with_settings(config, {field: value for field, value in given.items() if value is not None})


def _sampling(editor: str, options: dict[str, Any]) -> SamplingConfig:
    """Take the sampling settings out of `options` and return them; a single scale has priority over --guidance."""
    if any([options.pop("fast"), options.pop("prompt_policy")]):
        raise ValueError("--fast and --prompt-policy are of the methods: name one with --method.")
    sampling = sampling_for(editor)
    if preset := options.pop("guidance"):
        scales = GUIDANCES[preset]()
        sampling = replace(sampling, image_guidance=scales.image_guidance, text_guidance=scales.text_guidance)
    names = {name: name for name in ("image_guidance", "text_guidance", "scheduler", "precision")}
    changes = {field: options.pop(name) for name, field in (names | {"steps": "num_steps"}).items()}
    return with_settings(sampling, {name: value for name, value in changes.items() if value is not None})
