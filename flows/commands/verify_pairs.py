"""`editaction verify --manifest`: prints the comparison of shards with a list of pairs."""

from pathlib import Path

import click
from rich.console import Console

from tasks.artifacts.artifact import newest_artifact


def verify_pairs(pair_list: Path, workspace: str, shards: str | None, console: Console) -> None:
    """Print how many listed pairs are the same, different or missing, and which videos are the cause.

    ClickException unless all are the same.
    """
    from tasks.exports.pair_check import check_pairs

    if shards:
        check = check_pairs(pair_list, Path(shards))
    else:
        artifact = newest_artifact(Path(workspace), "shards")
        check = check_pairs(pair_list, artifact.path, artifact)
    different, missing = sum(check.different.values()), sum(check.missing.values())
    console.print(f"{check.num_pairs} pairs: {check.same} same, {different} different, {missing} missing.")
    lines = [f"  {number} different: {what}" for what, number in check.different.items()]
    lines += [f"  {number} missing: {why}" for why, number in check.missing.items()]
    lines += [f"  {check.not_listed} more in the shards that are not listed"] if check.not_listed else []
    lines += [f"  video {video_id}: {what}" for video_id, what in sorted(check.videos.items())]
    lines += [f"  such as {example}" for example in check.examples]
    for line in lines:
        console.print(line, soft_wrap=True, markup=False)
    if not check.is_same:
        raise click.ClickException(f"{different + missing} of {check.num_pairs} pairs are not as {pair_list} says.")
