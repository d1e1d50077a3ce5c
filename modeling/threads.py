"""The environment that keeps torch's waiting threads from spinning on a busy machine.

libgomp's threads spin for as long as they like before they sleep. With two threads on two busy cores a training step
then takes seconds instead of a tenth. A count of 10 000 costs little on an idle machine and keeps a busy one usable;
it changes no sum, since the threads stay as many. It is read when torch is loaded, so it must be in the environment by
then (benchmarks/sharing_cores.py measures both).
"""

from collections.abc import Mapping

SPIN_COUNT = "10000"
VARIABLES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
"""Variables by which a user has already chosen."""


def patient_threads(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables to add to the environment of a process that will load torch; empty where the user has
    chosen.
    """
    return {} if any(name in environment for name in VARIABLES) else {VARIABLES[0]: SPIN_COUNT}
