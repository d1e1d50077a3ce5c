"""build_dataset over 700 videos and 77 000 segments: the cost of the flow over plain functions, and an all-cached
rerun.

    python -m benchmarks.scale                 # scale.json; about ten CPU minutes
    python -m benchmarks.scale --videos 70     # a tenth, printed and not recorded: to find what grows too fast

The videos are as small as videos get (64 px, 20 s): one clip, encoded once and told apart by a few bytes behind its
end, so that every file has its own fingerprint while decoding stays cheap. What is measured is everything around the
decoder: records, picture files, manifests, keys, tars, task runs. The alternative, in the same run: the same stages
called plainly, without flow and server, in a fresh process and another workspace.
"""

import argparse
import csv
import json
import os
import resource
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from benchmarks.recording import RESULTS, record
from flows.commands.server import prefect_server, set_environment
from flows.wiring.job import make_job
from flows.wiring.making import plainly, run_job
from flows.wiring.request import Request
from tasks.artifacts.artifact import Artifact, artifacts_of
from tasks.artifacts.building import watching
from tasks.stages import STAGES
from tasks.video.ffmpeg import ffmpeg_program

NUM_VIDEOS, SEGMENTS_PER_VIDEO = 700, 110
NUM_RERUNS = 3
"""The fastest run counts: other programs on the machine only add time."""
SIDE_PX, RATE, SECONDS = 64, 25, 20
SETTINGS = {"frames.size_px": SIDE_PX, "splits.num_long_distance": 0}
"""HC's recipe, with pictures as small as the videos. The long-distance set is left out: the view never changes here."""
THINGS = ("plate", "knife", "pan", "cup", "lid", "onion", "bowl", "spoon", "board", "tap")
PLACES = ("", " in sink", " on table", "", " into cupboard")


def write_clip(path: Path) -> None:
    """Encode the one clip: a test picture that moves, H.264."""
    source = f"testsrc2=size={SIDE_PX}x{SIDE_PX}:rate={RATE}:duration={SECONDS}"
    command = [ffmpeg_program(), "-v", "error", "-y", "-f", "lavfi", "-i", source, "-c:v", "libx264"]
    subprocess.run([*command, "-preset", "ultrafast", "-pix_fmt", "yuv420p", str(path)], check=True)


def write_dataset(folder: Path, num_videos: int) -> tuple[Path, Path]:
    """Write annotations in EPIC's format and the videos that they name; return both paths."""
    videos = folder / "videos"
    videos.mkdir()
    write_clip(folder / "clip.mp4")
    clip = (folder / "clip.mp4").read_bytes()
    annotations = folder / "annotations.csv"
    with annotations.open("w", newline="", encoding="utf-8") as file:
        columns = ("participant_id", "video_id", "start_timestamp", "stop_timestamp", "start_frame", "stop_frame")
        writer = csv.writer(file)
        writer.writerow([*columns, "narration", "verb"])
        for number in range(num_videos):
            participant = f"P{1 + number // 100:02d}"
            video_id = f"{participant}_{100 + number % 100}"
            # Every reader skips a `free` box (ISO 14496-12), and the box makes the file another one.
            (videos / f"{video_id}.mp4").write_bytes(clip + struct.pack(">I4sQ", 16, b"free", number))
            for place in range(SEGMENTS_PER_VIDEO):
                start_s = 0.16 * place
                stop_s = start_s + 1.18 + 0.04 * (place % 9)
                times = [f"00:00:{moment_s:05.2f}" for moment_s in (start_s, stop_s)]
                frames = [int(moment_s * 50) for moment_s in (start_s, stop_s)]
                narration = f"put {THINGS[place % 10]}{PLACES[(place + number) % 5]}"
                writer.writerow([participant, video_id, *times, *frames, narration, "put"])
    return annotations, videos


class Meter:
    """Watches stages: the peak memory of this process during each stage, its seconds, and the items executed."""

    def __init__(self) -> None:
        self.stages: dict[str, dict[str, float]] = {}
        self.items_executed = 0
        self._began = time.monotonic()

    def started(self, stage: str, label: str) -> None:
        """Note nothing: a stage is measured from the end of the stage before."""

    def progressed(self, stage: str, label: str, done: int, total: int) -> None:
        """Note nothing."""

    def finished(self, stage: str, label: str, artifact: Artifact, cached: bool) -> None:
        """Note the peak of the stage and begin with that of the next one."""
        seconds = round(time.monotonic() - self._began, 2)
        self.stages[stage] = {"peak_mb": memory_mb("VmHWM"), "seconds": seconds, "cached": cached}
        self.items_executed += 0 if cached else max(1, artifact.manifest["items"]["run"])
        Path("/proc/self/clear_refs").write_text("5")  # the peak now starts again from the memory in use
        self._began = time.monotonic()


