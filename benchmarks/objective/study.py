"""A request for the study -> its runs, each one main job: arms x starting editors x training seeds.

A run is `editaction run` of one method under one training seed, with `--measure verdicts` and, under the first seeds,
`--measure told_apart`. So every editor is an artifact of the main job and is found again by its key.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.objective.arms import ARMS, STEPS, Arm, arms_named
from benchmarks.objective.rows import Facts, JudgedRun, diagnostics, told_apart_shares
from flows.wiring.job import Job, make_job
from flows.wiring.main_job import Make, editors, edits_of, make_dataset, told_apart_of
from flows.wiring.presets import STARTING_EDITOR
from flows.wiring.request import Request
from modeling.presets import EDITACTION
from modeling.runs.log import METRICS
from tasks.artifacts.artifact import Artifact, Outside, find_artifact, opened, read_records, stage_key
from tasks.artifacts.processes import num_workers
from tasks.config import SplitsConfig

PRESET_OF_STYLE = {"lc": "demo", "hc": "demo-hc"}
LITTLE_DATA = SplitsConfig(
    num_test=150,
    test_without_overlap=True,
    verbs=("move", "put in", "take out"),
    unseen_combinations=("move apple", "put in cup", "take out bottle"),
    num_unseen=300,
    num_train=500,
)
"""500 pairs, and combinations that nobody is trained on.

