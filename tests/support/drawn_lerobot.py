"""A LeRobot v3 data set of clips whose frames carry their numbers: two cameras, several episodes in a file."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.annotations.lerobot import VIDEO_PATH
from tests.support.clips import CLIPS, RATE, encode

CAMERAS = ("observation.images.front", "observation.images.wrist")
EPISODES = ((0, 0, 20, ["open the drawer"]), (0, 20, 45, ["put cup on plate"]), (1, 0, 30, ["open the drawer"]))
"""For each episode: file, first frame, frame after the last, tasks."""


def info_of(**changes) -> dict:
    """Return meta/info.json."""
    video = {"dtype": "video", "shape": [96, 160, 3], "info": {"video.fps": RATE, "video.codec": "h264"}}
    features = dict.fromkeys(CAMERAS, video) | {"action": {"dtype": "float32", "shape": [6]}}
    return {"codebase_version": "v3.0", "fps": RATE, "video_path": VIDEO_PATH, "features": features} | changes


def write_episodes(folder: Path, rows: list[dict]) -> None:
    """Write meta/episodes as one row group, with a column of statistics that no reader needs."""
    (folder / "meta/episodes/chunk-000").mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist([row | {"stats/action/mean": [0.0] * 6} for row in rows])
    pq.write_table(table, folder / "meta/episodes/chunk-000/file-000.parquet")


def episode_rows(episodes=EPISODES) -> list[dict]:
    """Return the rows of meta/episodes."""
    rows = []
    for number, (file, first, after, tasks) in enumerate(episodes):
        row = {"episode_index": number, "tasks": tasks, "length": after - first}
        for camera in CAMERAS:
            row |= {f"videos/{camera}/chunk_index": 0, f"videos/{camera}/file_index": file}
            row |= {f"videos/{camera}/from_timestamp": first / RATE, f"videos/{camera}/to_timestamp": after / RATE}
        rows.append(row)
    return rows


def draw_lerobot(folder: Path, episodes=EPISODES, videos: bool = True) -> Path:
    """Write the data set; return its folder."""
    write_episodes(folder, episode_rows(episodes))
    (folder / "meta" / "info.json").write_text(json.dumps(info_of()), encoding="utf-8")
    for camera in CAMERAS if videos else ():
        for file in {episode[0] for episode in episodes}:
            path = folder / VIDEO_PATH.format(video_key=camera, chunk_index=0, file_index=file)
            path.parent.mkdir(parents=True, exist_ok=True)
            num_frames = max(after for number, _, after, _ in episodes if number == file)
            encode(path, CLIPS["short_gop.mp4"], num_frames=num_frames)
    return folder
