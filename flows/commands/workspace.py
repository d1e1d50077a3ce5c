"""The commands about a workspace: its contents, its checks, and the removal of what is not needed."""

import json
from pathlib import Path

import click

from flows.commands.screen import console, json_line, styled, tell
from flows.commands.verify_pairs import verify_pairs
from tasks.artifacts.artifact import newest_artifact
from tasks.stages import STAGES


@click.command()
@click.option("--workspace", default="workspace", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def status(workspace: str, as_json: bool) -> None:
    """Show the tree of artifacts: rows read, kept, filtered and failed by reason, for every stage."""
    from flows.commands.status import describe_workspace, print_status

    described = describe_workspace(Path(workspace))
    if as_json:
        click.echo(json.dumps(described, indent=1))
    else:
        print_status(described, console)


@click.command()
@click.argument("stage")
@click.option("--workspace", default="workspace", show_default=True)
@click.option("--rejected", is_flag=True, help="The filtered and failed rows instead of the kept ones.")
def records(stage: str, workspace: str, rejected: bool) -> None:
    """Print the item records of a stage's newest artifact as JSON lines."""
    if stage not in STAGES:
        raise ValueError(f"There is no stage {stage!r}; choose one of {', '.join(STAGES)}.")
    newest = newest_artifact(Path(workspace), stage)
    for record in newest.rejected() if rejected else newest.records():
        click.echo(json_line(record))


@click.command()
@click.option("--workspace", default="workspace", show_default=True)
@click.option("--manifest", "pair_list", help="A list of pairs: compare the newest shards with it instead.")
@click.option("--shards", help="With --manifest: a folder of tars from anywhere, in place of the workspace's.")
def verify(workspace: str, pair_list: str | None, shards: str | None) -> None:
    """Compare every file of every artifact with its listed digest, or shards with a list of pairs."""
    if shards and not pair_list:
        raise ValueError("--shards goes with --manifest FILE, the list of pairs to compare with.")
    if pair_list:
        return verify_pairs(Path(pair_list), workspace, shards, console)
    from flows.commands.status import describe_workspace

    rows = describe_workspace(Path(workspace), full=True)["artifacts"]
    damaged = [row for row in rows if row["state"] == "damaged"]
    for row in damaged:
        told = f" {row['path']}: {', '.join(row['damaged'])}"
        console.print(styled(("damaged", "red"), told), soft_wrap=True)
    if damaged:
        raise click.ClickException(f"{len(damaged)} of {len(rows)} artifacts are damaged; a run rebuilds them.")
    console.print(f"{len(rows)} artifacts, all as their manifests say.")


@click.command()
@click.option("--workspace", default="workspace", show_default=True)
@click.option("--all", "everything", is_flag=True, help="List every artifact, finished ones too, ask, and remove them.")
@click.option("--unused", is_flag=True, help="Remove what the newest reports do not need, and checkpoints.")
@click.option(
    "--keep", type=click.IntRange(min=1), default=1, show_default=True, help="Number of newest reports to keep."
)
@click.option("--pin", multiple=True, metavar="STAGE/NAME", help="Keep this artifact too, with its inputs.")
@click.option("--yes", is_flag=True, help="With --all or --unused: do not ask.")
def clean(workspace: str, everything: bool, unused: bool, keep: int, pin: tuple[str, ...], yes: bool) -> None:
    """Remove interrupted work (its next run then begins again), unused artifacts, or everything."""
    if unused and everything:
        raise ValueError("--unused and --all are two different things; name one of them.")
    if pin and not unused:
        raise ValueError("--pin goes with --unused.")
    if unused:
        return _clean_unused(Path(workspace), keep, pin, yes)
    from tasks.artifacts.again import remove_unless_locked
    from tasks.artifacts.manifest import is_made_here

    if everything:
        _refuse_at_work(Path(workspace))
    wanted = "*-*" if everything else "*.partial"
    folders = [
        path for stage in STAGES for path in sorted((Path(workspace) / stage).glob(wanted)) if is_made_here(path)
    ]
    if everything and not _is_wanted(folders, yes):
        return
    if everything:
        _refuse_at_work(Path(workspace))  # a run may have begun since the question
    removed = 0
    for path in filter(is_made_here, folders):  # once more: time has passed with the question
        holder = remove_unless_locked(path)
        removed += holder is None
        if holder is not None:
            console.print(f"{path} is left: {holder} is building it.", markup=False, soft_wrap=True)
    console.print(f"{removed} folders removed from {workspace}.", markup=False, soft_wrap=True)


def _is_wanted(folders: list[Path], yes: bool) -> bool:
    """List folders with their bytes and ask whether to remove them; False where there are none.

    ClickException where nobody can answer.
    """
    from tasks.artifacts.unused import bytes_freed, bytes_of

    for folder in folders:
        console.print(f"{bytes_of(folder):>15,} bytes  {folder}", markup=False, soft_wrap=True)
    console.print(f"{bytes_freed(folders):>15,} bytes would be free, in {len(folders)} folders.", soft_wrap=True)
    try:
        return bool(folders) and (yes or click.confirm("Remove them?"))
    except click.Abort as error:
        raise click.ClickException("Nobody answered, so nothing was removed; --yes removes without asking.") from error


def _clean_unused(workspace: Path, keep: int, pin: tuple[str, ...], yes: bool) -> None:
    """List the unused folders with their bytes, ask, and remove them; folders in use stay."""
    from tasks.artifacts.again import lock_of
    from tasks.artifacts.locks import locked_after_a_look
    from tasks.artifacts.manifest import is_made_here
    from tasks.artifacts.swapping import remove_folder
    from tasks.artifacts.unused import CHECKPOINTS, unused_folders

    _refuse_at_work(workspace)
    folders = unused_folders(workspace, keep=keep, pinned=pin)
    if not _is_wanted(folders, yes):
        return
    _refuse_at_work(workspace)  # a run may have begun since the question
    removed = 0
    for folder in folders:
        artifact = folder.parent if folder.name == CHECKPOINTS else folder
        with locked_after_a_look(lock_of(workspace, artifact.parent.name, artifact.name[-8:])) as holder:
            if holder is not None:
                console.print(f"{folder} is left: {holder} is building it.", markup=False, soft_wrap=True)
            elif is_made_here(artifact):
                remove_folder(folder)
                removed += 1
    console.print(f"{removed} folders removed from {workspace}.", markup=False, soft_wrap=True)


def _refuse_at_work(workspace: Path) -> None:
    from tasks.artifacts.locks import runs_at_work

    if runs := runs_at_work(workspace):
        told = ", ".join(map(str, runs))
        raise click.ClickException(f"{workspace}: a run is at work here, which reads what is finished: {told}. End it.")


@click.command()
@click.option("--workspace", default="workspace", show_default=True)
def report(workspace: str) -> None:
    """Print where the newest report lies."""
    tell((newest_artifact(Path(workspace), "report").path / "report.html").resolve())
