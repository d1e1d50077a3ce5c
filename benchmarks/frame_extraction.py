"""Frames out of videos: their exactness, the decoded share, and the CPU time compared with other ways.

    python -m benchmarks.frame_extraction            # frame_extraction.json; about ten CPU minutes, 10 GB of scratch

Films of 1080p are encoded for it (extraction/films.py) and cut as densely as EPIC-KITCHENS-100 is annotated. CPU
seconds are compared, one thread each, all ways on the same film in the same run.
"""

import argparse
import os
import tempfile
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any

import av

from benchmarks.extraction.cpu import cpu_of
from benchmarks.extraction.exactness import all_clips, damaged_clip, decoding, exact_percent, pictures_by, real_clips
from benchmarks.extraction.films import CRF, FILM_RATE, X264_SETTINGS, film, segment_times
from benchmarks.extraction.hour import HC_FRAMES, HC_HOURS, HC_VIDEOS, hc_hours, measure_hour
from benchmarks.extraction.libraries import LIBRARIES, installed_libraries
from benchmarks.extraction.limit import Limit
from benchmarks.extraction.resizes import compare_resizes
from benchmarks.extraction.ways import WAYS
from benchmarks.recording import record
from tests.support.clips import Clip

QUESTION = "Are the frames exact, is no more decoded than they need, and what CPU does it take beside other ways?"
NUM_TURNS = 3
"""Turns that the reader and its limit take on a film, in alternation; the median counts. Other ways take one."""
ALTERNATIVES = ("ffmpeg_per_frame", "select", "extract_all")
"""The ways of WAYS that are in common use today."""


def measure_film(path: Path, seconds: int) -> dict[str, Any]:
    """Cut the segments of a film by every way; return CPU seconds, exact shares, and frames decoded."""
    numbers = list(range(seconds * FILM_RATE))
    clip = Clip(path=path, numbers=numbers, times_s=[Fraction(number, FILM_RATE) for number in numbers])
    times = sorted(time for segment in segment_times(seconds) for time in segment)
    ways = WAYS | installed_libraries()
    limit = Limit(path, sorted({clip.on_screen(time) for time in times}))
    cpu_s: dict[str, list[float]] = {name: [] for name in ("limit", *ways)}
    exact: dict[str, float] = {}
    for turn in range(NUM_TURNS):
        cpu_s["limit"].append(cpu_of(limit.run)[0])
        for name in ways if turn == 0 else ("project",):
            spent_s, pictures = cpu_of(lambda way=ways[name]: pictures_by(way, path, times, FILM_RATE))
            cpu_s[name].append(spent_s)
            exact[name] = round(exact_percent(clip, times, pictures), 1)
    limit.close()
    return {
        "frames_wanted": len(set(map(clip.on_screen, times))),
        "file_mb": round(path.stat().st_size / 1e6, 1),
        "cpu_s": {name: round(median(spent), 2) for name, spent in cpu_s.items()},
        "exact_percent": exact,
    } | decoding(clip, times)


def measures_of(films: dict[str, Any], clips: dict[str, Any], real: tuple[int, int] | None) -> dict[str, float]:
    """Return the wanted numbers from the measurements on films, machine-readable clips and real clips."""
    rows = [*films.values(), *clips.values()]
    exact = [row["exact_percent"]["project"] for row in rows] + ([100 * real[0] / real[1]] if real else [])
    cpu = {kind: row["cpu_s"] for kind, row in films.items()}
    measures = {
        "exact_percent": round(min(exact), 2),
        "decoded_over_minimal": max(row["decoded_over_minimal"] for row in rows if "minimal" in row),
        "cpu_over_limit": round(max(cpu_s["project"] / cpu_s["limit"] for cpu_s in cpu.values()), 3),
    }
    for way in ALTERNATIVES:
        for kind, cpu_s in cpu.items():
            measures[f"speedup_over_{way}_{kind}"] = round(cpu_s[way] / cpu_s["project"], 2)
    return measures


