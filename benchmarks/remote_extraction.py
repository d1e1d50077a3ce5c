"""Pairs read directly from a server, compared with downloading the video first: bytes, exactness and time.

    python -m benchmarks.remote_extraction                # remote_extraction.json

An 8-minute 1080p50 video at the bit rate of a head camera lies on a server on this machine, limited to 20 MB/s for all
connections together. Asked for are the first and last frames of 149 segments of 1.3 s (the density of EPIC-KITCHENS'
extension) and of 20 segments. The alternative, in the same run: download the file, then cut the same pairs with the
same code. Every frame carries its number, which is read back from the pictures. One minute is encoded and repeated by
stream copy. Bytes are those that the server sent, the description of the video for the stage `videos` included.
"""

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np

from benchmarks.recording import record
from modeling.data.images import read_image
from tasks.annotations.segment import Segment
from tasks.config import FramesConfig, Patience
from tasks.cutting.pairs import VideoJob, VideoPairs
from tasks.cutting.remote_pairs import cut_video_anywhere
from tasks.fetching.downloads import Download, download_all
from tasks.fetching.opening import readable
from tasks.fetching.remote_video import RemoteVideo
from tasks.fetching.video_files import fingerprint
from tasks.video.ffmpeg import ffmpeg_program

WIDTH, HEIGHT, RATE = 1920, 1080, 50
FRAMES_A_MINUTE = 60 * RATE
MBIT_PER_S, MB_PER_S = 25, 20
SEGMENT_S = 1.3
GOPS = {"short_gop": "keyint=15:bframes=2:b-adapt=0", "long_gop": "keyint=250:bframes=3:b-adapt=0"}
NUM_SEGMENTS = {"dense": 149, "sparse": 20}
NUM_BITS = 12
SIZE_PX = 512


