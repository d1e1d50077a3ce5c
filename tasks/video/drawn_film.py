"""One acted-out video of the drawn kitchen -> its H.264 file.

Worker processes import this file, so it does not import Prefect, which reads settings in the current folder.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import ffmpeg
import numpy as np

from evaluation.kitchen.acting import Episode, Style, draw_episode, sample_episode
from evaluation.kitchen.world import PICTURE_PX
from modeling.atomic import atomic_file
from tasks.video.ffmpeg import ffmpeg_program

MIN_ACTIONS, MAX_ACTIONS = 22, 38
"""Number of actions in one video."""
VIDEOS_OF_A_PERSON = 6
"""Number of videos per subject or participant."""
QUALITY_CRF = 18
"""x264's constant rate factor: small files without visible loss."""


@dataclass(frozen=True, kw_only=True)
class Video:
    """One video to act out."""

    style: Style
    """Camera and annotation format."""
    seed: int
    """Seed of the kitchen."""
    number: int
    """Number of the video, from 0."""

    @property
    def video_id(self) -> str:
        """Its id in the annotations: `s01-d01-cam-002` or `P01_101`."""
        person, rank = divmod(self.number, VIDEOS_OF_A_PERSON)
        if self.style == "mpii":
            return f"s{person + 1:02d}-d{self.number + 1:02d}-cam-002"
        return f"P{person + 1:02d}_{101 + rank}"

    @property
    def file_name(self) -> str:
        """Name of the video file, as the real dataset's."""
        return f"{self.video_id}.avi" if self.style == "mpii" else f"{self.video_id}.MP4"

    def episode(self) -> Episode:
        """Return what happens in it."""
        rng = np.random.default_rng([self.seed, self.number, ("mpii", "epic").index(self.style)])
        return sample_episode(rng, self.style, int(rng.integers(MIN_ACTIONS, MAX_ACTIONS + 1)))


def encode(video: Video, path: Path) -> None:
    """Draw the video's frames into an H.264 file; the same ffmpeg gives the same bytes."""
    container = "avi" if video.style == "mpii" else "mp4"
    rate = {"mpii": "147/5", "epic": "50"}[video.style]
    with atomic_file(path) as temporary:
        command = (
            ffmpeg.input("pipe:", format="rawvideo", pix_fmt="rgb24", s=f"{PICTURE_PX}x{PICTURE_PX}", framerate=rate)
            .output(
                str(temporary),
                format=container,
                vcodec="libx264",
                preset="veryfast",
                crf=QUALITY_CRF,
                bf=2,
                pix_fmt="yuv420p",
                threads=1,
                fflags="+bitexact",
                **{"flags:v": "+bitexact"},
            )
            .global_args("-loglevel", "error", "-nostats")
            .overwrite_output()
            .compile(cmd=ffmpeg_program())
        )
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdin is not None
        assert process.stderr is not None
        try:
            for picture, times in draw_episode(video.episode()):
                frame = picture.tobytes()
                for _ in range(times):
                    process.stdin.write(frame)
            process.stdin.close()
        except BrokenPipeError:
            pass  # ffmpeg ended early; its message follows below
        except BaseException:
            process.kill()
            raise
        message = process.stderr.read().decode(errors="replace")
        if process.wait() != 0:
            raise OSError(f"ffmpeg could not write {path}: {message.strip()[-500:]}")


def encode_into(folder: Path, video: Video) -> None:
    """Draw the video's file into a folder."""
    encode(video, folder / video.file_name)
