"""Ways to make a stored picture of a frame: the cost of each, and its distance from LANCZOS in full precision.

The reference resizes the Y, U and V planes as floats and converts them by the matrix of BT.709, without rounding before
the end. The stage `frames` uses `swscale_lanczos`.
"""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from numpy.typing import NDArray
from PIL import Image

from benchmarks.extraction.cpu import cpu_of
from benchmarks.extraction.ways import SIZE_PX
from modeling.data.images import squash
from tasks.video.decoding import to_rgb

NUM_FRAMES = 6
KR, KB = 0.2126, 0.0722
EXACTLY = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP


def by_swscale(flags: Interpolation) -> Callable[[VideoFrame], NDArray[np.uint8]]:
    """Return a resize by libswscale, straight from YUV."""

    def resize(frame: VideoFrame) -> NDArray[np.uint8]:
        small = frame.reformat(width=SIZE_PX, height=SIZE_PX, format="rgb24", interpolation=flags, threads=1)
        return small.to_ndarray()

    return resize


RESIZES: dict[str, Callable[[VideoFrame], NDArray[np.uint8]]] = {
    "swscale_lanczos": lambda frame: to_rgb(frame, SIZE_PX),
    "rgb_then_pil_lanczos": lambda frame: squash(to_rgb(frame), SIZE_PX),
    "swscale_bicubic": by_swscale(Interpolation.BICUBIC | EXACTLY),
    "swscale_area": by_swscale(Interpolation.AREA | EXACTLY),
    "swscale_lanczos_without_accurate_rounding": by_swscale(Interpolation.LANCZOS),
}


def reference(frame: VideoFrame) -> NDArray[np.float64]:
    """Resize and convert a limited-range BT.709 4:2:0 frame in full precision: [SIZE_PX, SIZE_PX, 3] in 0..255."""
    content, height, width = frame.to_ndarray(), frame.height, frame.width
    chroma = content[height:].reshape(2, height // 2, width // 2)
    planes = []
    for plane in (content[:height], *chroma):
        resized = Image.fromarray(plane.astype(np.float32)).resize((SIZE_PX, SIZE_PX), Image.Resampling.LANCZOS)
        planes.append(np.asarray(resized, np.float64))
    y, u, v = (planes[0] - 16) / 219, (planes[1] - 128) / 224, (planes[2] - 128) / 224
    r, b = y + 2 * (1 - KR) * v, y + 2 * (1 - KB) * u
    return np.stack([r, (y - KR * r - KB * b) / (1 - KR - KB), b], axis=2).clip(0, 1) * 255


def compare_resizes(path: Path) -> dict[str, dict[str, float]]:
    """Return milliseconds of CPU a frame, PSNR in dB and the mean error in levels of each way on frames of a film."""
    rows = {}
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        frames = [frame for _, frame in zip(range(NUM_FRAMES), container.decode(stream), strict=False)]
        exact = [reference(frame) for frame in frames]
        for name, resize in RESIZES.items():
            resize(frames[0])
            cpu_s, pictures = cpu_of(lambda resize=resize: [resize(frame) for frame in frames])
            errors = np.stack([picture - truth for picture, truth in zip(pictures, exact, strict=True)])
            rows[name] = {
                "cpu_ms": round(1000 * cpu_s / NUM_FRAMES, 1),
                "psnr_db": round(float(10 * np.log10(255**2 / np.mean(errors**2))), 2),
                "mean_error_levels": round(float(errors.mean()), 3),
            }
    return rows
