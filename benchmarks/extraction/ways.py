"""Ways to get the frames at given times as JPEGs: the project's reader, and common uses of the ffmpeg program.

Each takes a film, ascending times, the film's frames a second and an empty folder, and returns one picture a time
(None: it gave none). One thread each, 512 px, so that CPU seconds compare; ffmpeg's own scaling and JPEG defaults.
"""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from modeling.data.images import encode_jpeg
from tasks.video.exact_frames import Moment, Shown, read_moments
from tasks.video.ffmpeg import ffmpeg_program

SIZE_PX = 512
EXTRACTED_PX = 256
"""Side of the pictures when all frames are extracted, as in data sets of extracted frames."""
Way = Callable[[Path, Sequence[float], float, Path], list[bytes | None]]


def project_reader(path: Path, times: Sequence[float], rate: float, folder: Path) -> list[bytes | None]:
    """Read with `read_moments`, as stage `frames` does."""
    reading = read_moments(path, [Moment(time_s=time) for time in times], encode_jpeg, size_px=SIZE_PX)
    return [outcome.kept if isinstance(outcome, Shown) else None for outcome in reading.outcomes]


def ffmpeg_per_frame(path: Path, times: Sequence[float], rate: float, folder: Path) -> list[bytes | None]:
    """Start one process for each frame."""
    for time in dict.fromkeys(times):
        scale = ["-vf", f"scale={SIZE_PX}:{SIZE_PX}", "-q:v", "2"]
        _ffmpeg("-ss", str(time), *_file(path), "-frames:v", "1", *scale, str(folder / f"{time}.jpg"))
    return [_content(folder / f"{time}.jpg") for time in times]


def ffmpeg_select(path: Path, times: Sequence[float], rate: float, folder: Path) -> list[bytes | None]:
    """Decode everything in one pass and select frames by number, which is time x rate."""
    numbers = sorted({int(time * rate + 1e-6) for time in times})
    wanted = "+".join(f"eq(n\\,{number})" for number in numbers)
    chain = f"select={wanted},scale={SIZE_PX}:{SIZE_PX}"
    _ffmpeg(*_file(path), "-vf", chain, "-fps_mode", "passthrough", "-q:v", "2", str(folder / "%06d.jpg"))
    places = {number: place for place, number in enumerate(numbers, start=1)}
    return [_content(folder / f"{places[int(time * rate + 1e-6)]:06d}.jpg") for time in times]


def extract_all(path: Path, times: Sequence[float], rate: float, folder: Path) -> list[bytes | None]:
    """Write every frame of the film and pick by number, which is time x rate."""
    chain = f"scale={EXTRACTED_PX}:{EXTRACTED_PX}"
    _ffmpeg(*_file(path), "-vf", chain, "-fps_mode", "passthrough", "-q:v", "2", str(folder / "%06d.jpg"))
    return [_content(folder / f"{int(time * rate + 1e-6) + 1:06d}.jpg") for time in times]


def _file(path: Path) -> list[str]:
    return ["-threads", "1", "-i", str(path), "-map", "0:v:0"]


def _ffmpeg(*arguments: str) -> None:
    # The ffmpeg program's output for damaged files is part of the result, so its exit status is ignored.
    command = [ffmpeg_program(), "-nostdin", "-v", "quiet", "-y", "-filter_threads", "1", *arguments]
    subprocess.run(command, check=False)


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() and path.stat().st_size else None


WAYS: dict[str, Way] = {
    "project": project_reader,
    "ffmpeg_per_frame": ffmpeg_per_frame,
    "select": ffmpeg_select,
    "extract_all": extract_all,
}
