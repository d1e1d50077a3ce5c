"""The frozen test set of nights: its shards, written when they do not exist, and its missing pairs."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.wiring.evaluations import Evaluation, series_of
from flows.wiring.job import make_job
from flows.wiring.main_job import Make
from flows.wiring.making import run_job
from flows.wiring.nightly_job import NightlyRequest, config_of, named, of_digest, preset_of
from flows.wiring.request import Request
from tasks.annotations.pair_list import recorded_splits
from tasks.artifacts.artifact import Artifact, artifacts_of, made_from
from tasks.splitting.assignment import NOT_TESTED

NUM_IDS = 10
"""Number of missing pairs that are named for each reason."""


@dataclass(frozen=True, kw_only=True)
class FrozenTestSet:
    """Shards to evaluate on."""

    shards: Artifact
    problem: str = ""
    """The missing pairs and the reasons, in one line; empty when there are none."""


def frozen_set(request: NightlyRequest, evaluated: Sequence[Evaluation], make: Make) -> FrozenTestSet | None:
    """Return the requested test set, else that of the preset's newest evaluation, else its oldest splits.

    None in an empty workspace.
    """
    workspace = Path(request.workspace)
    if request.test_set and Path(request.test_set).is_file():
        shards = _shards_of_list(request, make)
        return FrozenTestSet(shards=shards, problem=_problem(request, shards, recorded_splits(Path(request.test_set))))
    if request.test_set:
        splits = named(workspace, "splits", request.test_set)
    else:
        ours = [evaluation for evaluation in evaluated if preset_of(evaluation.series) == request.preset]
        if ours:
            return FrozenTestSet(shards=_shards_of(workspace, ours[-1]))
        finished = artifacts_of(workspace, "splits")
        if not finished:
            return None
        splits = next((made for made in finished if series_of(made.path.name) == request.preset), finished[0])
    shards = _shards_of_splits(request, splits, make)
    wanted = {row["segment_id"]: row["split"] for row in splits.records()}
    return FrozenTestSet(shards=shards, problem=_problem(request, shards, wanted))


def _shards_of(workspace: Path, evaluation: Evaluation) -> Artifact:
    """Return the shards of an evaluation; ValueError where they are gone: no other test set takes their place."""
    shards = of_digest(workspace, "shards", evaluation.setting.test_set)
    if shards is None:
        lost = evaluation.scores.manifest["inputs"]["shards"]["artifact"]
        raise ValueError(
            f"The test set of the newest evaluation, {lost}, is gone from {workspace}. Name the one to go on with: "
            "test_set, a splits artifact or a list of pairs."
        )
    return shards


def _shards_of_splits(request: NightlyRequest, splits: Artifact, make: Make) -> Artifact:
    workspace = Path(request.workspace)
    if made := made_from(artifacts_of(workspace, "shards"), "splits", splits):
        return made[-1]
    frames = of_digest(workspace, "frames", splits.manifest["inputs"]["frames"]["digest"])
    if frames is None:
        raise ValueError(f"The frames of {splits.path.name} are gone from {workspace}: its test pairs cannot be shown.")
    label = series_of(splits.path.name)
    path = make("shards", label, config_of(request).shards, frames=frames.path, splits=splits.path)
    assert path is not None
    return Artifact.read(path)


def _shards_of_list(request: NightlyRequest, make: Make) -> Artifact:
    asked = Request(
        preset="pairs",
        annotations=request.test_set,
        videos=request.videos,
        workspace=request.workspace,
        until="shards",
    )
    path = run_job(make_job(asked), make)
    assert path is not None
    return Artifact.read(path)


def _problem(request: NightlyRequest, shards: Artifact, split_of: dict[str, str]) -> str:
    """Compare the shards with the wanted pairs; return the missing ones and the reasons in one line."""
    wanted = {segment_id for segment_id, split in split_of.items() if split not in NOT_TESTED}
    missing = wanted - {row["segment_id"] for row in shards.records()}
    if not missing:
        return ""
    reasons = _reasons(Path(request.workspace), shards)
    by_reason: dict[str, list[str]] = defaultdict(list)
    for segment_id in sorted(missing):
        by_reason[reasons.get(segment_id, "not there")].append(segment_id)
    told = [f"{len(ids)} {reason} ({', '.join(ids[:NUM_IDS])})" for reason, ids in sorted(by_reason.items())]
    return f"TEST SET INCOMPLETE: {len(missing)} of its {len(wanted)} pairs are missing: {'; '.join(told)}."


def _reasons(workspace: Path, shards: Artifact) -> dict[str, str]:
    """Return the reasons why pairs are not in the shards, from the records of the stages."""
    reasons: dict[str, str] = {}
    splits = of_digest(workspace, "splits", shards.manifest["inputs"]["splits"]["digest"])
    frames = of_digest(workspace, "frames", shards.manifest["inputs"]["frames"]["digest"])
    inputs = frames.manifest["inputs"] if frames is not None else {}
    given = inputs["segments"]["digest"] if "segments" in inputs else ""  # pairs from elsewhere have no segments
    for artifact in (shards, splits, frames, of_digest(workspace, "segments", given)):
        for row in artifact.rejected() if artifact is not None else ():
            reasons.setdefault(str(row.get("segment_id", "")), row["reason"])
    return reasons