def draw_minute() -> Iterator[bytes]:
    """Yield grey frames of a textured scene that pans under a noisy sensor, each with its number in 12 blocks."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (68, 120), dtype=np.uint8).repeat(32, 0).repeat(32, 1)
    scene = (coarse // 2 + rng.integers(0, 80, coarse.shape, dtype=np.uint8)).astype(np.uint8)
    grain = rng.integers(0, 6, (4, HEIGHT, WIDTH), dtype=np.uint8)
    for number in range(FRAMES_A_MINUTE):
        top, left = int(500 + 400 * np.sin(number / 90)), int(900 + 800 * np.sin(number / 140))
        frame = scene[top : top + HEIGHT, left : left + WIDTH] + grain[number % 4]
        for bit in range(NUM_BITS):
            frame[40:140, 40 + 150 * bit : 160 + 150 * bit] = 235 if number >> bit & 1 else 20
        yield frame.tobytes()


def read_number(picture: np.ndarray) -> int:
    """Read the number back from a picture squashed to a square."""
    row, column = 90 * SIZE_PX // HEIGHT, SIZE_PX / WIDTH
    centres = [int((100 + 150 * bit) * column) for bit in range(NUM_BITS)]
    return sum(
        int(picture[row - 8 : row + 8, centre - 4 : centre + 4].mean() > 128) << bit
        for bit, centre in enumerate(centres)
    )


def encode_video(path: Path, x264: str, minutes: int) -> None:
    """Encode a minute, and repeat it by stream copy."""
    minute = path.with_name(f"minute-{path.name}")
    command = [ffmpeg_program(), "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{WIDTH}x{HEIGHT}"]
    command += ["-r", str(RATE), "-i", "-", "-c:v", "libx264", "-preset", "superfast", "-pix_fmt", "yuv420p"]
    rate = [f"{MBIT_PER_S}M"]
    command += ["-b:v", *rate, "-maxrate", *rate, "-bufsize", *rate, "-x264-params", x264, "-threads", "1", str(minute)]
    encoder = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert encoder.stdin is not None
    for frame in draw_minute():
        encoder.stdin.write(frame)
    encoder.stdin.close()
    assert encoder.wait() == 0
    repeat = [ffmpeg_program(), "-v", "error", "-y", "-stream_loop", str(minutes - 1), "-i", str(minute), "-c", "copy"]
    subprocess.run([*repeat, str(path)], check=True)
    minute.unlink()


def draw_segments(number: int, minutes: int) -> tuple[Segment, ...]:
    """Draw segments anywhere in the video."""
    rng = random.Random(number)
    starts = sorted(round(rng.uniform(0, minutes * 60 - SEGMENT_S - 0.1), 2) for _ in range(number))
    return tuple(
        Segment(
            segment_id=f"v-{place:04d}",
            video_id="v",
            start_s=start,
            stop_s=round(start + SEGMENT_S, 2),
            instruction="open door",
        )
        for place, start in enumerate(starts)
    )


def num_exact(folder: Path, pairs: VideoPairs) -> int:
    """Count the pictures that show the frame on screen at their moment."""
    exact = 0
    for row in pairs.kept:
        for which, time_s in (("source", row["start_s"]), ("edited", row["stop_s"])):
            expected = round(time_s * 100) * RATE // 100
            number = read_number(read_image(folder / row[f"{which}_image"]))
            exact += row[f"{which}_frame_index"] == expected and number == expected % FRAMES_A_MINUTE
    return exact


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Serve a folder from a process of its own."""
    command = [sys.executable, "-m", "tests.support.http_server", str(folder), "--mb-per-s", str(MB_PER_S)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def num_sent(url: str) -> int:
    return int(httpx.get(f"{url}/-/sent").text)


def timed(work: Callable[[], VideoPairs | None]) -> tuple[VideoPairs | None, float, float]:
    """Return the result of `work`, its wall-clock and its CPU seconds."""
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    result = work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return result, time.monotonic() - began, cpu_s


def compare(video: Path, url: str, folder: Path, minutes: int) -> dict[str, dict[str, float]]:
    """Cut dense and sparse pairs of one video in both ways."""
    address, size = f"{url}/{video.name}", video.stat().st_size
    remote = RemoteVideo(url=address, size=size, cache=folder)
    copy = folder / "copy.mp4"

    def download() -> None:
        [(_, error)] = download_all(
            [Download(name="v", urls=(address,), target=copy)], connections=1, patience=Patience()
        )
        assert error is None

    def describe_and_cut(job: VideoJob) -> VideoPairs:
        with readable(remote) as file:
            assert fingerprint(file) == job.fingerprint
        return cut_video_anywhere(job)

    _, download_s, download_cpu_s = timed(download)
    results: dict[str, dict[str, float]] = {}
    for density, number in NUM_SEGMENTS.items():
        result = {"download_s": download_s, "download_cpu_s": download_cpu_s}
        for way, path in (("ranges", remote), ("local", copy)):
            out = folder / f"{video.stem}-{density}-{way}"
            job = VideoJob(
                video_id="v",
                path=path,
                fingerprint=fingerprint(copy),
                segments=draw_segments(number, minutes),
                config=FramesConfig(size_px=SIZE_PX),
                folder=out,
            )
            cut = describe_and_cut if way == "ranges" else cut_video_anywhere
            sent = num_sent(url)
            pairs, wall_s, cpu_s = timed(lambda cut=cut, job=job: cut(job))  # type: ignore[misc]
            assert pairs is not None
            share = (num_sent(url) - sent) / size
            exact = num_exact(out, pairs) / (2 * number)
            result |= {f"{way}_s": wall_s, f"{way}_cpu_s": cpu_s, f"{way}_exact": exact, f"{way}_bytes": share}
        result["speedup"] = (download_s + result["local_s"]) / result["ranges_s"]
        result["pairs_per_s"] = number / result["ranges_s"]
        result["pairs_per_s_download"] = number / (download_s + result["local_s"])
        results[density] = result
        print(video.stem, density, {name: round(value, 3) for name, value in result.items()}, flush=True)
    copy.unlink()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=int, default=8)
    minutes = parser.parse_args().minutes
    measures: dict[str, float] = {}
    exact: list[float] = []
    sizes_mb = {}
    with tempfile.TemporaryDirectory(prefix="remote_extraction-") as temporary:
        served, own = Path(temporary) / "served", Path(temporary) / "own"
        served.mkdir()
        own.mkdir()
        for gop, x264 in GOPS.items():
            encode_video(served / f"{gop}.mp4", x264, minutes)
            sizes_mb[gop] = round((served / f"{gop}.mp4").stat().st_size / 1e6)
        with server(served) as url:
            for gop in GOPS:
                ending = "" if gop == "short_gop" else f"_{gop}"
                for density, result in compare(served / f"{gop}.mp4", url, own, minutes).items():
                    measures[f"{density}_bytes_over_file{ending}"] = round(result["ranges_bytes"], 4)
                    name = "speedup_over_download" if density == "dense" else "speedup_over_download_sparse"
                    measures[f"{name}{ending}"] = round(result["speedup"], 2)
                    for measure in ("pairs_per_s", "pairs_per_s_download", "ranges_cpu_s", "local_cpu_s"):
                        measures[f"{density}_{measure}{ending}"] = round(result[measure], 2)
                    exact += [result["ranges_exact"]]
    measures["exact_percent"] = round(100 * min(exact), 2)
    record(
        "remote_extraction",
        "What part of a remote video do its pairs need, are they exact, and how much sooner are they there than after "
        "a download of the whole video?",
        measures,
        video=f"{minutes} min of 1080p50 H.264 at {MBIT_PER_S} Mbit/s (one minute repeated), {sizes_mb} MB",
        segments=f"{NUM_SEGMENTS} of {SEGMENT_S} s; without ending: short GOP ({GOPS['short_gop']}), dense",
        server=f"on this machine, {MB_PER_S} MB/s for all connections together",
        alternative="the same pairs by the same code after a download of the whole file, one core",
        clock="seconds are wall-clock with other load on the machine, which slows the computing of both ways alike",
    )


if __name__ == "__main__":
    main()
