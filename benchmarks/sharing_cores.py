"""What a training step takes beside another one: where each takes all cores, and where they share them.

    python -m benchmarks.sharing_cores

Threads that wait for each other spin. The named alternative to shared cores is torch's own default, a thread a core in
every process. Wall-clock seconds of a forward and a backward pass of the starting editor's network, on an idle machine.
"""

import argparse
import os
import statistics
import subprocess
import sys

from benchmarks.recording import record
from flows.wiring.presets import STARTING_EDITOR
from tasks.artifacts.processes import num_workers

BATCH_SIZE = 8
SECONDS = 20.0
"""How long a process goes on, after a step that does not count."""


def steps(threads: int) -> float:
    """Do steps for SECONDS; return the seconds of one."""
    import torch  # not at the top: the process that compares needs none of it

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
    taken: list[float] = []
    while sum(taken) < SECONDS:
        taken.append(timed(step, torch.device("cpu")).wall)
    return statistics.mean(taken)


def side_by_side(processes: int, threads: int) -> float:
    """Return the seconds of a step, the mean of so many processes that do steps at the same time."""
    # OMP_NUM_THREADS of whoever calls would hold for them too.
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, "-m", "benchmarks.sharing_cores", "--steps-with", str(threads)]
    started = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    answers = [process.communicate()[0] for process in started]
    return statistics.mean(float(answer.split()[-1]) for answer in answers)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--steps-with", type=int, metavar="THREADS", help="print the seconds of a step, and nothing else"
    )
    given = parser.parse_args()
    if given.steps_with:
        print(steps(given.steps_with))
        return 0
    cores = num_workers(0)
    alone = side_by_side(1, cores)
    contended = side_by_side(2, cores)
    shared = side_by_side(2, max(1, cores // 2))
    record(
        "sharing_cores",
        "What does a training step take beside another process's, with all cores each and with half of them each?",
        {
            "alone_step_s": round(alone, 4),
            "two_with_all_cores_step_s": round(contended, 4),
            "two_sharing_step_s": round(shared, 4),
            "slowdown_with_all_cores": round(contended / alone, 1),
            "slowdown_sharing": round(shared / alone, 2),
            "speedup_of_sharing": round(contended / shared, 1),
        },
        batch_size=BATCH_SIZE,
        alternative="torch's default: every process takes a thread for every core",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
