"""A drawn `frames` artifact, for tests of the stages that read one."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from modeling.data.images import encode_png
from tasks.artifacts.artifact import Artifact, Record
from tasks.artifacts.stage import stage
from tasks.artifacts.work import Work
from tasks.cutting.quality import look_at, quality_of


@dataclass(frozen=True, kw_only=True)
class DrawnFrames:
    """What to draw."""

    num_pairs: int = 12
    """Number of pairs; every third names an end point, every fifth overlaps another."""
    size_px: int = 16
    """Side of the pictures in pixels."""
    seed: int = 0
    """The seed of the pixels."""


def drawn_row(number: int) -> Record:
    """Return the row of a pair, without its pictures."""
    end_point = "on table" if number % 3 == 0 else ""
    return {
        "segment_id": f"v{number % 4}-{number:06d}",
        "video_id": f"v{number % 4}",
        "start_s": number + 0.5,
        "stop_s": number + 1.25,
        "start_frame": None,
        "stop_frame": None,
        "instruction": f"put plate {number} {end_point}".strip(),
        "verb": "put",
        "object": f"plate {number}",
        "start_point": "",
        "end_point": end_point,
        "group": f"v{number % 4}",
        "overlaps": number % 5 == 0,
        "source_frame_index": 25 * number,
        "edited_frame_index": 25 * number + 19,
        "source_sharpness": 0.5,
        "edited_sharpness": 0.5,
        "source_brightness": 0.5,
        "edited_brightness": 0.5,
        "change": 0.1,
        "camera_shift": number / 100,
        "camera_certainty": 0.9,
        "motion": 0.1,
        "scene_cut": 0.1,
        "source_hash": f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}",
        "edited_hash": f"{number * 0xC2B2AE3D27D4EB4F % 2**64:016x}",
    }


@stage
def frames(work: Work, config: DrawnFrames) -> None:
    """Draw pairs of noise.

    The second picture is the first one, shifted sideways by as many pixels as the pair's number.
    """
    (work.path / "images").mkdir(exist_ok=True)
    rows = []
    for number in range(config.num_pairs):
        rng = np.random.default_rng([config.seed, number])
        before = rng.integers(0, 256, (config.size_px, config.size_px, 3), dtype=np.uint8)
        after = np.roll(before, number, axis=1)
        row = drawn_row(number) | quality_of(look_at(before), look_at(after))
        for name, picture in (("source", before), ("edited", after)):
            row[f"{name}_image"] = f"images/{row['segment_id']}.{name}.png"
            (work.path / row[f"{name}_image"]).write_bytes(encode_png(picture))
        rows.append(row)
    work.write_rows(rows)


def draw_frames(workspace: Path, **config: int) -> Artifact:
    """Return a frames artifact of noise in `workspace`."""
    return frames.run(workspace, "drawn", DrawnFrames(**config))
