"""The whole main job over 700 videos and 77 000 segments: an all-cached rerun, and what the flow costs.

    python -m benchmarks.scale                 # scale.json; about ten CPU minutes
    python -m benchmarks.scale --videos 70     # a tenth, printed and not recorded: to find what grows too fast
    python -m benchmarks.scale --folder DIR    # the reruns alone: the job is kept in DIR, built there the first time

Every stage runs, from the annotations to the report; training, edits and classifier are as small as they can be, since
an all-cached rerun does not care.
The videos are as small as videos get (64 px, 20 s): one clip, encoded once and told apart by a few bytes behind its
end, so that every file has its own fingerprint while decoding stays cheap. What is measured is everything around the
decoder: records, picture files, manifests, keys, tars, task runs. The alternative, in the same run: the stages up to
the shards called plainly, without flow and server, in a fresh process and another workspace.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from benchmarks.recording import record
from benchmarks.scale_meter import Meter, memory_mb
from benchmarks.scale_videos import SIDE_PX, write_dataset
from flows.commands.server import prefect_server, set_environment
from flows.wiring.form import Until
from flows.wiring.job import make_job
from flows.wiring.making import plainly, run_job
from flows.wiring.request import Request
from tasks.artifacts.artifact import artifacts_of
from tasks.artifacts.building import watching
from tasks.stages import STAGES

ROOT = Path(__file__).resolve().parents[1]
NUM_VIDEOS = 700
NUM_RERUNS = 3
"""The fastest run counts: other programs on the machine only add time."""
SETTINGS = {
    "frames.size_px": SIDE_PX,
    "splits.num_long_distance": 0,
    "splits.num_test": 24,
    "editor.num_steps": 8,
    "edits.sampling.num_steps": 2,
    "classifier.num_epochs": 1,
    "classifier.max_segments": 48,
}
"""HC's recipe, pictures as small as the videos. The long-distance set is left out: every view is the same here."""


def run_here(way: str, request: Request) -> None:
    """Run the request in this process, as a flow or plainly; print the measures as JSON."""
    began = time.monotonic()
    meter = Meter()
    watching.set(meter)
    flow_run = None
    if way == "flow":
        from flows.reproduce import reproduce

        state = reproduce(request, return_state=True)
        flow_run = str(state.state_details.flow_run_id)
        state.result()
    else:
        run_job(make_job(request), plainly(Path(request.workspace), request.options))
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    here = resource.getrusage(resource.RUSAGE_SELF)
    measured = {
        "peak_mb": max(memory_mb("VmHWM"), *(stage["peak_mb"] for stage in meter.stages.values())),
        "wall_s": round(time.monotonic() - began, 2),
        "cpu_s": round(here.ru_utime + here.ru_stime, 2),
        "workers_cpu_s": round(children.ru_utime + children.ru_stime, 2),
        "items_executed": meter.items_executed,
        "stages": meter.stages,
        "flow_run": flow_run,
    }
    print(json.dumps(measured))


def run_apart(way: str, request: Request) -> dict[str, Any]:
    """Run the request in a fresh process and return what it printed; `total_s` is from its start to its end."""
    began = time.monotonic()
    values = json.dumps(vars(request))
    command = [sys.executable, "-m", "benchmarks.scale", "--child", way, "--request", values]
    place = os.environ | {"PYTHONPATH": str(ROOT)}  # modules of the current folder are not looked for
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=place)
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured | {"total_s": round(time.monotonic() - began, 2)}


def import_mb() -> float:
    """Return the memory that importing Prefect adds to a process with all other imports of the plain stages."""
    code = "import tasks.cutting.pairs, tasks.annotations.epic, modeling.data.example; "
    code += "import pyarrow.parquet, multiprocessing{}; "
    code += "print(open('/proc/self/status').read())"
    sizes = []
    for more in ("", ", tasks.artifacts.stage"):
        done = subprocess.run([sys.executable, "-c", code.format(more)], check=True, stdout=subprocess.PIPE, text=True)
        sizes.append(next(int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("VmHWM")) / 1e3)
    return round(sizes[1] - sizes[0], 1)


def num_task_runs(api_url: str, flow_run: str, expected: int) -> int:
    """Ask the server how many task runs a flow run had; they reach its database some seconds after the flow's end."""
    body = json.dumps({"flow_runs": {"id": {"any_": [flow_run]}}}).encode()
    headers = {"Content-Type": "application/json"}
    number = -1
    for _ in range(60):
        asked = urllib.request.Request(f"{api_url}/task_runs/count", data=body, headers=headers)
        with urllib.request.urlopen(asked, timeout=30) as answer:
            before, number = number, int(answer.read())
        if number >= expected and number == before:
            break
        time.sleep(1)
    return number


def server_pid(api_url: str) -> int:
    """Return the process that serves the API: the child of this one with its port in the command line."""
    port = f"--port={api_url.split(':')[2].split('/')[0]}"
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if port in (folder / "cmdline").read_text().split("\0"):
                return int(folder.name)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    raise RuntimeError(f"No process serves {api_url}.")


