"""1080p films to measure on: a noisy picture under a moving camera, every frame with its number burnt in.

Two groupings of pictures: short as a GoPro writes them, and long as x264 does by default. Encoded with x264's fastest
preset, to whose stream the default's parts are added that cost decoding time: CABAC, deblocking, B-frames.
"""

import random
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image

from tasks.video.ffmpeg import ffmpeg_program
from tests.support.clips import BLOCK, HEIGHT, NUM_BITS, WIDTH, block_corners

FILM_WIDTH, FILM_HEIGHT, FILM_RATE = 1920, 1080, 50
SEGMENTS_A_MINUTE = 18.6
"""The density of EPIC-KITCHENS-100's extension (HC): 37 454 segments in 33.55 h."""
SEGMENT_S = (0.6, 2.0)
"""Shortest and longest segment; 1.3 s on average."""
CRF = 29
X264_SETTINGS = {
    "short_gop": "keyint=8:min-keyint=8:scenecut=0:bframes=0:ref=1:cabac=1:deblock=0,0",
    "long_gop": "keyint=250:bframes=3:b-adapt=0:b-pyramid=normal:ref=3:cabac=1:deblock=0,0",
}
"""short_gop: I and P pictures, a keyframe every 8, like GoPro's. long_gop: x264's defaults for both."""


def film(kind: str, folder: Path, seconds: int) -> Path:
    """Encode a film of one of X264_SETTINGS."""
    picture = folder / "surroundings.png"
    if not picture.exists():
        Image.fromarray(surroundings()).save(picture)
    path = folder / f"{kind}.mp4"
    # Repeated from memory: ffmpeg's -loop would decode the file for each frame.
    camera = "scale=out_color_matrix=bt709,format=yuv420p,loop=loop=-1:size=1,settb=1/50,setpts=N,"
    camera += f"crop={FILM_WIDTH}:{FILM_HEIGHT}:x='160+150*sin(n/37)':y='100+90*sin(n/23)',noise=alls=8:allf=t,"
    command = [ffmpeg_program(), "-v", "error", "-y", "-r", str(FILM_RATE), "-i", str(picture)]
    command += ["-vf", camera + burnt_in_number(), "-frames:v", str(seconds * FILM_RATE), "-threads", "1"]
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-crf", str(CRF), "-x264-params", X264_SETTINGS[kind]]
    command += ["-colorspace", "bt709", "-color_range", "tv", str(path)]
    subprocess.run(command, check=True)
    return path


def surroundings() -> np.ndarray:
    """Draw what the camera moves over: a texture with the 1/f spectrum of photographs; uint8 [1280, 2240, 3]."""
    rng = np.random.default_rng(0)
    height, width = 1280, 2240
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1
    textures = []
    for _ in range(4):
        noise = np.fft.rfft2(rng.standard_normal((height, width)))
        texture = np.fft.irfft2(noise / frequency**1.2, (height, width))
        textures.append(texture / texture.std())
    shared = textures.pop()
    return (128 + 45 * (shared[..., None] + 0.4 * np.stack(textures, axis=2))).clip(0, 255).astype(np.uint8)


def burnt_in_number() -> str:
    """Return the filters that draw the frame's number as in tests/support/clips.py, scaled to the film."""
    right, down = FILM_WIDTH // WIDTH, FILM_HEIGHT / HEIGHT
    filters = []
    for bit, (left, top) in enumerate(block_corners()):
        box = f"x={left * right}:y={int(top * down)}:w={BLOCK * right}:h={int(BLOCK * down)}:t=fill"
        filters.append(f"drawbox={box}:color=0x141414")
        filters.append(f"drawbox={box}:color=0xEBEBEB:enable='gt(bitand(n,{1 << (NUM_BITS - 1 - bit)}),0)'")
    return ",".join(filters)


def segment_times(seconds: float, seed: int = 0) -> list[tuple[float, float]]:
    """Draw start and stop of segments as dense as HC's, in hundredths of a second like its annotations."""
    rng = random.Random(seed)
    segments = []
    for _ in range(round(SEGMENTS_A_MINUTE * seconds / 60)):
        start = round(rng.uniform(0, seconds - SEGMENT_S[1] - 0.1), 2)
        segments.append((start, round(start + rng.uniform(*SEGMENT_S), 2)))
    return segments


def repeat(path: Path, times: int, target: Path) -> Path:
    """Repeat a film `times` times by copying its packets."""
    listing = target.with_suffix(".txt")
    listing.write_text(f"file '{path.absolute()}'\n" * times)
    command = [ffmpeg_program(), "-v", "error", "-y", "-f", "concat", "-safe", "0", "-i", str(listing)]
    subprocess.run([*command, "-c", "copy", str(target)], check=True)
    return target