def memory_mb(name: str, pid: int | str = "self") -> float:
    """Return VmHWM (peak) or VmRSS (now) of a process in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1e3, 1)


def run_here(way: str, request: Request) -> None:
    """Run the request in this process, as a flow or plainly; print the measures as JSON."""
    began = time.monotonic()
    meter = Meter()
    watching.set(meter)
    flow_run = None
    if way == "flow":
        from flows.build_dataset import build_dataset

        state = build_dataset(request, return_state=True)
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
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
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


def measure(folder: Path, num_videos: int) -> tuple[dict[str, float], dict[str, Any]]:
    """Run plainly, as a flow, and as a flow again; return the measures and the details beside them."""
    annotations, videos = write_dataset(folder, num_videos)

    def request(workspace: str) -> Request:
        places = {"annotations": str(annotations), "videos": str(videos), "workspace": str(folder / workspace)}
        return Request(preset="hc", until="shards", settings=SETTINGS, **places)

    plain = run_apart("plainly", request("plain"))
    with prefect_server(folder / "prefect") as api_url:
        server = server_pid(api_url)
        before_mb = memory_mb("VmHWM", server)
        flow = run_apart("flow", request("flows"))
        reruns = [run_apart("flow", request("flows")) for _ in range(NUM_RERUNS)]
        rerun = min(reruns, key=lambda candidate: candidate["total_s"])
        task_runs = max(num_task_runs(api_url, result["flow_run"], len(flow["stages"])) for result in (flow, *reruns))
        server_mb = memory_mb("VmHWM", server)
    check_equal(folder / "plain", folder / "flows")
    asked = ["run", "--preset", "hc", "--until", "shards", "--annotations", str(annotations), "--videos", str(videos)]
    asked += [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={value}")]
    asked += ["--workspace", str(folder / "flows")]
    os.environ.pop("PREFECT_API_URL", None)
    imports_mb = import_mb()
    shards = artifacts_of(folder / "flows", "shards")[-1]
    measures = {
        "videos": num_videos,
        "segments": shards.manifest["counts"]["kept"],
        "cached_rerun_s": rerun["total_s"],
        "cached_rerun_items": sum(rerun["items_executed"] for rerun in reruns),
        "prefect_memory_mb": round(max(0.0, flow["peak_mb"] - plain["peak_mb"]) + imports_mb, 1),
        "task_runs": task_runs,
        "prefect_import_mb": imports_mb,
        "flow_peak_mb": flow["peak_mb"],
        "plain_peak_mb": plain["peak_mb"],
        "server_mb": server_mb,
        "server_idle_mb": before_mb,
        "flow_cpu_s": flow["cpu_s"],
        "plain_cpu_s": plain["cpu_s"],
        "cached_rerun_cpu_s": rerun["cpu_s"],
        "cached_command_s": command_s(asked),
        "plan_s": command_s([*asked, "--plan"]),
        "status_s": command_s(["status", "--workspace", str(folder / "flows")]),
    }
    details = {"plain": plain, "flow": flow, "cached_rerun": rerun}
    return measures, details | {"cached_reruns_s": [rerun["total_s"] for rerun in reruns]}


def check_equal(first: Path, second: Path) -> None:
    """Make sure that both ways gave the same content."""
    for stage in STAGES:
        digests = [[artifact.digest for artifact in artifacts_of(workspace, stage)] for workspace in (first, second)]
        if digests[0] != digests[1] and stage != "videos":  # its inputs name the same folder, but so they do here
            raise RuntimeError(f"{stage}: the flow and the plain functions gave different content.")


def main() -> None:
    """Measure; record a whole run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=NUM_VIDEOS)
    parser.add_argument("--child", choices=["flow", "plainly"], help=argparse.SUPPRESS)
    parser.add_argument("--request", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        run_here(options.child, Request(**json.loads(options.request)))
        return
    set_environment()  # set before the server starts: it connects to nobody outside
    with tempfile.TemporaryDirectory(prefix="editaction-scale-") as folder:
        measures, details = measure(Path(folder), options.videos)
        if options.videos < NUM_VIDEOS:
            print(json.dumps(measures | details, indent=1))
        else:
            write_result(measures, details)


def write_result(measures: dict[str, float], details: dict[str, Any]) -> None:
    """Record a whole run."""
    RESULTS.mkdir(exist_ok=True)
    record(
        "scale",
        "700 videos, 77 000 segments: what does the flow need over plain functions, and how soon is an all-cached "
        "rerun done?",
        measures,
        alternative="the same stages called plainly in a fresh process and workspace",
        note="prefect_memory_mb: the flow's peak less the plain functions', plus what importing Prefect itself takes, "
        "as the plain functions' process imports it too. The server is a process of its own: server_mb. "
        "cached_rerun_s is the wall time of a fresh process, imports included, and the fastest of cached_reruns_s.",
        **details,
    )


if __name__ == "__main__":
    main()
