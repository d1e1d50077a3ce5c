"""The objective study's wiring: arms x starts x seeds over the stages, each artifact found again by its key.

Written against `make`, as main_job.py is, so that the same lines run as Prefect tasks, run plainly, and look up what is
done. One run is a `Run`; its stages are editor -> edits -> verdicts, and told_apart beside them.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flows.study_arms import ARMS, STEPS, Arm, arms_named
from flows.wiring.job import Job, make_job, outside_start
from flows.wiring.main_job import Dataset, Make, dataset
from flows.wiring.presets import STARTING_EDITOR
from flows.wiring.request import Request
from flows.wiring.settings import with_settings
from tasks.artifacts.artifact import Artifact, Input, Outside, find_artifact, stage_key
from tasks.artifacts.processes import num_workers
from tasks.config import SplitsConfig, StudiedArm, StudyConfig, ToldApartConfig, VerdictsConfig

PRESET_OF_STYLE = {"lc": "demo", "hc": "demo-hc"}
LITTLE_DATA = SplitsConfig(
    num_test=150,
    test_without_overlap=True,
    verbs=("move", "put in", "take out"),
    unseen_combinations=("move apple", "put in cup", "take out bottle"),
    num_unseen=300,
    num_train=500,
)
"""500 pairs, and combinations that nobody is trained on. Only the verbs that bring a thing somewhere: the others are
learned in no time, and tell no objectives apart."""
SPLITS = {
    "lc": LITTLE_DATA,
    "hc": replace(
        LITTLE_DATA,
        verbs=("move", "put", "take out"),
        unseen_combinations=("put apple", "move cup", "take out bottle"),
    ),
}


@dataclass(frozen=True, kw_only=True)
class StudyRequest:
    """What a person asks for; plain values, so that a flow takes it as JSON."""

    workspace: str = "workspace"
    """Folder of the artifacts."""
    style: str = "lc"
    """lc: fixed camera. hc: head camera."""
    starts: tuple[str, ...] = (f"shipped={STARTING_EDITOR}",)
    """Starting editors as NAME=FOLDER."""
    arms: str = "all"
    """Names or roles of arms, between commas."""
    seeds: int = 5
    """At most so many seeds of an arm."""
    steps: int = STEPS
    """Steps of the budget "steps"; the budget "compute" follows it."""
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
        for each in self.starts:
            name, equals, _ = each.partition("=")
            if not equals or not name.isidentifier() or "__" in name:
                raise ValueError(f"A start is NAME=FOLDER, such as shipped={STARTING_EDITOR.name}; this is {each!r}.")


TOLD_SEEDS = 2
"""Seeds under which an arm is also asked what instructions it tells apart: that hardly differs between seeds."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One editor of the study."""

    start: str
    """Name of its start."""
    folder: str
    """Pipeline folder or hub id of its start."""
    arm: Arm
    seed: int

    @property
    def name(self) -> str:
        """start__arm__seed: the name of its inputs of the stage `study`."""
        return f"{self.start}__{self.arm.name}__{self.seed}"

    @property
    def is_asked(self) -> bool:
        """Whether it is asked what instructions it tells apart."""
        return self.seed < TOLD_SEEDS


@dataclass(frozen=True, kw_only=True)
class Made:
    """The artifacts of one run; None where they are not there yet. An untouched start has no editor."""

    run: Run
    editor: Path | None
    verdicts: Path | None
    told_apart: Path | None

    @property
    def is_done(self) -> bool:
        """Whether the run can be counted."""
        return self.verdicts is not None and (self.told_apart is not None or not self.run.is_asked)

    @property
    def artifacts(self) -> dict[str, Path]:
        """Its artifacts by kind, as far as there are such."""
        of_run = {"verdicts": self.verdicts, "told": self.told_apart, "editor": self.editor}
        return {kind: path for kind, path in of_run.items() if path is not None}


def study_job(request: StudyRequest) -> Job:
    """Return the main job whose dataset and settings the study uses."""
    job = make_job(Request(preset=PRESET_OF_STYLE[request.style], workspace=request.workspace, until="shards"))
    training = replace(job.config.editor, batch_size=16, checkpoint_every=250)
    config = replace(job.config, preset=f"study-{request.style}", splits=SPLITS[request.style], editor=training)
    return replace(job, config=with_settings(config, request.settings))


