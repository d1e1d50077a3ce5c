"""How long torch's threads spin while they wait for each other, for processes that compute beside other programs.

libgomp's threads spin for as long as they like before they sleep. With two threads on two busy cores a training step
then takes seconds instead of a tenth. A count of 10 000 costs little on an idle machine and keeps a busy one usable;
it changes no sum, since the threads stay as many. It is read when torch is loaded, so it must be in the environment by
then (benchmarks/sharing_cores.py measures both).
"""

from collections.abc import Mapping

SPIN_COUNT = "10000"
VARIABLES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
"""Whoever has set one of these has chosen already."""


def patient_threads(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what to add to an environment for a process that will load torch; nothing where it is chosen already."""
    return {} if any(name in environment for name in VARIABLES) else {VARIABLES[0]: SPIN_COUNT}
