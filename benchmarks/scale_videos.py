"""A number -> that many small videos and annotations in EPIC's format, 110 segments each, for benchmarks/scale.py.

One clip is encoded once; a few bytes behind its end make each file another one, so that decoding stays cheap.
"""

import csv
import struct
import subprocess
from pathlib import Path

from modeling.atomic import atomic_file
from tasks.video.ffmpeg import ffmpeg_program

SEGMENTS_PER_VIDEO = 110
SIDE_PX, RATE, SECONDS = 64, 25, 20
THINGS = ("plate", "knife", "pan", "cup", "lid", "onion", "bowl", "spoon", "board", "tap")
PLACES = ("", " in sink", " on table", "", " into cupboard")


def write_clip(path: Path) -> None:
    """Encode the one clip: a test picture that moves, H.264."""
    source = f"testsrc2=size={SIDE_PX}x{SIDE_PX}:rate={RATE}:duration={SECONDS}"
    command = [ffmpeg_program(), "-v", "error", "-y", "-f", "lavfi", "-i", source, "-c:v", "libx264"]
    subprocess.run([*command, "-preset", "ultrafast", "-pix_fmt", "yuv420p", str(path)], check=True)


def write_dataset(folder: Path, num_videos: int) -> tuple[Path, Path]:
    """Write annotations in EPIC's format and the videos that they name; return both paths."""
    videos, annotations = folder / "videos", folder / "annotations.csv"
    if annotations.is_file():
        return annotations, videos
    videos.mkdir(parents=True)
    write_clip(folder / "clip.mp4")
    clip = (folder / "clip.mp4").read_bytes()
    with atomic_file(annotations) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
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
