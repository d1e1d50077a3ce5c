"""A run ends before training when too many of its segments failed in stage frames."""

from pathlib import Path

from flows.wiring.main_job import Make, Place
from tasks.artifacts.artifact import Artifact, find_artifact, opened, stage_key
from tasks.artifacts.building import StageFailed


def stopping_before_training(make: Make, workspace: Path, max_failed_share: float) -> Make:
    """Return a `make` that raises StageFailed where an editor is to be trained and too many rows of frames failed.

    A finished editor is used as it is: it needs no GPU time.
    """
    frames: list[Path] = []

    def made(stage: str, label: str, config: object, **inputs: Place) -> Path | None:
        if stage == "editor" and frames and not _is_there(workspace, config, inputs):
            check_failed_share(Artifact.read(frames[-1]), max_failed_share)
        path = make(stage, label, config, **inputs)
        if stage == "frames" and path is not None:
            frames.append(path)
        return path

    return made


def check_failed_share(frames: Artifact, max_failed_share: float) -> None:
    """Raise StageFailed when more than this share (0 to 1) of the rows of frames failed; filtered rows do not count as
    failed.
    """
    num_rows = frames.manifest["counts"]["input"]
    if frames.num_failed <= max_failed_share * num_rows:
        return
    reasons = frames.manifest["counts"]["failed"]
    listed = ", ".join(
        f"{number} {reason}" for reason, number in sorted(reasons.items(), key=lambda counted: -counted[1])
    )
    raise StageFailed(
        f"{frames.path}: {frames.num_failed} of {num_rows} segments failed ({listed}), more than the share of "
        f"{max_failed_share:g} with which training begins. Mend them (`editaction records frames --rejected` lists "
        "them), or train on the others with --max-failed-share 1."
    )


def _is_there(workspace: Path, config: object, inputs: dict[str, Place]) -> bool:
    known = {name: place for name, place in inputs.items() if place is not None}
    return find_artifact(workspace, "editor", stage_key("editor", config, opened(known))) is not None
