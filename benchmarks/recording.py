"""A benchmark's result -> `benchmarks/results/NAME.json`: question, date, commit, machine, plain numbers."""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"


def record(
    name: str,
    question: str,
    measures: dict[str, float],
    *,
    keep_earlier: bool = False,
    write: bool = True,
    **details: object,
) -> Path:
    """Write a result; `details` (sizes, settings, the named alternative) stand beside the measures.

    `keep_earlier`: keep measures and details of an earlier run under other names, such as those of another machine.
    `write`: False prints only, as for a GPU's measures tried out without one.
    """
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    earlier = json.loads(path.read_text(encoding="utf-8")) if keep_earlier and path.is_file() else {}
    content = earlier | {
        "question": question,
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "machine": machine(),
        "measures": earlier.get("measures", {}) | measures,
        **details,
    }
    if write:
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(measures, indent=1))
    return path


def machine() -> dict[str, object]:
    """Describe this machine without naming it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)), "python": platform.python_version()}


def commit() -> str | None:
    """Return the commit of this checkout; None where there is no git, or no repository."""
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=RESULTS, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return done.stdout.strip() or None