def share_cores(side_by_side: int) -> None:
    """Give each of so many runs at a time its share of the cores, unless OMP_NUM_THREADS says otherwise.

    Threads that wait for each other spin: two runs of two threads each on two cores take several times as long a step,
    and at times far more (benchmarks/sharing_cores.py).
    """
    import torch  # not at the top: the tables need none of it

    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, num_workers(0) // side_by_side)))
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


def study_runs(request: StudyRequest) -> list[Run]:
    """Return the runs in their order: breadth before depth, all starts and arms under seed 0 first."""
    arms = arms_named(request.arms, request.style)
    starts = [each.partition("=")[::2] for each in request.starts]
    return [
        Run(start=start, folder=folder, arm=arm, seed=seed)
        for seed in range(request.seeds)
        for start, folder in starts
        for arm in arms
        if seed < arm.num_seeds
    ]


def make_run(request: StudyRequest, job: Job, data: Dataset, run: Run, make: Make) -> Made:
    """Make, or look up, the stages of one run."""
    label, config, start = f"{request.style}-{run.name.replace('__', '-')}", job.config, outside_start(run.folder)
    editor: Path | Outside | None = start
    if run.arm.objective is not None:
        num_steps = run.arm.num_steps(request.steps)
        training = replace(config.editor, objective=run.arm.objective, num_steps=num_steps, seed=run.seed)
        editor = make("editor", label, training, shards=data.shards, start=start)
    edits = make("edits", label, config.edits, editor=editor, shards=data.shards)
    judged = make("verdicts", label, VerdictsConfig(), edits=edits, shards=data.shards, kitchen=data.kitchen)
    told = make("told_apart", label, ToldApartConfig(), editor=editor, shards=data.shards) if run.is_asked else None
    return Made(run=run, editor=editor if isinstance(editor, Path) else None, verdicts=judged, told_apart=told)


def finding(workspace: Path) -> Make:
    """Make nothing: look up what is done by its key; None where it is not, or where an input of it is not."""

    def make(stage: str, label: str, config: object, **inputs: Path | Outside | None) -> Path | None:
        if any(each is None for each in inputs.values()):
            return None
        opened: dict[str, Input] = {
            name: each if isinstance(each, Outside) else Artifact.read(each) for name, each in inputs.items() if each
        }
        found = find_artifact(workspace, stage, stage_key(stage, config, opened))
        return found.path if found is not None else None

    return make


def study_data(job: Job, make: Make) -> Dataset:
    """Make, or look up, the drawn kitchen's pairs with their splits, in shards."""
    return dataset(job, make)


def done_runs(request: StudyRequest, job: Job, runs: Iterable[Run]) -> Iterator[Made]:
    """Yield the runs that are done, with their artifacts."""
    make = finding(job.workspace)
    data = study_data(job, make)
    for run in runs:
        made = make_run(request, job, data, run, make)
        if made.is_done:
            yield made


def studied_arms(request: StudyRequest, names: Iterable[str]) -> tuple[StudiedArm, ...]:
    """Return what the tables tell of these arms."""
    named = set(names)
    return tuple(
        StudiedArm(
            name=each.name,
            role=each.role,
            budget=each.budget,
            num_steps=each.num_steps(request.steps),
            compute=round(each.num_steps(request.steps) * each.cost / request.steps, 3),
            references=each.references,
        )
        for each in ARMS
        if each.name in named
    )


def make_tables(request: StudyRequest, job: Job, done: Sequence[Made], make: Make) -> Path | None:
    """Make the stage `study` of the runs that are done."""
    inputs: dict[str, Path | Outside | None] = {}
    for made in done:
        inputs |= {f"{kind}__{made.run.name}": path for kind, path in made.artifacts.items()}
    config = StudyConfig(style=request.style, arms=studied_arms(request, (made.run.arm.name for made in done)))
    return make("study", request.style, config, **inputs)
