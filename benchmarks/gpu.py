"""Everything that RESULTS.md lacks without a GPU, in one command of at most 25 minutes ->
`benchmarks/results/gpu.json`.

    python -m benchmarks.gpu                     # a machine with one GPU; says first what it will do
    python -m benchmarks.gpu --minutes 9         # what fits into nine; the next call takes up the rest
    python -m benchmarks.gpu --only editing,memory
    python -m benchmarks.gpu --miniature --out /tmp/miniature.json   # the same code at next to no size on a CPU

Each part runs in a process of its own: a part that fails, hangs or runs out of memory is recorded, and the others go
on. Finished parts are kept in `--work` and not measured again on the same kind of GPU; `--again` forgets them.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.recording import RESULTS, commit, machine

CHECKOUT = Path(__file__).resolve().parents[1]
QUESTION = (
    "What do training and editing at Stable Diffusion's size cost on a GPU, and does the demo learn in bf16 there?"
)
PATIENCE = 1.5
"""A part may take this many times its share, when there is time left."""
LOG_LINES = 15
"""Last lines of a failed part's log that are kept."""


def measured_before(work: Path, name: str, device: str) -> dict[str, Any] | None:
    """Return an earlier call's result of a part on this kind of device, or None."""
    path = work / f"{name}.json"
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return result if result.get("status") == "measured" and result.get("device") == device else None


def measure_part(context: Any, name: str, scale: Any, work: Path, limit_s: float) -> dict[str, Any]:
    """Run a part in a process of its own, for at most `limit_s`; return its outcome."""
    from benchmarks.gpu_parts import run_part

    result, log = work / f"{name}.numbers.json", work / f"{name}.log"
    result.unlink(missing_ok=True)
    began_at = time.monotonic()
    process = context.Process(target=run_part, args=(name, scale, work, result, log))
    process.start()
    try:
        process.join(limit_s)
        hung = process.is_alive()
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # the process and all that it started
        process.kill()
        process.join()
    outcome: dict[str, Any] = {"status": "measured", "seconds": round(time.monotonic() - began_at, 1)}
    if result.is_file():
        return outcome | {"measures": json.loads(result.read_text(encoding="utf-8"))}
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:] if log.is_file() else []
    reason = f"cut off after {limit_s:.0f} s" if hung else f"ended with status {process.exitcode}"
    return outcome | {"status": "failed", "reason": reason, "log": lines}


def describe(scale: Any) -> dict[str, str]:
    """Return the device of the parts. A process that ends finds it, because a used GPU keeps some memory allocated."""
    import torch

    if scale.device != "cuda":
        return {"device": "cpu", "torch": torch.__version__}
    properties = torch.cuda.get_device_properties(0)
    gib = properties.total_memory / 2**30
    return {"device": properties.name, "gib": f"{gib:.1f}", "torch": torch.__version__, "cuda": str(torch.version.cuda)}


def write_results(out: Path, parts: dict[str, Any], hardware: dict[str, str], *, is_miniature: bool) -> None:
    """Write all numbers, and the outcome of each part."""
    from modeling.atomic import write_json

    measures = {name: value for part in parts.values() for name, value in part.get("measures", {}).items()}
    told = {name: {key: entry for key, entry in part.items() if key != "measures"} for name, part in parts.items()}
    out.parent.mkdir(parents=True, exist_ok=True)
    head = {"question": QUESTION, "date": datetime.now(UTC).date().isoformat(), "commit": commit()}
    head |= {"note": "miniature on a CPU: no number of it is a result"} if is_miniature else {}
    write_json(out, head | {"machine": machine(), "gpu": hardware, "measures": measures, "parts": told})


