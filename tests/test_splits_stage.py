"""Which pairs are trained on and which are tested on."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from evaluation.kitchen.actions import apply_action, sample_action
from evaluation.kitchen.world import PLACES, draw, random_scene
from modeling.data.images import squash
from tasks.config import SplitsConfig
from tasks.splits import MIN_CAMERA_SHIFT, assign_splits, camera_shift, splits
from tests.drawn_frames import draw_frames, drawn_row

ROWS = [drawn_row(number) for number in range(60)]
SHIFTS = {row["segment_id"]: number / 60 for number, row in enumerate(ROWS) if row["end_point"]}


def members(assigned, split):
    return {segment_id for segment_id, each in assigned.items() if each == split}


@settings(max_examples=40, deadline=None)
@given(order=st.permutations(ROWS), seed=st.integers(0, 1000), num_test=st.integers(0, 30))
def test_the_split_is_disjoint_complete_exact_and_never_depends_on_order(order, seed, num_test):
    config = SplitsConfig(num_test=num_test, num_long_distance=6, num_validation=4, seed=seed)
    assigned = assign_splits(order, SHIFTS, config)
    assert assigned == assign_splits(ROWS, SHIFTS, config)
    assert set(assigned) == {row["segment_id"] for row in ROWS}
    assert len(members(assigned, f"test{num_test}")) == num_test
    assert (len(members(assigned, "long6")), len(members(assigned, "validation"))) == (6, 4)
    assert len(members(assigned, "train")) == 50 - num_test


def test_another_seed_draws_another_test_set():
    config = SplitsConfig(num_test=20)
    drawn = [members(assign_splits(ROWS, {}, replace(config, seed=seed)), "test20") for seed in (0, 1)]
    assert drawn[0] != drawn[1]


def test_removing_a_training_pair_moves_no_other_pair():
    """So one video more or less hardly changes what is tested."""
    config = SplitsConfig(num_test=10)
    assigned = assign_splits(ROWS, {}, config)
    gone = sorted(members(assigned, "train"))[0]
    assert assign_splits([row for row in ROWS if row["segment_id"] != gone], {}, config) == {
        segment_id: split for segment_id, split in assigned.items() if segment_id != gone
    }


def test_long_distance_pairs_are_those_whose_view_moved_most():
    assigned = assign_splits(ROWS, SHIFTS, SplitsConfig(num_test=0, num_long_distance=5))
    assert members(assigned, "long5") == set(sorted(SHIFTS, key=SHIFTS.__getitem__)[-5:])


def test_test_pairs_may_be_drawn_among_those_without_overlap_only():
    overlapping = {row["segment_id"] for row in ROWS if row["overlaps"]}
    config = SplitsConfig(num_test=30, num_long_distance=3, test_without_overlap=True)
    assigned = assign_splits(ROWS, SHIFTS, config)
    assert not overlapping & (members(assigned, "test30") | members(assigned, "long3"))
    assert overlapping & members(assign_splits(ROWS, SHIFTS, replace(config, test_without_overlap=False)), "test30")


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (SplitsConfig(num_test=500), "test500"),
        (SplitsConfig(num_test=60), "train"),
        (SplitsConfig(num_test=49, test_without_overlap=True), "test49"),
        (SplitsConfig(num_test=1, num_long_distance=21), "long21"),
        (SplitsConfig(num_test=10, num_validation=51), "validation"),
    ],
)
def test_too_few_pairs_is_an_error_that_says_what_to_do(config, name):
    with pytest.raises(ValueError, match=f"{name} cannot be filled.*Give more videos, or lower num_test"):
        assign_splits(ROWS, SHIFTS, config)


def smooth_noise(side, seed=0):
    coarse = np.random.default_rng(seed).integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))


@pytest.mark.parametrize(("right_px", "down_px"), [(0, 0), (20, 0), (0, 50), (30, 40), (-60, 15)])
def test_camera_shift_is_the_distance_that_the_view_panned(right_px, down_px):
    scene = smooth_noise(512)
    views = [scene[y : y + 256, x : x + 256] for y, x in ((100, 100), (100 + down_px, 100 + right_px))]
    assert camera_shift(*views) == pytest.approx(np.hypot(right_px, down_px) / 256, abs=0.015)


def test_a_thing_that_moves_before_a_still_background_is_no_camera_shift():
    before, after = (smooth_noise(256).copy() for _ in range(2))
    before[30:90, 30:90] = after[150:210, 160:220] = (255, 0, 0)
    assert camera_shift(before, after) == 0


def test_in_the_kitchen_a_panned_view_is_told_from_an_action_before_a_still_camera():
    rng = np.random.default_rng(0)
    shifts = {"panned": [], "still": []}
    for number in range(60):
        before = random_scene(rng, min_things=2, max_things=5, places=PLACES)
        after = apply_action(before, sample_action(rng, before, PLACES))
        view = number % 2
        for camera, view_after in (("panned", 1 - view), ("still", view)):
            shifts[camera].append(camera_shift(squash(draw(before, view), 96), squash(draw(after, view_after), 96)))
    assert max(shifts["still"]) < MIN_CAMERA_SHIFT
    assert np.mean([shift == pytest.approx(1 / 3, abs=0.02) for shift in shifts["panned"]]) > 0.85


def test_the_stage_splits_frames_and_says_how_the_long_set_was_chosen(tmp_path):
    frames = draw_frames(tmp_path, num_pairs=24, size_px=64)
    config = SplitsConfig(num_test=4, num_long_distance=2, num_validation=3)
    artifact = splits.run(tmp_path, "t", config, frames=frames.path)
    records = list(artifact.records())
    assert [row["segment_id"] for row in records] == [row["segment_id"] for row in frames.records()]
    assert artifact.manifest["facts"]["split_sizes"] == {"long2": 2, "test4": 4, "train": 15, "validation": 3}
    assert artifact.manifest["facts"]["long_distance"]["chosen"] == "automatically"
    assert all(row["camera_shift"] > 0.05 for row in records if row["split"] == "long2")


@pytest.mark.parametrize(("num_pairs", "sizes"), [(40, {"test8": 8, "train": 32}), (2, {"test1": 1, "train": 1})])
def test_a_small_table_gives_a_share_of_its_pairs_and_the_set_is_named_by_its_size(num_pairs, sizes, tmp_path):
    frames = draw_frames(tmp_path, num_pairs=num_pairs)
    config = SplitsConfig(num_test=500, max_test_share=0.2)
    artifact = splits.run(tmp_path, "t", config, frames=frames.path)
    assert artifact.manifest["facts"]["split_sizes"] == sizes
