"""Made pairs of still and panning views, with and without hands -> how often `camera_shift` tells them apart.

    python -m benchmarks.camera            # camera.json; half a minute

Backgrounds are drawn, and frames of the real clips where there are some (EDITACTION_REAL_DATA); nothing was chosen on
these backgrounds and seeds. Pairs of real clips on a tripod stand beside them: there every shift is an error. So do
pairs of real clips whose camera evidently pans.
"""

import itertools
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.frame_extraction import real_clips_folder
from benchmarks.recording import record
from modeling.data.images import Picture
from tasks.cutting.camera import camera_shift
from tasks.cutting.quality import Appearance, look_at
from tasks.cutting.readings import has_moved
from tasks.splitting.candidates import DOUBTFUL
from tasks.video.exact_frames import Moment, Shown, read_moments
from tests.support.moving_views import SIDE, clouds, kinds, leaves, view_of

QUESTION = "How often is it told from two pictures whether the camera moved, with a hand in view?"
NUM_DRAWN = 10
SEED = 20261126
REAL_BACKGROUNDS = (
    ("media3__bbb_800x640_768kbps_30fps_avc_2b_firstpts_10_sec.mp4", 60),
    ("media3__pixel-motion-photo-2-hevc-tracks.mp4", 3),
    ("media3__sample_fragmented.mp4", 8),
    ("media3__sample_with_increasing_timestamps_320w_240h.mp4", 12),
    ("decord__unordered.mov", 4),
    ("exo__video_desks.3gp", 20),
)
TRIPODS = ("sam2__04_coffee.mp4", "sam2__03_blocks.mp4", "decord__flipping_a_pancake.mkv")
TRIPOD_FRAMES = range(5, 260, 15)
PANS = {
    "exo__video_desks.3gp": range(0, 61, 20),
    "media3__sample_edit_list.mp4": range(0, 76, 25),
    "media3__sample_with_increasing_timestamps_320w_240h.mp4": range(0, 901, 60),
}
"""Frames of clips whose camera pans; each is compared with the next."""


def backgrounds(rng: np.random.Generator) -> list[Picture]:
    """Return drawn backgrounds and those out of real clips, uint8 [2 SIDE, 2 SIDE, 3]."""
    drawn = [leaves(rng) if number % 2 else clouds(rng, rng.uniform(1, 1.4)) for number in range(NUM_DRAWN)]
    folder = real_clips_folder()
    for name, index in REAL_BACKGROUNDS if folder is not None else ():
        assert folder is not None
        [outcome] = read_moments(folder / name, [Moment(index=index)], Image.fromarray).outcomes
        assert isinstance(outcome, Shown)
        image = outcome.kept
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        drawn.append(np.asarray(image.crop((left, top, left + side, top + side)).resize((2 * SIDE, 2 * SIDE))))
    return drawn


def tripod_pairs() -> list[tuple[Appearance, Appearance]]:
    """Return pairs of frames of clips whose camera stands still; none where there are no real clips."""
    pairs: list[tuple[Appearance, Appearance]] = []
    folder = real_clips_folder()
    for name in TRIPODS if folder is not None else ():
        assert folder is not None
        pairs += itertools.combinations(looks_of(folder / name, TRIPOD_FRAMES), 2)
    return pairs


def panning_pairs() -> list[tuple[Appearance, Appearance]]:
    """Return pairs of frames of clips whose camera pans; none where there are no real clips."""
    folder = real_clips_folder()
    if folder is None:
        return []
    return [pair for name, frames in PANS.items() for pair in itertools.pairwise(looks_of(folder / name, frames))]


def looks_of(clip: Path, frames: range) -> list[Appearance]:
    """Return the measurements of some frames of a clip."""
    outcomes = read_moments(clip, [Moment(index=index) for index in frames], look_at).outcomes
    return [shown.kept for shown in outcomes if isinstance(shown, Shown)]


def percent(rows: list[tuple[bool, bool, bool]], column: int) -> float:
    """Return the share of a column in percent."""
    return round(100 * float(np.mean([row[column] for row in rows])), 1) if rows else float("nan")


def main() -> None:
    """Measure and record."""
    rng = np.random.default_rng(SEED)
    told: dict[str, list[tuple[bool, bool, bool]]] = defaultdict(list)
    for background, kind in itertools.product(backgrounds(rng), list(kinds())):
        view = view_of(rng, background, *kind)
        shift, certainty = camera_shift(look_at(view.before).grey, look_at(view.after).grey)
        told[view.kind].append((has_moved(shift) is view.has_moved, view.px_off(shift) <= 1.5, certainty < DOUBTFUL))
    rows = [row for rows in told.values() for row in rows]
    real = [camera_shift(before.grey, after.grey) for before, after in tripod_pairs()]
    panning = [camera_shift(before.grey, after.grey) for before, after in panning_pairs()]
    cameras = {
        camera: [row for kind, rows in told.items() if kind.startswith(camera) for row in rows]
        for camera in ("still", "pan")
    }
    measures: dict[str, float] = {
        "told_percent": percent(rows, 0),
        **{f"told_percent_{camera}": percent(of_camera, 0) for camera, of_camera in cameras.items()},
        "within_1_5_px_percent": percent(rows, 1),
        "wrong_in_doubt_percent": percent([row for row in rows if not row[0]], 2),
        "right_in_doubt_percent": percent([row for row in rows if row[0]], 2),
        "tripod_told_moved": sum(has_moved(shift) for shift, _ in real),
        "tripod_pairs": len(real),
        "panning_told_moved": sum(has_moved(shift) for shift, _ in panning),
        "panning_pairs": len(panning),
    }
    by_kind: dict[str, Any] = {
        kind: {
            "pairs": len(of_kind),
            "told": percent(of_kind, 0),
            "within_1_5_px": percent(of_kind, 1),
            "in_doubt": percent(of_kind, 2),
        }
        for kind, of_kind in told.items()
    }
    record("camera", QUESTION, measures, num_pairs=len(rows), by_kind=by_kind)


if __name__ == "__main__":
    main()