def measure_all(given: argparse.Namespace, hardware: dict[str, str], context: Any) -> dict[str, Any]:
    """Measure every wanted part that is not measured yet; return the outcome of each."""
    from benchmarks.gpu_parts import FULL, MINIATURE, PARTS
    from modeling.atomic import write_json

    scale = MINIATURE if given.miniature else FULL
    ends_at = time.monotonic() + 60 * given.minutes
    parts = {name: measured_before(given.work, name, hardware["device"]) or {"status": "missing"} for name in PARTS}
    for name in [part for part in given.only if parts[part]["status"] != "measured"]:
        left_s, share_s = ends_at - time.monotonic(), PARTS[name].share_s
        if left_s < share_s / 2 and not given.miniature:
            parts[name] = {"status": "missing", "reason": f"{left_s:.0f} s were left; it takes about {share_s}"}
            print(f"{name}: not begun, {parts[name]['reason']}. Start the same command again.", flush=True)
            continue
        result = measure_part(context, name, scale, given.work, min(left_s, PATIENCE * share_s))
        result |= {"device": hardware["device"], "commit": commit(), "date": datetime.now(UTC).date().isoformat()}
        parts[name] = result
        write_json(given.work / f"{name}.json", result)
        write_results(given.out, parts, hardware, is_miniature=given.miniature)
        reason = f" ({result['reason']}; {given.work / name}.log)" if "reason" in result else ""
        print(f"{name}: {result['status']} in {result['seconds']:.0f} s{reason}", flush=True)
    write_results(given.out, parts, hardware, is_miniature=given.miniature)
    return parts


def print_plan(given: argparse.Namespace, hardware: dict[str, str]) -> None:
    """Print what will be measured, and how long each part takes."""
    from benchmarks.gpu_parts import PARTS

    print(f"{' '.join(hardware.values())}; {given.minutes:g} minutes at most; numbers go to {given.out}")
    for name, part in PARTS.items():
        there = measured_before(given.work, name, hardware["device"])
        wanted = "measured before" if there else f"about {part.share_s} s" if name in given.only else "not asked for"
        print(f"  {name:10} {wanted:16} {' '.join((part.measure.__doc__ or '').split())}")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--miniature", action="store_true", help="on a CPU, at next to no size; --out is then wanted")
    parser.add_argument("--minutes", type=float, default=25.0, help="for all parts together")
    parser.add_argument("--only", type=lambda text: text.split(","), help="parts, between commas")
    parser.add_argument("--out", type=Path, help="JSON file to write (default: benchmarks/results/gpu.json)")
    parser.add_argument("--work", type=Path, help="folder of finished parts and logs (default: build/gpu)")
    parser.add_argument("--again", action="store_true", help="measure all parts, also those that are there")
    parser.add_argument("--plan", action="store_true", help="say what would be done, and no more")
    return parser


def checked(given: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Fill in the defaults; end with one line when the command line is impossible."""
    import torch

    from benchmarks.gpu_parts import PARTS

    given.only = given.only or list(PARTS)
    if unknown := sorted(set(given.only) - set(PARTS)):
        parser.error(f"There is no part {', '.join(unknown)}; there are {', '.join(PARTS)}.")
    if given.miniature and (given.out is None or given.out.resolve().parent == RESULTS):
        parser.error(f"A miniature has no results: name a file outside {RESULTS} with --out.")
    if not given.miniature and not torch.cuda.is_available():
        parser.error("There is no GPU here that torch can use; --miniature --out FILE tries all parts on a CPU.")
    given.out = given.out or RESULTS / "gpu.json"
    given.work = (given.work or CHECKOUT / "build" / ("gpu_miniature" if given.miniature else "gpu")).resolve()
    if given.again:
        shutil.rmtree(given.work, ignore_errors=True)
    given.work.mkdir(parents=True, exist_ok=True)


def main() -> int:
    """Run the command line; return 0 where every wanted part is measured, else 3."""
    from benchmarks.gpu_parts import FULL, MINIATURE

    parser = _parser()
    given = parser.parse_args()
    checked(given, parser)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    # The server has imported everything and used no GPU, so the process of each part begins at once and clean.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.gpu_parts"])
    with context.Pool(1) as pool:
        hardware = pool.apply(describe, (MINIATURE if given.miniature else FULL,))
    print_plan(given, hardware)
    if given.plan:
        return 0
    parts = measure_all(given, hardware, context)
    return 0 if all(parts[name]["status"] == "measured" for name in given.only) else 3


if __name__ == "__main__":
    sys.exit(main())
