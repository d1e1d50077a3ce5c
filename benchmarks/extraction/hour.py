"""The stage `frames` on an hour-long 1080p video, in a process of its own: memory, CPU, and the hours for all of HC."""

from pathlib import Path
from typing import Any

from benchmarks.extraction.cpu import cpu_seconds
from benchmarks.extraction.films import repeat, segment_times
from tasks.annotations.segment import Segment
from tasks.artifacts.map_items import Failure, map_items
from tasks.config import FramesConfig
from tasks.cutting.pairs import VideoJob, cut_video
from tasks.fetching.video_files import fingerprint

HC_HOURS, HC_FRAMES, HC_VIDEOS = 33.55, 74_908, 201
HC_LONGEST_HOURS = 1.03
"""The length of P01_109 in EPIC_100_video_info.csv.

One process cuts a video, so no number of cores is faster than it.
"""
CORES = (2, 16, 64)


def job_for(path: Path, seconds: float, folder: Path) -> VideoJob:
    """Return the work of cutting a film's segments into 512 px JPEGs, as the preset `hc` asks for."""
    segments = tuple(
        Segment(segment_id=f"film-{number}", video_id="film", start_s=start, stop_s=stop, instruction="take cup")
        for number, (start, stop) in enumerate(sorted(segment_times(seconds)))
    )
    config = FramesConfig(size_px=512, image_format="jpeg")
    return VideoJob(
        video_id="film",
        path=path,
        fingerprint=fingerprint(path),
        segments=segments,
        config=config,
        folder=folder,
    )


def cut_and_measure(job: VideoJob) -> dict[str, Any]:
    """Cut a video; return the CPU seconds, the pairs and the peak memory of this process."""
    began = cpu_seconds()
    pairs = cut_video(job)
    cpu_s = cpu_seconds() - began
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        "cpu_s": round(cpu_s, 1),
        "pairs": len(pairs.kept),
        "failed": len(pairs.rejected),
        "frames": len(pairs.files),
        "peak_memory_mb": round(int(status["VmHWM"].split()[0]) / 1024),
    }


def measure_hour(minute: Path, folder: Path, seconds: int, times: int) -> dict[str, Any]:
    """Cut a long video that repeats a film of `seconds` seconds `times` times."""
    path = repeat(minute, times, folder / "hour.mp4")
    (folder / "pictures").mkdir()
    job = job_for(path, seconds * times, folder / "pictures")
    [(_, measured)] = map_items(cut_and_measure, [job], workers=1)
    if isinstance(measured, Failure):
        raise OSError(measured.message)
    return measured | {"minutes": round(seconds * times / 60, 1), "file_mb": round(path.stat().st_size / 1e6)}


def hc_hours(cpu_s_per_frame: float) -> dict[str, float]:
    """Return the expected hours for all frames of HC on each number of cores, one process a core."""
    total = cpu_s_per_frame * HC_FRAMES / 3600
    longest = total * HC_LONGEST_HOURS / HC_HOURS
    return {f"{cores}_cores": round(max(total / cores, longest), 3) for cores in CORES}