def command_s(arguments: list[str]) -> float:
    """Run `editaction` to its end; return its wall-clock seconds."""
    began = time.monotonic()
    command = [sys.executable, "-m", "flows.commands.cli", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    return round(time.monotonic() - began, 2)


def measure(folder: Path, num_videos: int, *, whole: bool) -> tuple[dict[str, float], dict[str, Any]]:
    """Run plainly up to the shards (if `whole`), wholly as a flow, and as a flow again; return measures and details."""
    annotations, videos = write_dataset(folder, num_videos)

    def request(workspace: str, until: Until) -> Request:
        places = {"annotations": str(annotations), "videos": str(videos), "workspace": str(folder / workspace)}
        # Latents of 77 000 pairs would be computed for eight steps of training.
        return Request(preset="hc", start="small", until=until, settings=SETTINGS, cache="off", **places)

    plain = run_apart("plainly", request("plain", "shards")) if whole else None
    with prefect_server(folder / "prefect") as api_url:
        server = server_pid(api_url)
        before_mb = memory_mb("VmHWM", server)
        flow = run_apart("flow", request("flows", "report"))
        reruns = [run_apart("flow", request("flows", "report")) for _ in range(NUM_RERUNS)]
        rerun = min(reruns, key=lambda result: result["total_s"])
        task_runs = max(num_task_runs(api_url, result["flow_run"], len(flow["stages"])) for result in (flow, *reruns))
        server_mb = memory_mb("VmHWM", server)
    asked = ["run", "--preset", "hc", "--start", "small", "--annotations", str(annotations), "--videos", str(videos)]
    asked += [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={value}")]
    asked += ["--workspace", str(folder / "flows")]
    os.environ.pop("PREFECT_API_URL", None)
    details = {"cached_rerun": rerun}
    measures = {
        "videos": num_videos,
        "segments": artifacts_of(folder / "flows", "shards")[-1].manifest["counts"]["kept"],
        "cached_rerun_s": rerun["total_s"],
        "cached_rerun_items": sum(rerun["items_executed"] for rerun in reruns),
        "task_runs": task_runs,
        "server_mb": server_mb,
        "server_idle_mb": before_mb,
        "cached_rerun_cpu_s": rerun["cpu_s"],
        "cached_command_s": command_s(asked),
        "plan_s": command_s([*asked, "--plan"]),
        "status_s": command_s(["status", "--workspace", str(folder / "flows")]),
    }
    if plain is not None:
        check_equal(folder / "plain", folder / "flows")
        measures |= compared(plain, flow) | {"whole_job_peak_mb": flow["peak_mb"]}
        details |= {"plain": plain, "flow": flow}
    return measures, details | {"cached_reruns_s": [rerun["total_s"] for rerun in reruns]}


def compared(plain: dict[str, Any], flow: dict[str, Any]) -> dict[str, float]:
    """Return memory and CPU of both ways, over the stages that both did."""
    both = list(plain["stages"])
    flow_mb, plain_mb = (max(way["stages"][name]["peak_mb"] for name in both) for way in (flow, plain))
    flow_cpu_s, plain_cpu_s = (sum(way["stages"][name]["cpu_s"] for name in both) for way in (flow, plain))
    imports_mb = import_mb()
    return {
        "prefect_memory_mb": round(max(0.0, flow_mb - plain_mb) + imports_mb, 1),
        "prefect_import_mb": imports_mb,
        "flow_peak_mb": flow_mb,
        "plain_peak_mb": plain_mb,
        "flow_cpu_s": round(flow_cpu_s, 2),
        "plain_cpu_s": round(plain_cpu_s, 2),
    }


def check_equal(first: Path, second: Path) -> None:
    """Make sure that both ways gave the same content, where the first has any."""
    for stage in STAGES:
        digests = [[artifact.digest for artifact in artifacts_of(workspace, stage)] for workspace in (first, second)]
        if (
            digests[0] and digests[0] != digests[1] and stage != "videos"
        ):  # its inputs name the same folder, but so they do here
            raise RuntimeError(f"{stage}: the flow and the plain functions gave different content.")


def main() -> None:
    """Measure; record a whole run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=NUM_VIDEOS)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--child", choices=["flow", "plainly"], help=argparse.SUPPRESS)
    parser.add_argument("--request", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        run_here(options.child, Request(**json.loads(options.request)))
        return
    set_environment()  # set before the server starts: it connects to nobody outside
    with tempfile.TemporaryDirectory(prefix="editaction-scale-") as temporary:
        folder, whole = options.folder or Path(temporary), options.folder is None
        measures, details = measure(folder.absolute(), options.videos, whole=whole)
        if options.videos < NUM_VIDEOS:
            print(json.dumps(measures | details, indent=1))
        else:
            write_result(measures, details, keep_earlier=not whole)


def write_result(measures: dict[str, float], details: dict[str, Any], *, keep_earlier: bool) -> None:
    """Record a whole run; `keep_earlier`: what an earlier run measured of the alternative stays."""
    record(
        "scale",
        "700 videos, 77 000 segments, the whole main job: how soon is an all-cached rerun done, and what does the flow "
        "need over plain functions?",
        measures,
        alternative="the stages up to the shards, called plainly in a fresh process and workspace",
        settings=SETTINGS,
        note="One task run a stage, two of edits; a kitchen, the thirteenth, is not drawn where videos are given. "
        "prefect_memory_mb: the flow's peak up to the shards less the plain functions', plus what importing Prefect "
        "itself takes, as the plain functions' process imports it too. The server is a process of its own: server_mb. "
        "cached_rerun_s is the wall time of a fresh process, imports included, and the fastest of cached_reruns_s.",
        keep_earlier=keep_earlier,
        **details,
    )


if __name__ == "__main__":
    main()
