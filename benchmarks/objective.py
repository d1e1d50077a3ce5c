"""What the objective does: the study's runs, plainly, and `objective.json` of all that are recorded.

    python -m benchmarks.objective --workspace W                 # go on with the grid, then record
    python -m benchmarks.objective --workspace W --only-record   # record what is done
    python -m benchmarks.objective --costs                       # CPU seconds of a step, by objective

`editaction study` makes the same runs as a Prefect flow, without the record. Verdicts are recorded scene by scene
(objective_runs.py), so that another machine can add arms and seeds.
"""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from benchmarks.objective_costs import measure_costs
from benchmarks.objective_runs import recorded, remember, runs_file
from benchmarks.recording import record
from evaluation.study import SUBSETS, study_content
from evaluation.study_tables import study_page
from flows.study import (
    Run,
    StudyRequest,
    done_runs,
    finding,
    make_run,
    share_cores,
    studied_arms,
    study_data,
    study_job,
    study_runs,
)
from flows.wiring.job import Job
from flows.wiring.making import plainly
from tasks.artifacts.artifact import Artifact
from tasks.artifacts.building import StageFailed
from tasks.config import RunOptions
from tasks.study import judged_run


def study_name(request: StudyRequest, job: Job) -> str:
    """Return what tells a study from others: verbs, pairs, steps, guidance, as in lc_500_pairs_300_steps."""
    verbs = "" if job.config.splits.verbs else "_all_verbs"
    text_guidance = job.config.edits.sampling.text_guidance
    guidance = "" if text_guidance == 1 else f"_guidance_{text_guidance:g}"
    return f"{request.style}{verbs}_{job.config.splits.num_train}_pairs_{request.steps}_steps{guidance}"


def go_on(request: StudyRequest) -> list[str]:
    """Make the runs that are neither done nor recorded, some side by side; return what went wrong, run by run."""
    job = study_job(request)
    known = {(each.start, each.arm, each.seed) for each in recorded(runs_file(study_name(request, job)))}
    waiting = [run for run in study_runs(request) if (run.start, run.arm.name, run.seed) not in known]
    if not waiting:
        return []
    share_cores(request.side_by_side)
    make = plainly(job.workspace, RunOptions(workers=1, device=request.device))
    data = study_data(job, make)

    def do(run: Run) -> str | None:
        if make_run(request, job, data, run, finding(job.workspace)).is_done:
            return None
        began = time.monotonic()
        try:
            make_run(request, job, data, run, make)
        except (StageFailed, ValueError) as error:
            return f"{run.name}: {error}"
        finally:
            print(f"{run.name}: {time.monotonic() - began:.0f} s", flush=True)
        return None

    with ThreadPoolExecutor(request.side_by_side) as pool:
        return [failure for failure in pool.map(do, waiting) if failure is not None]


def record_so_far(request: StudyRequest) -> None:
    """Write `objective.json` from all recorded runs of this study, those of the workspace added to them."""
    job = study_job(request)
    name = study_name(request, job)
    found = []
    for made in done_runs(request, job, study_runs(request)):
        opened = {kind: Artifact.read(path) for kind, path in made.artifacts.items()}
        found.append(judged_run(made.run.start, made.run.arm.name, made.run.seed, opened))
    runs = remember(runs_file(name), found)
    if not runs:
        raise ValueError(f"{request.workspace}: no run is done yet, and none is recorded.")
    arms = {each.name: asdict(each) for each in studied_arms(request, {run.arm for run in runs})}
    content = study_content(request.style, arms, runs)
    print(study_page(content))
    record(
        "objective",
        "Do L_action, L_reg and freezing beat plain fine-tuning on held-out verb-object combinations with little data?",
        study_measures(name, content),
        keep_earlier=True,
        note="Numbers from the drawn kitchen; they say nothing about the paper's data sets.",
        **{name: content},
    )


def study_measures(study: str, content: dict[str, Any]) -> dict[str, float]:
    """Return plain numbers of the tables: shares carried out, differences, and how many seeds they rest on."""
    measures: dict[str, float] = {}
    for row in content["rows"]:
        name = f"{study}_{row['start']}_{row['arm']}"
        measures[f"{name}_seeds"] = len(row["seeds"])
        for subset in SUBSETS:
            if f"{subset}_carried_out" in row:
                measures[f"{name}_{subset}_percent"] = row[f"{subset}_carried_out"]["mean"]
    for each in content["comparisons"]:
        name = f"{study}_{each['start']}_{each['arm']}_minus_{each['reference']}"
        measures[f"{name}_unseen_points"] = each["unseen_carried_out"]["mean"]
    return measures


def main() -> int:
    """Run the command line."""
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
    given = parser.parse_args()
    settings: dict[str, Any] = {"edits.sampling.text_guidance": given.guidance}
    settings |= {} if given.pairs is None else {"splits.num_train": given.pairs}
    settings |= {"splits.verbs": ()} if given.all_verbs else {}
    request = StudyRequest(
        workspace=given.workspace,
        style=given.style,
        starts=tuple(given.start or default.starts),
        arms=given.arms,
        seeds=given.seeds,
        steps=given.steps,
        settings=settings,
        side_by_side=given.side_by_side,
    )
    if given.costs:
        return record_costs(request)
    failures = [] if given.only_record else go_on(request)
    record_so_far(request)
    print("\n".join(failures))
    return 1 if failures else 0


def record_costs(request: StudyRequest) -> int:
    """Write `objective_costs.json`."""
    job = study_job(request)
    shards = study_data(job, plainly(job.workspace, RunOptions(workers=1))).shards
    assert shards is not None
    start = request.starts[0].partition("=")[2]
    record(
        "objective_costs",
        "What does a step of each objective cost, in steps of L_static?",
        measure_costs(shards, job.config.editor, start),
        seconds="CPU seconds of one thread; objectives take turns, medians of the turns' ratios",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
