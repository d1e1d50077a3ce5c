"""Seconds of a training step on an idle and on a busy machine: with torch's default, and with threads that spin only
briefly.

    python -m benchmarks.sharing_cores

Threads that wait for each other spin. `busy_slowdown`: a step with the project's setting (modeling/threads.py) beside a
load of one process a core, over the same step alone. `idle_cost_percent`: what the setting costs alone, against torch's
default. Both run one after the other, in turns, wall-clock medians of a forward and a backward pass of the starting
editor's network; nothing else may run on the machine (`load_before` tells what did).
"""

import argparse
import os
import statistics
import subprocess
import sys

from benchmarks.recording import record
from modeling.small_editor.shipped import STARTING_EDITOR
from modeling.threads import SPIN_COUNT, VARIABLES, patient_threads
from tasks.artifacts.processes import num_workers

BATCH_SIZE = 8
SECONDS = 15.0
"""How long a process runs, after two steps that do not count."""
TURNS = 3
BUSY = "while True: pass"


def steps(threads: int, seconds: float) -> float:
    """Do steps for `seconds` seconds; return the median seconds of a step."""
    import torch  # not at the top of the file: the process that compares does not need them

    from benchmarks.measuring import timed
    from modeling.diffusion.schedule import predict
    from modeling.editors.instruct_pix2pix import Editor

    torch.set_num_threads(threads)
    unet = Editor.load(str(STARTING_EDITOR), "cpu").unet.train()
    generator = torch.Generator().manual_seed(0)
    noisy, condition = (torch.randn(BATCH_SIZE, 64, 6, 6, generator=generator) for _ in range(2))
    text = torch.randn(BATCH_SIZE, 20, 128, generator=generator)
    timesteps = torch.randint(0, 1000, (BATCH_SIZE,), generator=generator)

    def step() -> None:
        unet.zero_grad()
        predict(unet, noisy, condition, timesteps, text).square().mean().backward()

    step()
    step()
    taken: list[float] = []
    while sum(taken) < seconds:
        taken.append(timed(step, torch.device("cpu")).wall)
    return statistics.median(taken)


def environment_of(*, patient: bool) -> dict[str, str]:
    """Return this process's environment with the project's setting, or with torch's own default."""
    plain = {name: value for name, value in os.environ.items() if name not in (*VARIABLES, "OMP_NUM_THREADS")}
    return plain | (patient_threads(plain) if patient else {})


def measured(threads: int, seconds: float, *, patient: bool, processes: int = 1, load: int = 0) -> float:
    """Return the seconds of a step, the mean over some processes, beside `load` processes that never rest."""
    busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(load)]
    command = [
        sys.executable,
        "-m",
        "benchmarks.sharing_cores",
        "--steps-with",
        str(threads),
        "--seconds",
        str(seconds),
    ]
    try:
        started = [
            subprocess.Popen(command, env=environment_of(patient=patient), stdout=subprocess.PIPE, text=True)
            for _ in range(processes)
        ]
        return statistics.mean(float(process.communicate()[0].split()[-1]) for process in started)
    finally:
        for process in busy:
            process.kill()
            process.wait()


def compare(seconds: float, turns: int) -> dict[str, float]:
    """Measure all variants in turns; return the measures."""
    cores = num_workers(0)
    variants = {
        "idle_default": lambda: measured(cores, seconds, patient=False),
        "idle_patient": lambda: measured(cores, seconds, patient=True),
        "busy_default": lambda: measured(cores, seconds, patient=False, load=cores),
        "busy_patient": lambda: measured(cores, seconds, patient=True, load=cores),
        "two_with_all_cores": lambda: measured(cores, seconds, patient=True, processes=2),
        "two_sharing": lambda: measured(max(1, cores // 2), seconds, patient=True, processes=2),
    }
    taken: dict[str, list[float]] = {name: [] for name in variants}
    for turn in range(turns):
        for name in list(variants)[:: 1 if turn % 2 == 0 else -1]:
            taken[name].append(variants[name]())
            print(f"turn {turn + 1} of {turns}, {name}: {taken[name][-1]:.4f} s a step", flush=True)
    step_s = {name: statistics.median(steps_s) for name, steps_s in taken.items()}
    return {f"{name}_step_s": round(median_s, 4) for name, median_s in step_s.items()} | {
        "busy_slowdown": round(step_s["busy_patient"] / step_s["idle_patient"], 2),
        "busy_slowdown_of_default": round(step_s["busy_default"] / step_s["idle_default"], 2),
        "idle_cost_percent": round(100 * (step_s["idle_patient"] / step_s["idle_default"] - 1), 1),
        "speedup_of_sharing": round(step_s["two_with_all_cores"] / step_s["two_sharing"], 2),
    }


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps-with", type=int, metavar="THREADS", help="print the seconds of a step, and no more")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each measurement")
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--no-record", action="store_true", help="print only: the machine is shared just now")
    given = parser.parse_args()
    if given.steps_with:
        print(steps(given.steps_with, given.seconds))
        return 0
    load_before = os.getloadavg()[0]
    record(
        "sharing_cores",
        "What does a training step take on an idle and on a busy machine, with torch's default and with threads that "
        "spin for a while only?",
        compare(given.seconds, given.turns),
        write=not given.no_record,
        batch_size=BATCH_SIZE,
        setting={VARIABLES[0]: SPIN_COUNT},
        load=f"{num_workers(0)} processes that never rest, one a core",
        load_before=round(load_before, 1),
        alternative="torch's default: threads that wait spin for as long as it takes",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