def notes(real: tuple[int, int] | None) -> list[str]:
    """Return notes on the meaning and the limits of the numbers."""
    missing = sorted(set(LIBRARIES) - set(installed_libraries()))
    return [
        "exact_percent is the lowest of all films, machine-readable clips and real clips; decoded_over_minimal and "
        "cpu_over_limit are the highest.",
        "Minimal is counted in the bitstream: from the wanted frame's keyframe on, without frames that nobody wants "
        "and no other refers to. AVI and raw streams have no presentation times and are counted from their first "
        "frame by definition; they stand apart, as do files with damaged packets, which are decoded whole.",
        "Decoded are frames that the decoder gave out: those that an edit list cuts away, that are hidden or that lead "
        "an open group are not, so that the ratio falls below 1 there.",
        "The limit decodes the minimal packets from memory, with the same resize and the same JPEG encoder.",
        "short_gop is like a GoPro's stream, not one: a keyframe every 8 frames and no B-frames. Both films are "
        f"encoded with preset ultrafast, crf {CRF} and {X264_SETTINGS}.",
        "The reader and its limit make 512 px pictures by LANCZOS and JPEGs of quality 95, 4:4:4; the ffmpeg program "
        "makes 512 px by its default, bicubic, and JPEGs by -q:v 2, which costs less; extract_all makes 256 px.",
        *([f"Not installed where this ran, and so not beside them: {', '.join(missing)}."] if missing else []),
        *([] if real else ["There were no real clips where this ran."]),
    ]


def real_clips_folder() -> Path | None:
    """Return the folder of real clips, by EDITACTION_REAL_DATA, or None."""
    folder = Path(os.environ.get("EDITACTION_REAL_DATA", "../shared/data")) / "videos"
    return folder if folder.is_dir() else None


def measure(scratch: Path, film_s: int, num_repeats: int) -> None:
    """Measure everything in the folder `scratch` and record it. The hour is a film repeated `num_repeats` times."""
    clip_ways = {name: WAYS[name] for name in ("project", "ffmpeg_per_frame", "select")} | installed_libraries()
    clips = all_clips(scratch, clip_ways)
    damaged = damaged_clip(scratch)
    folder = real_clips_folder()
    real = real_clips(folder) if folder else None
    films = {}
    for kind in X264_SETTINGS:
        films[kind] = measure_film(film(kind, scratch, film_s), film_s)
    resizes = compare_resizes(scratch / "short_gop.mp4")
    hour = measure_hour(scratch / "short_gop.mp4", scratch, film_s, num_repeats)
    per_frame_s = {kind: row["cpu_s"]["project"] / row["frames_wanted"] for kind, row in films.items()}
    per_frame_s["short_gop"] = hour["cpu_s"] / hour["frames"]
    record(
        "frame_extraction",
        QUESTION,
        measures_of(films, clips, real) | {"hour_peak_memory_mb": hour["peak_memory_mb"]},
        film_s=film_s,
        films=films,
        hour=hour,
        expected_hours_for_hc={
            "of": f"{HC_VIDEOS} videos, {HC_HOURS} h, {HC_FRAMES} frames; one process per core, never less than the "
            "longest video takes; waiting for the disk is not counted",
            **{kind: hc_hours(seconds) for kind, seconds in per_frame_s.items()},
        },
        clips=clips,
        slow_for_every_exact_way=[name for name, row in clips.items() if row["read_by"] != "plan"],
        damaged=damaged,
        real_clips={"exact": real[0], "asked": real[1]} if real else None,
        resizes=resizes,
        versions={name: ".".join(map(str, av.library_versions[name])) for name in ("libavcodec", "libswscale")},
        notes=notes(real),
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--film-s", type=int, default=60, help="seconds of each film")
    parser.add_argument("--repeats", type=int, default=60, help="how often a film is repeated to make the long video")
    parser.add_argument("--scratch", type=Path, help="folder for films and pictures; default: the system's for such")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        measure(Path(scratch), arguments.film_s, arguments.repeats)


if __name__ == "__main__":
    main()
