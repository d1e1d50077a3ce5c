"""The command `editaction`. Heavy things (torch, Prefect) are imported by the commands that need them, when they run.

Exit status: 0 everything asked for is there; 1 it could not be done, and a message says why; 2 the command line is
wrong; 3 everything is there but for failed items; 130 and 143 after Ctrl-C and SIGTERM.
"""

import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast, get_args

import click
from rich.console import Console
from rich.table import Table

from flows.dataset_commands import candidates, dataset
from flows.job import UNTIL, Request, make_job, parse_settings
from flows.presets import PRESETS, with_settings
from flows.study_command import study
from modeling.config import Precision, SamplingConfig, SchedulerName
from modeling.presets import GUIDANCES, method_names
from tasks.config import Fetch
from tasks.stages import STAGES

ITEMS_FAILED = 3

# Tables go to a pipe in full width: what reads them there counts on one row a line.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)


def job_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what is run and where."""
    for option in reversed(
        (
            click.option("--workspace", default="workspace", show_default=True, help="Folder of all artifacts."),
            click.option("--start", help="Pipeline folder or hub id to train from, instead of the preset's."),
            click.option(
                "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting: editor.num_steps=100."
            ),
            click.option("--long-distance", help="CSV of the segments that you chose as the long-distance test set."),
            click.option("--until", type=click.Choice(UNTIL), default="report", show_default=True, help="Last stage."),
            click.option(
                "--methods",
                default="editaction",
                show_default=True,
                help="Objectives to compare: editaction, finetuned, without_action, action_0.01, table5, grid, ...",
            ),
            click.option("--safe", is_flag=True, help="Train with clipped gradients and a warm-up."),
            click.option("--plan", "plan_only", is_flag=True, help="Say what would run and why, and run nothing."),
            click.option("--refresh", multiple=True, type=click.Choice([*STAGES]), help="Rebuild this stage."),
            click.option("--workers", default=0, help="Processes for decoding and drawing; 0: one per core."),
            click.option("--device", default="auto", show_default=True, help="Torch device."),
            click.option(
                "--processes", type=click.IntRange(min=1), default=1, show_default=True, help="GPUs to train on."
            ),
            click.option(
                "--validate-every", default=0, help="Training steps between looks at fixed pictures; 0: never."
            ),
        )
    ):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="editaction")
def cli() -> None:
    """Learn image edits from videos of actions: videos with labelled actions in, an image editor with scores out."""


cli.add_command(candidates)
cli.add_command(dataset)
cli.add_command(study)


@cli.command()
@job_options
def demo(**options: Any) -> None:
    """Run the main job on the drawn kitchen: videos, pairs, training, edits, scores, report."""
    _run("demo", None, None, **options)


@cli.command()
@click.option("--preset", type=click.Choice(list(PRESETS)), required=True, help="Which recipe.")
@click.option(
    "--annotations", help="Annotation file: EPIC CSV (hc), MPII .mat (lc), a table of actions, or a list of pairs."
)
@click.option("--more-annotations", multiple=True, help="A further file of the same dataset: EPIC_100_validation.csv.")
@click.option("--videos", help="Folder of the videos.")
@click.option(
    "--fetch",
    type=click.Choice(get_args(Fetch)),
    default="local",
    show_default=True,
    help="Videos: found in --videos; what is missing there downloaded; or only the needed ranges read at the server.",
)
@click.option("--mirror", help="Address of the videos instead of the official ones; may hold {video}, {participant}.")
@click.option("--connections", type=click.IntRange(min=1), default=4, show_default=True, help="Files fetched at once.")
@click.option("--retries", type=click.IntRange(min=0), default=6, show_default=True, help="At a server that fails.")
@job_options
def run(
    preset: str, annotations: str | None, more_annotations: tuple[str, ...], videos: str | None, **options: Any
) -> None:
    """Run the main job, or its stages up to --until; what is done already is not done again."""
    _run(preset, annotations, videos, more_annotations=list(more_annotations), **options)


def _run(
    preset: str,
    annotations: str | None,
    videos: str | None,
    *,
    settings: tuple[str, ...],
    plan_only: bool,
    refresh: tuple[str, ...],
    methods: str,
    **options: Any,
) -> None:
    from flows.making import plan

    request = Request(
        preset=preset,
        annotations=annotations,
        videos=videos,
        settings=parse_settings(list(settings)),
        methods=method_names(methods),
        **options,
    )
    job = make_job(request)
    steps = plan(job, before=_earlier_seconds(job.workspace))
    if plan_only:
        return _print_plan(steps)
    for step in steps:
        if step.stage in refresh and step.path and Path(step.path).exists():
            shutil.rmtree(step.path)
    if refresh:
        steps = plan(job)
    if not all(step.is_cached for step in steps) or "PREFECT_API_URL" in os.environ:
        _make_workspace(job.workspace)
        _run_flow(request)
    _finish(plan(job))


def _run_flow(request: Request) -> None:
    """Run the reproduce flow with progress on the terminal, on a Prefect server."""
    from flows.server import prefect_server
    from flows.terminal import StageBars

    home = Path(request.workspace) / ".prefect"
    with prefect_server(home, on_wait=lambda text: console.print(f"[dim]{text} ...[/]")):
        from flows.reproduce import reproduce
        from flows.running import ItemsFailed
        from tasks.building import watching

        with StageBars(console) as bars:
            watching.set(bars)
            with suppress(ItemsFailed):  # told by _finish, from the manifests
                reproduce(request)


def _finish(steps: list[Any]) -> None:
    """Say what there is now, and end with the status that fits."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("stage", "", "state", "rows"):
        table.add_column(heading, style="dim" if heading == "" else None)
    for step in steps:
        table.add_row(step.stage, step.label, step.state, _rows_of(step))
    console.print(table)
    failed = [step for step in steps if step.state == "retry"]
    report = next((Path(step.path) / "report.html" for step in steps if step.stage == "report" and step.path), None)
    if report is not None and report.is_file():
        console.print(f"\nReport: {report.resolve()}", soft_wrap=True)
    if failed:
        listed = "; ".join(f"{step.stage}: {step.reason}" for step in failed)
        console.print(
            f"\n{listed}. `editaction records STAGE --rejected` lists them; the same command tries them again."
        )
        sys.exit(ITEMS_FAILED)
    if not all(step.is_cached for step in steps):
        raise click.ClickException("not everything asked for is there; `editaction status` shows what is.")


