"""A LeRobot v3 data set (meta/info.json, meta/episodes/*/*.parquet) -> segments: one per episode and camera.

Many episodes lie in one MP4 a camera, `videos/<camera>/chunk-000/file-000.mp4`: from `from_timestamp` to
`to_timestamp`, which is the next episode's first frame. So frames are counted: the first is round(from x fps), the last
round(to x fps) - 1.
An episode's one task is its instruction. Format: https://huggingface.co/docs/lerobot/lerobot-dataset-v3
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from modeling.apart import TABLE_MEMORY
from modeling.json_text import parse_file
from tasks.annotations.instructions import parse_instruction
from tasks.annotations.parquet_batches import rows_in_batches
from tasks.annotations.segment import Annotations, Segment, is_safe_video_id, segment_id_of

VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
"""Path of videos in format v3; other paths are refused."""
MAX_TEXT = 10_000
"""Largest length of a task that counts as an instruction."""
MAX_INFO_BYTES = 64 << 20
FIELDS = ("chunk_index", "file_index", "from_timestamp", "to_timestamp")


def read_lerobot(info_path: Path, cameras: Sequence[str] = ()) -> Annotations:
    """Read the episodes of the data set whose meta/info.json is given; empty `cameras` means all cameras.

    Rows are counted per episode and camera. Filtered: no_instruction, several_tasks, text_too_long. Failed: bad_times,
    bad_row.
    ValueError when it is no data set of version 3, or has no such camera.
    """
    info = _read_info(info_path)
    chosen = _cameras(info_path, info, cameras)
    annotations = Annotations(funnel={"episodes": 0, "episodes_x_cameras": 0, "with_task": 0, "with_times": 0})
    annotations.facts["cameras"] = sorted(chosen)
    number = 0
    for row in _episodes(info_path, chosen):
        annotations.funnel["episodes"] += 1
        for camera, fps in chosen.items():
            number += 1
            annotations.funnel["episodes_x_cameras"] += 1
            outcome = _segment(row, camera, fps)
            if isinstance(outcome, Segment) or outcome in ("bad_times", "bad_row"):
                annotations.funnel["with_task"] += 1
            if isinstance(outcome, Segment):
                annotations.funnel["with_times"] += 1
                annotations.segments.append(outcome)
                continue
            status = "failed" if outcome in ("bad_times", "bad_row") else "filtered"
            message = f"episode {row.get('episode_index')!r:.20}, camera {camera}: {_said(row, camera)[:160]}"
            annotations.reject(number, status, outcome, camera=camera, message=message)
    return annotations


def _read_info(path: Path) -> dict[str, Any]:
    try:
        info = parse_file(path, at_most=MAX_INFO_BYTES)
    except ValueError as error:
        raise ValueError(f"{path}: not a readable meta/info.json ({error}).") from error
    version = str(info.get("codebase_version") if isinstance(info, dict) else None)
    if not version.startswith("v3"):
        raise ValueError(
            f"{path}: codebase_version is {version[:40]}; version 3 is read. LeRobot converts older ones "
            "by its script convert_dataset_v21_to_v30."
        )
    if info.get("video_path") != VIDEO_PATH:
        raise ValueError(f"{path}: video_path is {str(info.get('video_path'))[:120]!r}; {VIDEO_PATH} is read.")
    if not isinstance(info.get("features"), dict):
        raise ValueError(f"{path}: there are no features.")
    return dict(info)


def _cameras(path: Path, info: dict[str, Any], wanted: Sequence[str]) -> dict[str, float]:
    """Return camera -> frames per second, in the order of the names."""
    there: dict[str, float] = {}
    for name, feature in sorted(info["features"].items()):
        if isinstance(feature, dict) and feature.get("dtype") == "video":
            inside = feature.get("info")
            inside = inside if isinstance(inside, dict) else {}
            fps = _number(inside.get("video.fps", info.get("fps")))
            if not is_safe_video_id(name) or fps is None or not 0 < fps < 10_000:
                raise ValueError(f"{path}: camera {name[:80]!r} has no usable name or rate of frames.")
            there[name] = fps
    missing = [name for name in wanted if name not in there]
    if missing or not there:
        raise ValueError(
            f"{path}: no camera {', '.join(missing) or 'with a video'}; there are {', '.join(there) or 'none'}."
        )
    return {name: fps for name, fps in there.items() if not wanted or name in wanted}


def _episodes(info_path: Path, cameras: dict[str, float]) -> Iterator[dict[str, Any]]:
    """Yield the rows of all episode files, only the columns that are needed: their statistics are large."""
    files = sorted((info_path.parent / "episodes").glob("*/*.parquet"))
    if not files:
        raise ValueError(f"{info_path.parent / 'episodes'}: there are no episode files (chunk-000/file-000.parquet).")
    columns = ["episode_index", "tasks"] + [f"videos/{camera}/{field}" for camera in cameras for field in FIELDS]
    for file in files:
        yield from rows_in_batches(file, columns, memory=TABLE_MEMORY)


def _segment(row: dict[str, Any], camera: str, fps: float) -> Segment | str:
    """Return the segment of one episode and camera, or the reason there is none."""
    tasks = row["tasks"] if isinstance(row["tasks"], list) else [row["tasks"]]
    texts = list(dict.fromkeys(task.strip() for task in tasks if isinstance(task, str) and task.strip()))
    if len(texts) != 1:
        return "several_tasks" if texts else "no_instruction"
    if len(texts[0]) > MAX_TEXT:
        return "text_too_long"
    values = [row[f"videos/{camera}/{field}"] for field in FIELDS]
    places = (row["episode_index"], *values[:2])
    if not all(isinstance(place, int) and not isinstance(place, bool) and 0 <= place < 1_000_000 for place in places):
        return "bad_row"
    start, stop = _number(values[2]), _number(values[3])
    if start is None or stop is None or not 0 <= start < stop < 1e7:
        return "bad_times"
    first, last = round(start * fps), round(stop * fps) - 1
    if last <= first:
        return "bad_times"
    video_id = f"{camera}--chunk-{places[1]:03d}--file-{places[2]:03d}"
    parsed = parse_instruction(texts[0])
    return Segment(
        segment_id=segment_id_of(video_id, f"{places[0]:06d}"),
        video_id=video_id,
        start_s=first / fps,
        stop_s=last / fps,
        start_frame=first,
        stop_frame=last,
        instruction=texts[0],
        verb=parsed.verb,
        object=parsed.object,
        start_point=parsed.start_point,
        end_point=parsed.end_point,
        group=f"episode-{places[0]:06d}",
    )


def _said(row: dict[str, Any], camera: str) -> str:
    return f"tasks {str(row['tasks'])[:80]}, {[row[f'videos/{camera}/{field}'] for field in FIELDS]}"


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number else None  # type: ignore[arg-type]
