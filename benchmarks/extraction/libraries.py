"""decord, torchcodec and OpenCV as ways to get frames, where they are installed. The project does not need them.

Each is used as its documentation shows, on one thread, and resizes with its own functions where it has some.
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.extraction.ways import SIZE_PX, Way
from modeling.data.images import encode_jpeg


def with_decord(path: Path, times: Sequence[float], rate: float, folder: Path) -> list[bytes | None]:
    """Ask for frame numbers, which are time x average rate."""
    import decord

    try:
        reader = decord.VideoReader(str(path), width=SIZE_PX, height=SIZE_PX, num_threads=1)
    except decord.DECORDError as error:
        raise RuntimeError(str(error)) from error
    numbers = [min(int(time * reader.get_avg_fps() + 1e-6), len(reader) - 1) for time in times]
    pictures = {number: encode_jpeg(reader[number].asnumpy()) for number in sorted(set(numbers))}
    return [pictures[number] for number in numbers]


def with_torchcodec(path: Path, times: Sequence[float], rate: float, folder: Path) -> list[bytes | None]:
    """Ask for the frames shown at the times, counted from the stream's own beginning."""
    from torch.nn.functional import interpolate
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(str(path), num_ffmpeg_threads=1, seek_mode="exact")
    pictures: list[bytes | None] = []
    for time in times:
        last = np.nextafter(decoder.metadata.end_stream_seconds, 0)
        frame = decoder.get_frame_played_at(min(time + decoder.metadata.begin_stream_seconds, last)).data
        small = interpolate(frame[None], size=(SIZE_PX, SIZE_PX), mode="bicubic", antialias=True)[0]
        pictures.append(encode_jpeg(np.ascontiguousarray(small.permute(1, 2, 0).numpy())))
    return pictures


def with_opencv(path: Path, times: Sequence[float], rate: float, folder: Path) -> list[bytes | None]:
    """Ask for frame numbers, which are time x rate."""
    import cv2

    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    pictures: list[bytes | None] = []
    for time in times:
        video.set(cv2.CAP_PROP_POS_FRAMES, int(time * video.get(cv2.CAP_PROP_FPS) + 1e-6))
        there, frame = video.read()
        small: Any = cv2.resize(frame, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA) if there else None
        pictures.append(encode_jpeg(np.ascontiguousarray(small[:, :, ::-1])) if there else None)
    return pictures


MODULES = {"decord": "decord", "torchcodec": "torchcodec", "opencv": "cv2"}
LIBRARIES: dict[str, Way] = {"decord": with_decord, "torchcodec": with_torchcodec, "opencv": with_opencv}


def installed_libraries() -> dict[str, Way]:
    """Return those of LIBRARIES that can be imported here."""
    return {name: way for name, way in LIBRARIES.items() if importlib.util.find_spec(MODULES[name]) is not None}