def _rows_of(step: Any) -> str:
    if step.path is None or not (Path(step.path) / "manifest.json").is_file():
        return ""
    counts = json.loads((Path(step.path) / "manifest.json").read_text())["counts"]
    parts = [f"{counts['kept']} kept"]
    parts += [f"{sum(counts[each].values())} {each}" for each in ("filtered", "failed") if counts[each]]
    return f"{counts['input']} = " + " + ".join(parts)


def _print_plan(steps: list[Any]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("stage", "label", "would", "why", "took before"):
        table.add_column(heading)
    for step in steps:
        seconds = "" if step.expected_s is None else f"{step.expected_s:.0f} s"
        table.add_row(step.stage, step.label, step.state, step.reason, seconds)
    console.print(table)


def _earlier_seconds(workspace: Path) -> Callable[[str], float | None]:
    from tasks.artifacts import artifacts_of

    def seconds(stage: str) -> float | None:
        artifacts = artifacts_of(workspace, stage)
        return artifacts[-1].manifest["seconds"] if artifacts else None

    return seconds


def _make_workspace(workspace: Path) -> None:
    try:
        workspace.mkdir(parents=True, exist_ok=True)
        probe = workspace / ".writable"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise ValueError(
            f"The workspace {workspace} cannot be written ({error.strerror}). Name another with --workspace DIR."
        ) from error


@cli.command()
@click.option("--workspace", default="workspace", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def status(workspace: str, as_json: bool) -> None:
    """Show the tree of artifacts: rows read, kept, filtered and failed by reason, for every stage."""
    from flows.status import describe_workspace, print_status

    described = describe_workspace(Path(workspace))
    if as_json:
        click.echo(json.dumps(described, indent=1))
    else:
        print_status(described, console)


@cli.command()
@click.argument("stage")
@click.option("--workspace", default="workspace", show_default=True)
@click.option("--rejected", is_flag=True, help="The filtered and failed rows instead of the kept ones.")
def records(stage: str, workspace: str, rejected: bool) -> None:
    """Print the item records of a stage's newest artifact as JSON lines."""
    from tasks.artifacts import artifacts_of

    if stage not in STAGES:
        raise ValueError(f"There is no stage {stage!r}; choose one of {', '.join(STAGES)}.")
    artifacts = artifacts_of(Path(workspace), stage)
    if not artifacts:
        raise ValueError(f"{workspace} has no finished {stage} yet; `editaction status` shows what it has.")
    for record in artifacts[-1].rejected() if rejected else artifacts[-1].records():
        click.echo(json.dumps(record, ensure_ascii=False))


@cli.command()
@click.option("--workspace", default="workspace", show_default=True)
@click.option("--out", required=True, help="Parquet file to write.")
def manifest(workspace: str, out: str) -> None:
    """Write the newest shards as a list of ids, times and hashes without pixels, to cut the same pairs again from."""
    from flows.pairs_command import newest_artifact
    from tasks.pair_list import write_pair_list

    num_pairs = write_pair_list(Path(out), newest_artifact(workspace, "shards"))
    console.print(f"{out}: {num_pairs} pairs, {Path(out).stat().st_size} bytes", soft_wrap=True)


@cli.command()
@click.option("--to", "target", type=click.Choice(["hf-parquet"]), required=True, help="Which format.")
@click.option("--workspace", default="workspace", show_default=True)
@click.option("--shards", help="A folder of tars, in place of the workspace's newest.")
@click.option("--out", required=True, help="Folder to write; must not be there yet.")
def export(target: str, workspace: str, shards: str | None, out: str) -> None:
    """Write shards as others keep data sets: Parquet with image columns and a card, for Hugging Face `datasets`."""
    from flows.pairs_command import newest_artifact
    from tasks.hf_export import export_hf_parquet

    folder = Path(shards) if shards else newest_artifact(workspace, "shards").path
    sizes = export_hf_parquet(folder, Path(out), on_progress=_counting)
    console.print(f"{out}: {json.dumps(sizes)}", soft_wrap=True)


@cli.command()
@click.option("--workspace", default="workspace", show_default=True)
@click.option("--manifest", "pair_list", help="A list of pairs: compare the newest shards with it instead.")
@click.option("--shards", help="With --manifest: a folder of tars from anywhere, in place of the workspace's.")
def verify(workspace: str, pair_list: str | None, shards: str | None) -> None:
    """Compare every file of every artifact with its listed digest, or shards with a list of pairs."""
    if shards and not pair_list:
        raise ValueError("--shards goes with --manifest FILE, the list of pairs to compare with.")
    if pair_list:
        from flows.pairs_command import verify_pairs

        return verify_pairs(Path(pair_list), workspace, shards, console)
    from flows.status import describe_workspace

    rows = describe_workspace(Path(workspace), full=True)["artifacts"]
    damaged = [row for row in rows if row["state"] == "damaged"]
    for row in damaged:
        console.print(f"[red]damaged[/] {row['path']}: {', '.join(row['damaged'])}", soft_wrap=True)
    if damaged:
        raise click.ClickException(f"{len(damaged)} of {len(rows)} artifacts are damaged; a run rebuilds them.")
    console.print(f"{len(rows)} artifacts, all as their manifests say.")


@cli.command()
@click.option("--workspace", default="workspace", show_default=True)
@click.option("--all", "everything", is_flag=True, help="Remove every artifact, finished ones too.")
def clean(workspace: str, everything: bool) -> None:
    """Remove work that was cut off (its next run then starts afresh), or everything."""

    removed = 0
    for stage in STAGES:
        for path in sorted((Path(workspace) / stage).glob("*-*" if everything else "*.partial")):
            if path.is_dir():
                shutil.rmtree(path)
                removed += 1
    console.print(f"{removed} folders removed from {workspace}.")


@cli.command()
@click.option("--workspace", default="workspace", show_default=True)
def report(workspace: str) -> None:
    """Print where the newest report lies."""
    from tasks.artifacts import artifacts_of

    artifacts = artifacts_of(Path(workspace), "report")
    if not artifacts:
        raise ValueError(f"{workspace} has no report yet; `editaction demo` or `editaction run` makes one.")
    click.echo(str((artifacts[-1].path / "report.html").resolve()))


@cli.command()
@click.option("--out", required=True, help="Folder to write to.")
@click.option("--style", type=click.Choice(["epic", "mpii"]), default="mpii", show_default=True)
@click.option("--videos", "num_videos", type=click.IntRange(min=1), default=8, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--workers", default=0, help="Processes; 0: one per core.")
def kitchen(out: str, style: str, num_videos: int, seed: int, workers: int) -> None:
    """Draw a kitchen and act in it: real video files with annotations in the real datasets' formats."""
    from tasks.kitchen import write_kitchen

    made = write_kitchen(
        Path(out),
        style=cast(Literal["epic", "mpii"], style),
        num_videos=num_videos,
        seed=seed,
        workers=workers,
        on_progress=_counting,
    )
    console.print(f"{out}: {json.dumps(made)}", soft_wrap=True)


@cli.command()
@click.option("--editor", required=True, help="Pipeline folder, folder of an editor artifact, or hub id.")
@click.option(
    "--image",
    required=True,
    help="A picture, a folder of pictures, a CSV (image, instruction[, seed, out]), or shards: a tar or their folder.",
)
@click.option("--instruction", help="What to do; a CSV's own come first, and shards bring theirs.")
@click.option("--out", required=True, help="The PNG file to write, or a folder.")
@click.option("--seed", "seeds", multiple=True, type=int, default=[0], show_default=True, help="May be given again.")
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
@click.option("--size", "size_px", type=click.IntRange(min=8), help="Side in pixels that is edited at.")
@click.option("--keep-aspect", is_flag=True, help="Stretch edits back to their pictures' shape.")
@click.option("--overwrite", is_flag=True, help="Write over files that are there.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Pictures at a time; by default 8 at 512 px.")
@click.option("--compile", is_flag=True, help="Compile the U-Net: a minute first, then faster.")
@click.option("--device", default="auto", show_default=True)
def edit(editor: str, image: str, instruction: str | None, out: str, seeds: tuple[int, ...], **options: Any) -> None:
    """Carry out an instruction in a picture, or many in a folder, the rows of a CSV, or shards."""
    from flows.terminal import counting
    from modeling.edit_files import edit_files

    sampling = _sampling(editor, options)
    with counting(console, "edits") as on_progress:
        outcomes = edit_files(
            editor=editor,
            image=image,
            instruction=instruction,
            out=out,
            seeds=seeds,
            sampling=sampling,
            on_progress=on_progress,
            **options,
        )
    counts = Counter(outcome.status for outcome in outcomes)
    console.print(
        f"{out}: " + ", ".join(f"{number} {status}" for status, number in sorted(counts.items())), soft_wrap=True
    )
    for outcome in outcomes:
        if outcome.status == "failed":
            console.print(f"{outcome.request.image}: {outcome.message}", soft_wrap=True, markup=False)
    if counts["failed"]:
        sys.exit(ITEMS_FAILED)


def _sampling(editor: str, options: dict[str, Any]) -> SamplingConfig:
    """Take what decides an edit out of `options` and return it; a single scale comes before --guidance."""
    from flows.presets import sampling_for

    sampling = sampling_for(editor)
    if preset := options.pop("guidance"):
        scales = GUIDANCES[preset]()
        sampling = replace(sampling, image_guidance=scales.image_guidance, text_guidance=scales.text_guidance)
    names = {each: each for each in ("image_guidance", "text_guidance", "scheduler", "precision")}
    changes = {field: options.pop(name) for name, field in (names | {"steps": "num_steps"}).items()}
    return with_settings(sampling, {name: value for name, value in changes.items() if value is not None})


@cli.command(name="starting-editor")
@click.option("--out", required=True, help="Folder to write to; a build that was cut off goes on there.")
@click.option("--seed", default=0, show_default=True)
@click.option(
    "--steps", type=click.IntRange(min=1), help="Training steps; by default those of the one that is shipped."
)
@click.option("--threads", default=0, help="CPU threads; 0: all.")
def starting_editor(out: str, seed: int, steps: int | None, threads: int) -> None:
    """Train the kitchen's starting editor: it knows things and static edits, but no action."""
    from tasks.starting_editor import build_starting_editor

    made = build_starting_editor(Path(out), seed=seed, steps=steps, threads=threads, on_progress=_counting)
    console.print(f"{out}: {json.dumps(made)}", soft_wrap=True)


def _counting(done: int, total: int) -> None:
    """Print progress at every tenth."""
    if total and (done == total or done % max(1, total // 10) == 0):
        console.print(f"[dim]{done} of {total}[/]")


def main() -> None:
    """Run the command line: errors that a person can mend are one line, signals end it soon."""
    from flows.server import set_environment
    from flows.terminal import Interrupted, ending_on_signals
    from tasks.building import StageFailed

    set_environment()
    try:
        with ending_on_signals():
            cli(standalone_mode=False)
    except click.UsageError as error:
        error.show()
        sys.exit(2)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except (click.ClickException, StageFailed, ValueError, OSError) as error:
        message = error.format_message() if isinstance(error, click.ClickException) else str(error)
        sys.stderr.write(f"editaction: {message}\n")
        sys.exit(1)
    except Interrupted as interrupted:
        sys.exit(128 + interrupted.signal_number)


if __name__ == "__main__":
    main()
