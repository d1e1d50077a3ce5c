"""Stages of a run -> the memory, seconds and CPU of each, and the items that were executed, for benchmarks/scale.py."""

import time
from pathlib import Path

from tasks.artifacts.artifact import Artifact


class Meter:
    """Watches stages: peak memory of this process while each ran, its seconds, and the items executed."""

    def __init__(self) -> None:
        self.stages: dict[str, dict[str, float]] = {}
        self.items_executed = 0
        self._began = time.monotonic()
        self._cpu_began = time.process_time()

    def started(self, stage: str, label: str) -> None:
        """Note nothing: a stage is measured from the end of the stage before."""

    def progressed(self, stage: str, label: str, done: int, total: int, note: str) -> None:
        """Note nothing."""

    def waiting(self, stage: str, label: str, holder: str, seconds: float) -> None:
        """Note nothing: nobody else builds here."""

    def told(self, stage: str, label: str, message: str) -> None:
        """Note nothing."""

    def finished(self, stage: str, label: str, artifact: Artifact, cached: bool) -> None:
        """Note the peak of the stage and begin with that of the next one."""
        seconds = round(time.monotonic() - self._began, 2)
        cpu_s = round(time.process_time() - self._cpu_began, 2)
        name = f"{stage} {label}"
        self.stages[name] = {"peak_mb": memory_mb("VmHWM"), "seconds": seconds, "cpu_s": cpu_s, "cached": cached}
        self.items_executed += 0 if cached else max(1, artifact.manifest["items"]["run"])
        Path("/proc/self/clear_refs").write_text("5")  # the peak now starts again from the memory in use
        self._began, self._cpu_began = time.monotonic(), time.process_time()


def memory_mb(name: str, pid: int | str = "self") -> float:
    """Return VmHWM (peak) or VmRSS (now) of a process in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1e3, 1)
