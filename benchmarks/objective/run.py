"""Make the runs of the objective study, one main job each, record their verdicts, and print the tables.

    python -m benchmarks.objective.run --workspace W                 # go on with the grid, then record
    python -m benchmarks.objective.run --workspace W --only-record   # record what is done
    python -m benchmarks.objective.run --costs                       # CPU seconds of a step, by objective
    python -m benchmarks.objective.tables lc_500_pairs_300_steps     # the tables of what is recorded

Verdicts are recorded scene by scene (runs.py), so that another machine can add arms and seeds.
"""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.objective.costs import measure_costs
from benchmarks.objective.runs import recorded, remember, runs_file
from benchmarks.objective.study import (
    Run,
    StudyRequest,
    done_runs,
    is_done,
    make_run,
    share_cores,
    study_job,
    study_runs,
)
from benchmarks.objective.tables import recorded_content, study_page
from benchmarks.recording import record
from flows.wiring.main_job import make_dataset
from flows.wiring.making import plainly
from tasks.artifacts.building import StageFailed
from tasks.config import RunOptions


def study_name(request: StudyRequest) -> str:
    """Return the name of a study by its style, verbs, pairs, steps and guidance, such as lc_500_pairs_300_steps."""
    config = study_job(request).config
    verbs = "" if config.splits.verbs else "_all_verbs"
    text_guidance = config.edits.sampling.text_guidance
    guidance = "" if text_guidance == 1 else f"_guidance_{text_guidance:g}"
    return f"{request.style}{verbs}_{config.splits.num_train}_pairs_{request.steps}_steps{guidance}"


def go_on(request: StudyRequest) -> list[str]:
    """Make the runs that are neither done nor recorded, some side by side; return the errors, run by run."""
    known = {(run.start, run.arm, run.seed) for run in recorded(runs_file(study_name(request)))}
    waiting = [run for run in study_runs(request) if (run.start, run.arm.name, run.seed) not in known]
    if not waiting:
        return []
    share_cores(request.side_by_side)
    make = plainly(Path(request.workspace), RunOptions(workers=1, device=request.device))
    make_dataset(study_job(request), make)

    def do(run: Run) -> str | None:
        if is_done(request, run):
            return None
        began = time.monotonic()
        try:
            make_run(request, run, make)
        except (StageFailed, ValueError) as error:
            return f"{run.name}: {error}"
        finally:
            print(f"{run.name}: {time.monotonic() - began:.0f} s", flush=True)
        return None

    # The first run goes alone: the runs share the edits of the untouched start, and two cannot build one artifact.
    failures = [do(waiting[0])]
    with ThreadPoolExecutor(request.side_by_side) as pool:
        failures += pool.map(do, waiting[1:])
    return [failure for failure in failures if failure is not None]


def record_so_far(request: StudyRequest) -> None:
    """Add the runs of the workspace to the records of this study, and print the tables of all recorded runs."""
    name = study_name(request)
    remember(runs_file(name), list(done_runs(request)))
    print(study_page(recorded_content(name)))


def record_costs(request: StudyRequest) -> None:
    """Write `objective_costs.json`."""
    job = study_job(request)
    shards = make_dataset(job, plainly(job.workspace, RunOptions(workers=1))).shards
    assert shards is not None
    start = request.starts[0].partition("=")[2]
    record(
        "objective_costs",
        "What does a step of each objective cost, in steps of L_static?",
        measure_costs(shards, job.config.editor, start),
        seconds="CPU seconds of one thread; objectives take turns, medians of the turns' ratios",
    )


def main() -> int:
    """Run the command line."""
    given = _parser().parse_args()
    settings: dict[str, Any] = {"edits.sampling.text_guidance": given.guidance}
    settings |= {} if given.pairs is None else {"splits.num_train": given.pairs}
    settings |= {"splits.verbs": ()} if given.all_verbs else {}
    request = StudyRequest(
        workspace=given.workspace,
        style=given.style,
        starts=tuple(given.start or StudyRequest.starts),
        arms=given.arms,
        seeds=given.seeds,
        steps=given.steps,
        settings=settings,
        side_by_side=given.side_by_side,
    )
    if given.costs:
        record_costs(request)
        return 0
    failures = [] if given.only_record else go_on(request)
    record_so_far(request)
    print("\n".join(failures))
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = StudyRequest()
    parser.add_argument("--workspace", default=default.workspace)
    parser.add_argument("--style", default=default.style)
    parser.add_argument("--start", action="append", metavar="NAME=FOLDER", help="a starting editor; may be repeated")
    parser.add_argument("--arms", default=default.arms)
    parser.add_argument("--seeds", type=int, default=default.seeds)
    parser.add_argument("--steps", type=int, default=default.steps)
    parser.add_argument("--pairs", type=int, help="training pairs; without it the study's own number")
    parser.add_argument("--all-verbs", action="store_true", help="also those that bring nothing anywhere")
    parser.add_argument("--guidance", type=float, default=1.0, help="text guidance of the edits")
    parser.add_argument("--side-by-side", type=int, default=default.side_by_side)
    parser.add_argument("--only-record", action="store_true", help="run nothing")
    parser.add_argument("--costs", action="store_true", help="measure what a step costs, on the workspace's pairs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
