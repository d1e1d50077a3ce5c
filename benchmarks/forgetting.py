"""What each method forgets: static edits carried out and kept after fine-tuning, from two starts, five seeds.

    editaction starting-editor --seed 1 --threads 1 --out DIR                      # an independent start, an hour
    python -m benchmarks.forgetting --workspace W --start shipped=modeling/starting_editor --start second=DIR
    python -m benchmarks.forgetting --workspace W --start ... --only-record        # record what is done

Plain fine-tuning, EditAction with the paper's loss weights and its three ablations (Table 5) in the drawn kitchen, at
equal steps, and plain fine-tuning at EditAction's compute too. Every editor and untouched start edits the same static
scenes (recolour, add, remove, replace; read by the oracle) and the same test actions. Runs are artifacts, seed by seed,
so an interrupted run continues; two processes may share a workspace when their starts differ.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.forgetting_rows import UNTOUCHED, Judged, forgetting_rows, markdown, measures_of, remember
from benchmarks.objective.arms import PLAIN, Arm
from benchmarks.objective.study import SPLITS, finding
from benchmarks.recording import record
from flows.wiring.job import Job, make_job
from flows.wiring.main_job import Make, editors, edits_of, make_dataset
from flows.wiring.making import plainly
from flows.wiring.measuring import forgetting_of
from flows.wiring.presets import STARTING_EDITOR
from flows.wiring.request import Request
from modeling.presets import EDITACTION, ablations, editaction
from tasks.artifacts.artifact import Artifact, Outside
from tasks.config import RunOptions

STEPS, NUM_STATIC, NUM_ACTIONS, NUM_PAIRS, NUM_VIDEOS = 120, 60, 48, 300, 28
"""The budget "equal steps" (batches of 8), the scenes that are asked, the pairs that are trained on, the videos
drawn.
"""


def _arm(name: str, objective: Any, budget: Any = "steps") -> Arm:
    return Arm(name=name, role="main", objective=objective, budget=budget)


METHODS = (
    _arm("finetuned", PLAIN),
    _arm("editaction", editaction()),
    *(_arm(name, objective) for name, objective in ablations().items()),
    _arm("finetuned_x2.1", PLAIN, "all"),
)
"""The methods, in the order in which they run under each seed."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """The request for the benchmark."""

    workspace: Path
    starts: tuple[tuple[str, str], ...]
    """Name and folder of each starting editor."""
    steps: int = STEPS
    seeds: int = 5


@dataclass(frozen=True, kw_only=True)
class Run:
    """One editor, or an untouched start (no arm)."""

    start: str
    folder: str
    seed: int
    arm: Arm | None

    @property
    def name(self) -> str:
        """Label of the run's artifacts."""
        return f"{self.start}-{self.arm.name if self.arm else UNTOUCHED}-{self.seed}"


def runs_of(study: Study) -> list[Run]:
    """Return the runs, seed by seed: all starts and methods under seed 0 first."""
    untouched = [Run(start=name, folder=folder, seed=0, arm=None) for name, folder in study.starts]
    return untouched + [
        Run(start=name, folder=folder, seed=seed, arm=arm)
        for seed in range(study.seeds)
        for name, folder in study.starts
        for arm in METHODS
    ]


def job_of(study: Study, run: Run | None = None) -> Job:
    """Return the main job of a run; without a run, return the one whose data all runs share."""
    splits = replace(SPLITS["lc"], num_test=NUM_ACTIONS, unseen_combinations=(), num_unseen=0, num_train=NUM_PAIRS)
    settings: dict[str, Any] = {"preset": "forgetting", "kitchen.num_videos": NUM_VIDEOS}
    settings |= {f"splits.{name}": value for name, value in asdict(splits).items() if name != "quality"}
    settings |= {"editor.batch_size": 8, "editor.checkpoint_every": 10_000, "forgetting.num_scenes": NUM_STATIC}
    asked = Request(workspace=str(study.workspace), device="cpu", workers=1, until="edits", settings=settings)
    if run is None:
        return make_job(asked)
    settings["preset"] = f"forgetting-{run.name}"
    if run.arm is not None and run.arm.objective is not None:
        settings["editor.num_steps"] = run.arm.num_steps(study.steps)
        settings |= {f"editor.objective.{name}": value for name, value in asdict(run.arm.objective).items()}
    measure = ("forgetting", "verdicts")
    return make_job(replace(asked, start=run.folder, training_seeds=(run.seed,), measure=measure))


