"""Threads that wait spin only for a while, in every process that computes."""

import os
import subprocess
import sys

from flows.commands.server import set_environment
from modeling.threads import SPIN_COUNT, patient_threads


def test_the_count_is_added_unless_somebody_has_chosen() -> None:
    assert patient_threads({"HOME": "x"}) == {"GOMP_SPINCOUNT": SPIN_COUNT}
    assert patient_threads({"GOMP_SPINCOUNT": "7"}) == {}
    assert patient_threads({"OMP_WAIT_POLICY": "passive"}) == {}


def test_the_command_line_sets_it_for_itself_and_its_children(monkeypatch) -> None:
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    set_environment()
    assert os.environ["GOMP_SPINCOUNT"] == SPIN_COUNT
    code = "import os; print(os.environ['GOMP_SPINCOUNT'])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == SPIN_COUNT
    monkeypatch.delenv("GOMP_SPINCOUNT")
