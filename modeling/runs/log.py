"""The log of a training run: one JSON line a step, no times in it, cut back to the checkpoint when a run is resumed."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

METRICS = "metrics.jsonl"
"""Name of the log in the folder of a run."""


class MetricsLog:
    """`metrics.jsonl`, written to in order."""

    def __init__(self, path: Path | None):
        """Open the file for appending; without a path (in processes that do not write) entries are dropped."""
        self._path = path or Path(os.devnull)
        self._writes = path is not None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("ab")

    def truncate(self, num_bytes: int) -> None:
        """Cut the file back to its first `num_bytes` bytes; ValueError when it has fewer."""
        if not self._writes:
            return
        self._file.flush()
        size = os.fstat(self._file.fileno()).st_size
        if size < num_bytes:
            raise ValueError(
                f"{self._path} has {size} bytes; the checkpoint was saved after {num_bytes}. Restore the file, or "
                "remove the checkpoints to train anew."
            )
        os.ftruncate(self._file.fileno(), num_bytes)

    def add(self, entry: Mapping[str, Any]) -> None:
        """Append one entry; numbers that are not finite become null."""
        plain = {key: finite_or_none(value) for key, value in entry.items()}
        self._file.write(json.dumps(plain, allow_nan=False).encode() + b"\n")

    def sync(self) -> int:
        """Flush to the disk and return the size in bytes."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return os.fstat(self._file.fileno()).st_size

    def entries(self) -> list[dict[str, Any]]:
        """Return all entries."""
        self._file.flush()
        return [json.loads(line) for line in self._path.read_text(encoding="utf-8").splitlines()]


def finite_or_none(value: Any) -> Any:
    """Return the value, or None for a float that JSON cannot hold."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
