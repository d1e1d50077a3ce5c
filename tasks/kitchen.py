"""A seed -> drawn videos of actions with annotations: the drawn kitchen as a dataset.

    videos/                              H.264 with B-frames; .avi names and rate of MPII Cooking 2, or EPIC's .MP4
    annotations.mat | annotations.csv    MPII Cooking 2 (fixed camera) or EPIC-100 (head camera)
    goals.jsonl                          one line an action: what the oracle needs to judge an edit of it

Each video is a function of (style, seed, its number), so any of them can be made again alone.
"""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from evaluation.kitchen.acting import RATE_FPS, ActedAction, Style
from evaluation.kitchen.actions import goal_of
from modeling.atomic import atomic_file, check_replaceable, write_bytes
from tasks.annotations.kitchen import Acted, start_s, stop_s, write_epic_csv, write_mpii_mat
from tasks.artifacts.map_items import Failure, map_items
from tasks.artifacts.stage import stage
from tasks.artifacts.work import Work
from tasks.config import KitchenConfig
from tasks.video.drawn_film import Video, encode_into

ANNOTATIONS = {"mpii": "annotations.mat", "epic": "annotations.csv"}
"""File name of each style's annotations."""
GOALS = "goals.jsonl"
"""Written first: it marks the folder as a drawn kitchen, even when the drawing was interrupted."""


def goal_record(video: Video, acted: ActedAction) -> dict[str, Any]:
    """Return the record of one action for goals.jsonl; frames count from 0."""
    rate_fps = RATE_FPS[video.style]
    return {
        "video_id": video.video_id,
        "start_s": start_s(acted, rate_fps),
        "stop_s": stop_s(acted, rate_fps),
        "start_frame": acted.start_frame,
        "stop_frame": acted.stop_frame,
        "instruction": acted.instruction,
        "verb": acted.action.verb,
        "overlaps": acted.overlaps,
        "before": acted.before.to_record(),
        "after": acted.after.to_record(),
        "goal": goal_of(acted.action),
        "view_before": acted.view_before,
        "view_after": acted.view_after,
    }


def write_annotations(out: Path, videos: list[Video]) -> dict[str, Any]:
    """Write the annotation file and goals.jsonl of all videos; return counts."""
    goals: list[dict[str, Any]] = []
    acted: Acted = []
    for video in videos:
        actions = video.episode().actions
        acted += [(video.video_id, action) for action in actions]
        goals += [goal_record(video, action) for action in actions]
    style = videos[0].style
    write_bytes(out / GOALS, "".join(json.dumps(goal, sort_keys=True) + "\n" for goal in goals).encode())
    with atomic_file(out / ANNOTATIONS[style]) as temporary:
        (write_mpii_mat if style == "mpii" else write_epic_csv)(temporary, acted)
    return {
        "videos": len(videos),
        "actions": len(goals),
        "overlapping": sum(goal["overlaps"] for goal in goals),
        "annotations": ANNOTATIONS[style],
    }


def encode_all(folder: Path, videos: list[Video], workers: int) -> Iterator[Video]:
    """Encode videos into a folder, several at once; yield each when its file is complete."""
    for video, failure in map_items(partial(encode_into, folder), videos, workers=workers):
        if isinstance(failure, Failure):
            raise OSError(failure.message)
        yield video


def videos_of(style: Style, num_videos: int, seed: int) -> list[Video]:
    """List the videos of a kitchen."""
    return [Video(style=style, seed=seed, number=number) for number in range(num_videos)]


def write_kitchen(
    out: Path,
    *,
    style: Style,
    num_videos: int,
    seed: int,
    workers: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Act a kitchen out into the folder `out`: videos, annotations and goals; return counts. workers 0: one a core.

    FileExistsError before any work when `out` is not empty and no kitchen that was drawn earlier.
    """
    check_replaceable(out, GOALS)
    if (out / "videos").is_symlink():
        raise FileExistsError(f"{out / 'videos'} is a link, which is not followed. Remove it, or name another folder.")
    videos = videos_of(style, num_videos, seed)
    out.mkdir(parents=True, exist_ok=True)
    counts = write_annotations(out, videos)
    (out / "videos").mkdir(exist_ok=True)
    for done, _ in enumerate(encode_all(out / "videos", videos, workers), start=1):
        if on_progress is not None:
            on_progress(done, num_videos)
    return counts


@stage
def kitchen(work: Work, config: KitchenConfig) -> None:
    """Act the kitchen out: one item a video."""
    videos = videos_of(config.style, config.num_videos, config.seed)
    (work.path / "videos").mkdir(exist_ok=True)
    missing = [video for video in videos if not work.item_done(video.video_id, "")]
    done = len(videos) - len(missing)
    work.progress(done, len(videos))
    for video in encode_all(work.path / "videos", missing, work.options.workers):
        row = {"video_id": video.video_id, "num_actions": len(video.episode().actions)}
        work.finish_item(video.video_id, "", kept=[row], files=[f"videos/{video.file_name}"])
        done += 1
        work.progress(done, len(videos))
    counts = write_annotations(work.path, videos)
    work.facts |= counts
    work.funnel = {"rows": len(videos)}
    work.write_rows(*work.collect())