def make_run(study: Study, run: Run, make: Make) -> tuple[Path | None, Path | None]:
    """Make, or look up, a run: its `forgetting` and its `verdicts` on the test actions; None for a missing artifact."""
    job, made = job_of(study, run), {}

    def remembering(stage: str, label: str, config: object, **inputs: Path | Outside | None) -> Path | None:
        made[stage, label.rsplit("-", 1)[-1] == "start"] = made_now = make(stage, label, config, **inputs)
        return made_now

    data = make_dataset(job_of(study), make)
    trained = {} if run.arm is None else editors(job, data, make)
    forgetting_of(job, trained, remembering)
    edits_of(job, data, trained, remembering)
    is_start = EDITACTION not in trained
    return made["forgetting", is_start], made["verdicts", is_start]


def judged_runs(study: Study) -> Iterator[Judged]:
    """Yield the runs of the workspace that are done."""
    make = finding(study.workspace)
    shards = make_dataset(job_of(study), make).shards
    videos = {row["segment_id"]: row["video_id"] for row in Artifact.read(shards).records()} if shards else {}
    for run in runs_of(study):
        static, actions = make_run(study, run, make)
        if static is None or actions is None:
            continue
        scenes = [dict(row) | {"set": "static"} for row in Artifact.read(static).records()]
        for row in Artifact.read(actions).records():
            name = row["segment_id"]
            scenes.append(dict(row) | {"scene_id": name, "set": "action", "group": videos[name]})
        yield Judged(
            start=run.start,
            method=run.arm.name if run.arm else UNTOUCHED,
            seed=run.seed,
            num_steps=run.arm.num_steps(study.steps) if run.arm else 0,
            scenes=sorted(scenes, key=lambda scene: str(scene["scene_id"])),
        )


def go_on(study: Study, until_s: float) -> None:
    """Make the missing runs, seed by seed; no run begins after `max_seconds`."""
    began, look = time.monotonic(), finding(study.workspace)
    make = plainly(study.workspace, RunOptions(workers=1, device="cpu"))
    make_dataset(job_of(study), make)
    for run in runs_of(study):
        if None not in make_run(study, run, look):
            continue
        if time.monotonic() - began > until_s:
            print(f"{run.name}: not begun, the time is over", flush=True)
            return
        started, cpu = time.monotonic(), time.process_time()
        make_run(study, run, make)
        used = time.process_time() - cpu
        print(f"{run.name}: {time.monotonic() - started:.0f} s, {used:.0f} CPU seconds", flush=True)


def record_all(study: Study) -> None:
    """Record the runs that are done, and write the table of all that are recorded."""
    order = [UNTOUCHED, *(arm.name for arm in METHODS)]
    runs = sorted(remember(judged_runs(study)), key=lambda run: (run.start, order.index(run.method), run.seed))
    rows = forgetting_rows(runs)
    record(
        "forgetting",
        "Which static edits does an editor still carry out, and keep the rest, after fine-tuning on actions?",
        measures_of(rows) | {"num_runs": len(runs)},
        settings={"steps": study.steps, "batch_size": 8, "num_pairs": NUM_PAIRS, "scenes": [NUM_STATIC, NUM_ACTIONS]},
        rows=rows,
    )
    print(markdown(rows))


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=Path("workspace"))
    parser.add_argument("--start", action="append", metavar="NAME=FOLDER", help="a starting editor; may be repeated")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=1e6, help="begin no run after so many")
    parser.add_argument("--no-record", action="store_true", help="run, and leave the records to another process")
    parser.add_argument("--only-record", action="store_true", help="run nothing")
    given = parser.parse_args()
    starts = [named_start.partition("=")[::2] for named_start in given.start or [f"shipped={STARTING_EDITOR}"]]
    study = Study(workspace=given.workspace, starts=tuple(starts), steps=given.steps, seeds=given.seeds)
    if not given.only_record:
        go_on(study, 60 * given.minutes)
    if not given.no_record:
        record_all(study)


if __name__ == "__main__":
    main()