Only the verbs that bring a thing somewhere are used: the others are learned at once and do not distinguish objectives.
"""
SPLITS = {
    "lc": LITTLE_DATA,
    "hc": replace(
        LITTLE_DATA,
        verbs=("move", "put", "take out"),
        unseen_combinations=("put apple", "move cup", "take out bottle"),
    ),
}
TOLD_SEEDS = 2
"""Number of seeds under which `told_apart` is measured, too. It hardly differs between seeds."""


@dataclass(frozen=True, kw_only=True)
class StudyRequest:
    """The request for the study."""

    workspace: str = "workspace"
    """Folder of the artifacts."""
    style: str = "lc"
    """lc: fixed camera. hc: head camera."""
    starts: tuple[str, ...] = (f"shipped={STARTING_EDITOR}",)
    """Starting editors as NAME=FOLDER."""
    arms: str = "all"
    """Names or roles of arms, separated by commas."""
    seeds: int = 5
    """Largest number of seeds of an arm."""
    steps: int = STEPS
    """Steps of the budget "steps"; the budgets of compute follow it."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Dotted settings that differ from the study's, such as {"splits.num_train": 1000}."""
    side_by_side: int = 1
    """Runs at the same time."""
    device: str = "auto"
    """Torch device."""

    def __post_init__(self) -> None:
        if self.style not in PRESET_OF_STYLE:
            raise ValueError(f"There is no style {self.style!r}; choose one of {', '.join(PRESET_OF_STYLE)}.")
        if min(self.seeds, self.steps, self.side_by_side) < 1:
            raise ValueError(
                f"seeds {self.seeds}, steps {self.steps} and side_by_side {self.side_by_side}: at least 1."
            )
        for start in self.starts:
            name, equals, _ = start.partition("=")
            if not equals or not name.isidentifier():
                raise ValueError(f"A start is NAME=FOLDER, such as shipped={STARTING_EDITOR.name}; this is {start!r}.")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One editor of the study."""

    start: str
    """Name of its starting editor."""
    folder: str
    """Pipeline folder or hub id of its starting editor."""
    arm: Arm
    seed: int
    """Training seed."""

    @property
    def name(self) -> str:
        """Label of its artifacts, such as shipped-sharp-0."""
        return f"{self.start}-{self.arm.name}-{self.seed}"


def study_runs(request: StudyRequest) -> list[Run]:
    """Return the runs in their order: all starts and arms under seed 0 first, then those under seed 1, and so on."""
    arms = arms_named(request.arms, request.style)
    starts = [start.partition("=")[::2] for start in request.starts]
    return [
        Run(start=start, folder=folder, arm=arm, seed=seed)
        for seed in range(request.seeds)
        for start, folder in starts
        for arm in arms
        if seed < arm.num_seeds
    ]


def study_job(request: StudyRequest, run: Run | None = None) -> Job:
    """Return the main job of a run; without a run, the one whose data all runs share."""
    settings: dict[str, Any] = {"preset": f"study-{request.style}"}
    settings |= {f"splits.{name}": value for name, value in asdict(SPLITS[request.style]).items() if name != "quality"}
    settings |= {"editor.batch_size": 16, "editor.checkpoint_every": 250, **request.settings}
    asked = Request(
        preset=PRESET_OF_STYLE[request.style],
        workspace=request.workspace,
        device=request.device,
        workers=1,
        until="edits",
        measure=("verdicts",),
        settings=settings,
    )
    if run is None:
        return make_job(asked)
    settings["preset"] = f"{request.style}-{run.name}"
    if run.arm.objective is not None:
        settings["editor.num_steps"] = run.arm.num_steps(request.steps)
        settings |= {f"editor.objective.{name}": value for name, value in asdict(run.arm.objective).items()}
    measure = ("told_apart", "verdicts") if run.seed < TOLD_SEEDS else ("verdicts",)
    return make_job(replace(asked, start=run.folder, training_seeds=(run.seed,), measure=measure))


def make_run(request: StudyRequest, run: Run, make: Make) -> dict[str, Path | None]:
    """Make, or look up, one run: its `editor`, `verdicts` and `told_apart`; None for a missing artifact."""
    job, made = study_job(request, run), {}

    def remembering(stage: str, label: str, config: object, **inputs: Path | Outside | None) -> Path | None:
        made[stage, label] = make(stage, label, config, **inputs)
        return made[stage, label]

    data = make_dataset(study_job(request), make)
    trained = {} if run.arm.objective is None else editors(job, data, remembering)
    label = job.config.preset
    edited = f"{label}-{EDITACTION if trained else 'start'}"
    of_run: dict[str, Path | None] = {"editor": trained[EDITACTION]} if trained else {}
    if "told_apart" in job.request.measure:
        told_apart_of(job, data, trained, remembering)
        of_run["told_apart"] = made["told_apart", label if trained else edited]
    edits_of(job, data, trained, remembering)
    return of_run | {"verdicts": made["verdicts", edited]}


def finding(workspace: Path) -> Make:
    """Return a `make` that only looks artifacts up by their keys; it gives None for those that are not there."""

    def make(stage: str, label: str, config: object, **inputs: Path | Outside | None) -> Path | None:
        if any(place is None for place in inputs.values()):
            return None
        known = opened({name: place for name, place in inputs.items() if place is not None})
        artifact = find_artifact(workspace, stage, stage_key(stage, config, known))
        return artifact.path if artifact is not None else None

    return make


def is_done(request: StudyRequest, run: Run) -> bool:
    """Tell whether all artifacts of a run are there."""
    return None not in make_run(request, run, finding(Path(request.workspace))).values()


def done_runs(request: StudyRequest) -> Iterator[JudgedRun]:
    """Yield the runs of the workspace that are done."""
    make = finding(Path(request.workspace))
    for run in study_runs(request):
        made = make_run(request, run, make)
        artifacts = {kind: Artifact.read(path) for kind, path in made.items() if path is not None}
        if len(artifacts) == len(made):
            yield judged_run(run, artifacts)


def judged_run(run: Run, artifacts: dict[str, Artifact]) -> JudgedRun:
    """Read the result of one run from its artifacts."""
    told, editor = artifacts.get("told_apart"), artifacts.get("editor")
    return JudgedRun(
        start=run.start,
        arm=run.arm.name,
        seed=run.seed,
        verdicts=list(artifacts["verdicts"].records()),
        told_apart=told_apart_shares(list(told.records()), told.manifest["config"]["kinds"]) if told else {},
        diagnostics=diagnostics(list(read_records(editor.path / METRICS))) if editor else {},
    )


def studied_arms(steps: int, names: Iterable[str]) -> dict[str, Facts]:
    """Return name -> role, budget, steps, compute and references; the budget "steps" has `steps`."""
    named = set(names)
    return {
        arm.name: {
            "role": arm.role,
            "budget": arm.budget,
            "num_steps": arm.num_steps(steps),
            "compute": round(arm.num_steps(steps) * arm.cost / steps, 3),
            "references": list(arm.references),
        }
        for arm in ARMS
        if arm.name in named
    }


def share_cores(side_by_side: int) -> None:
    """Give each of several simultaneous runs its share of the cores, unless OMP_NUM_THREADS is set.

    Threads that wait for each other spin. With two runs of two threads each on two cores a step takes several times as
    long, and sometimes far more (benchmarks/sharing_cores.py).
    """
    import torch  # not at the top of the file: the tables do not need it

    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, num_workers(0) // side_by_side)))
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
