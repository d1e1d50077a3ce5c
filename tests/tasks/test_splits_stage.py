"""The pairs that are trained on and the pairs that are tested on, and how much the test pairs were seen in training."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.artifacts.artifact import Outside, sha256_of
from tasks.config import QualityLimits, SplitsConfig
from tasks.splits import splits
from tasks.splitting.assignment import assign_splits, cheapest_groups
from tests.support.drawn_frames import draw_frames, drawn_row

ROWS = [drawn_row(number) | {"camera_shift": number / 60} for number in range(60)]
MANY = [drawn_row(number) | {"video_id": f"v{number % 23}", "group": f"p{number % 5}"} for number in range(200)]


def members(assigned, split):
    return {segment_id for segment_id, of in assigned.items() if of == split}


@settings(max_examples=40, deadline=None)
@given(order=st.permutations(ROWS), seed=st.integers(0, 1000), num_test=st.integers(0, 30))
def test_the_split_is_disjoint_complete_exact_and_never_depends_on_order(order, seed, num_test):
    config = SplitsConfig(num_test=num_test, num_long_distance=6, num_validation=4, seed=seed)
    assigned = assign_splits(order, config).splits
    assert assigned == assign_splits(ROWS, config).splits
    assert set(assigned) == {row["segment_id"] for row in ROWS}
    assert len(members(assigned, f"test{num_test}")) == num_test
    assert (len(members(assigned, "long6")), len(members(assigned, "validation"))) == (6, 4)
    assert len(members(assigned, "train")) == 50 - num_test


def test_another_seed_draws_another_test_set():
    config = SplitsConfig(num_test=20)
    drawn = [members(assign_splits(ROWS, replace(config, seed=seed)).splits, "test20") for seed in (0, 1)]
    assert drawn[0] != drawn[1]


def test_removing_a_training_pair_moves_no_other_pair():
    """So one video more or less hardly changes the test set."""
    config = SplitsConfig(num_test=10)
    assigned = assign_splits(ROWS, config).splits
    gone = sorted(members(assigned, "train"))[0]
    assert assign_splits([row for row in ROWS if row["segment_id"] != gone], config).splits == {
        segment_id: split for segment_id, split in assigned.items() if segment_id != gone
    }


def test_long_distance_pairs_are_those_with_an_end_point_whose_view_moved_most():
    assigned = assign_splits(ROWS, SplitsConfig(num_test=0, num_long_distance=5)).splits
    ends = [row["segment_id"] for row in ROWS if row["end_point"]]
    assert members(assigned, "long5") == set(ends[-5:])


def test_test_pairs_may_be_drawn_among_those_without_overlap_only():
    overlapping = {row["segment_id"] for row in ROWS if row["overlaps"]}
    config = SplitsConfig(num_test=30, num_long_distance=3, test_without_overlap=True)
    assigned = assign_splits(ROWS, config).splits
    assert not overlapping & (members(assigned, "test30") | members(assigned, "long3"))
    assert overlapping & members(assign_splits(ROWS, replace(config, test_without_overlap=False)).splits, "test30")


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (SplitsConfig(num_test=500), "test500"),
        (SplitsConfig(num_test=60), "train"),
        (SplitsConfig(num_test=49, test_without_overlap=True), "test49"),
        (SplitsConfig(num_test=1, num_long_distance=21), "long21"),
        (SplitsConfig(num_test=10, num_validation=51), "validation"),
        (SplitsConfig(num_test=46, method="video-disjoint"), "train"),
        (SplitsConfig(num_test=61, method="participant-disjoint"), "test61"),
    ],
)
def test_too_few_pairs_is_an_error_that_says_what_to_do(config, name):
    with pytest.raises(ValueError, match=f"{name} cannot be filled.*Give more videos, or lower num_test"):
        assign_splits(ROWS, config)


@settings(max_examples=30, deadline=None)
@given(
    method=st.sampled_from([("video-disjoint", "video_id"), ("participant-disjoint", "group")]),
    seed=st.integers(0, 1000),
    num_test=st.integers(1, 40),
    num_long=st.integers(0, 5),
    num_validation=st.integers(0, 12),
)
def test_in_a_disjoint_split_no_group_is_on_two_sides_and_sizes_are_exact(
    method, seed, num_test, num_long, num_validation
):
    name, column = method
    config = SplitsConfig(
        method=name, num_test=num_test, num_long_distance=num_long, num_validation=num_validation, seed=seed
    )
    made = assign_splits(MANY, config)
    assert made.splits.keys().isdisjoint(made.left_out)
    assert made.splits.keys() | made.left_out.keys() == {row["segment_id"] for row in MANY}
    sides = {"train": set(), "validation": set(), "test": set()}
    for row in MANY:
        if row["segment_id"] in made.splits:
            split = made.splits[row["segment_id"]]
            sides[split if split in sides else "test"].add(row[column])
    assert (
        not sides["train"] & sides["test"] | sides["train"] & sides["validation"] | sides["test"] & sides["validation"]
    )
    sizes = {split: len(members(made.splits, split)) for split in set(made.splits.values())}
    wanted = {f"test{num_test}": num_test, f"long{num_long}": num_long, "validation": num_validation}
    assert {split: sizes.get(split, 0) for split in wanted} == wanted
    assert sizes["train"] > 0
    kind = name.split("-")[0]
    assert set(made.left_out.values()) <= {f"{kind}_in_test", f"{kind}_in_validation"}


@pytest.mark.parametrize("num_validation", [0, 12])
def test_each_pair_that_is_left_out_shares_its_video_with_the_set_that_its_reason_names(num_validation):
    config = SplitsConfig(method="video-disjoint", num_test=12, num_validation=num_validation)
    made = assign_splits(MANY, config)
    video = {row["segment_id"]: row["video_id"] for row in MANY}
    videos_of = {
        split: {video[segment_id] for segment_id in members(made.splits, split)} for split in set(made.splits.values())
    }
    reasons = {"video_in_test": "test12", "video_in_validation": "validation"}
    assert made.left_out
    assert set(made.left_out.values()) == {"video_in_test"} | ({"video_in_validation"} if num_validation else set())
    for segment_id, reason in made.left_out.items():
        assert video[segment_id] in videos_of[reasons[reason]]


def test_training_pairs_beyond_the_number_asked_are_left_out_with_that_reason():
    made = assign_splits(MANY, SplitsConfig(num_test=12, num_train=30))
    assert len(members(made.splits, "train")) == 30
    assert set(made.left_out.values()) == {"beyond_num_train"}
    assert len(made.left_out) == len(MANY) - 42


def test_the_videos_of_chosen_pairs_are_held_out_too_and_the_random_test_set_stays():
    config = SplitsConfig(method="video-disjoint", num_test=12)
    before = assign_splits(MANY, config)
    chosen = [segment_id for segment_id, split in before.splits.items() if split == "train"][:3]
    after = assign_splits(MANY, config, chosen)
    assert members(after.splits, "long3") == set(chosen)
    assert members(after.splits, "test12") == members(before.splits, "test12")
    videos = {row["segment_id"]: row["video_id"] for row in MANY}
    assert not {videos[segment_id] for segment_id in chosen} & {
        videos[segment_id] for segment_id in members(after.splits, "train")
    }


@pytest.mark.parametrize("method", ["paper", "video-disjoint"])
def test_a_chosen_pair_leaves_the_draw_of_the_random_test_set(method):
    config = SplitsConfig(method=method, num_test=12)
    drawn = members(assign_splits(MANY, config).splits, "test12")
    after = assign_splits(MANY, config, sorted(drawn)[:3]).splits
    assert members(after, "long3") == set(sorted(drawn)[:3])
    assert len(members(after, "test12")) == 12


def test_a_disjoint_split_is_the_same_in_any_order_of_the_rows():
    config = SplitsConfig(method="video-disjoint", num_test=30, num_long_distance=4, num_validation=10)
    assert assign_splits(MANY, config) == assign_splits(MANY[::-1], config)


def test_a_share_of_the_videos_is_held_out_at_least_and_then_the_fewest_pairs():
    """23 videos have 8 or 9 pairs: 34 = 2 x 8 + 2 x 9."""
    config = SplitsConfig(method="video-disjoint", num_test=34, held_out_share=0.0)
    assert assign_splits(MANY, config).left_out == {}
    assert len(assign_splits(MANY, replace(config, num_test=12)).left_out) == 4, "16 pairs are the fewest that hold 12"
    videos = {row["segment_id"]: row["video_id"] for row in MANY}
    for share, num_videos in ((0.1, 3), (0.5, 12)):
        made = assign_splits(MANY, replace(config, num_test=12, held_out_share=share))
        held = {videos[segment_id] for segment_id in {*members(made.splits, "test12"), *made.left_out}}
        assert len(held) == num_videos


@settings(max_examples=60, deadline=None)
@given(
    offers=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=9),
    num=st.integers(0, 20),
)
def test_the_groups_chosen_are_the_cheapest_of_all_subsets(offers, num):
    named = [(str(place), eligible, eligible + others) for place, (eligible, others) in enumerate(offers)]
    chosen = cheapest_groups(named, num)

    def totals(names):
        inside = [offer for offer in named if offer[0] in names]
        return sum(eligible for _, eligible, _ in inside), sum(pairs for _, _, pairs in inside)

    subsets = [{str(p) for p in range(len(named)) if mask >> p & 1} for mask in range(2 ** len(named))]
    costs = [totals(subset)[1] for subset in subsets if totals(subset)[0] >= num]
    if costs:
        assert totals(chosen)[0] >= num
        assert totals(chosen)[1] == min(costs)


def test_the_stage_splits_frames_and_says_how_the_long_set_was_chosen(tmp_path):
    frames = draw_frames(tmp_path, num_pairs=24, size_px=64)
    config = SplitsConfig(num_test=4, num_long_distance=2, num_validation=3)
    artifact = splits.run(tmp_path, "t", config, frames=frames.path)
    records = list(artifact.records())
    assert [row["segment_id"] for row in records] == [row["segment_id"] for row in frames.records()]
    assert artifact.manifest["facts"]["split_sizes"] == {"long2": 2, "test4": 4, "train": 15, "validation": 3}
    assert artifact.manifest["facts"]["long_distance"]["chosen"] == "automatically"
    shifts = {row["segment_id"]: row["camera_shift"] for row in frames.records()}
    assert all(shifts[row["segment_id"]] > 0.05 for row in records if row["split"] == "long2")


@pytest.mark.parametrize(("num_pairs", "sizes"), [(40, {"test8": 8, "train": 32}), (2, {"test1": 1, "train": 1})])
def test_a_small_table_gives_a_share_of_its_pairs_and_the_set_is_named_by_its_size(num_pairs, sizes, tmp_path):
    frames = draw_frames(tmp_path, num_pairs=num_pairs)
    config = SplitsConfig(num_test=500, max_test_share=0.2)
    artifact = splits.run(tmp_path, "t", config, frames=frames.path)
    assert artifact.manifest["facts"]["split_sizes"] == sizes


def test_left_out_pairs_are_counted_by_reason_and_the_sum_is_the_input(tmp_path):
    frames = draw_frames(tmp_path, num_pairs=40, size_px=64)
    changes = sorted(row["change"] for row in frames.records())
    limits = QualityLimits(min_change=changes[5], min_sharpness=0.0)
    config = SplitsConfig(num_test=11, method="video-disjoint", quality=limits)
    artifact = splits.run(tmp_path, "t", config, frames=frames.path)
    counts = artifact.manifest["counts"]
    assert counts["filtered"]["no_change"] == 5
    assert counts["filtered"]["video_in_test"] > 0
    assert set(counts["filtered"]) == {"no_change", "video_in_test"}
    assert counts["input"] == 40 == counts["kept"] + sum(counts["filtered"].values())
    assert artifact.manifest["funnel"] == {"pairs": 40, "of_good_quality": 35, "in_splits": counts["kept"]}
    assert {row["reason"] for row in artifact.rejected()} == {"no_change", "video_in_test"}


def choice_file(path: Path, text: str) -> Outside:
    path.write_text(text)
    return Outside(location=str(path), digest=sha256_of(path))


def test_a_person_chooses_the_long_distance_set_and_the_manifest_says_who(tmp_path):
    frames = draw_frames(tmp_path, num_pairs=24, size_px=64)
    ids = [row["segment_id"] for row in frames.records()]
    config = SplitsConfig(num_test=4, num_long_distance=2)
    automatic = splits.run(tmp_path, "t", config, frames=frames.path)
    rest = [row["segment_id"] for row in automatic.records() if row["split"] == "train"][:2]
    chosen = choice_file(
        tmp_path / "choice.csv",
        f"segment_id,chosen,chosen_by,how\n{rest[0]},x,Ada of the data group,sheet\n{ids[9]},,,\n{rest[1]},Yes,,\n",
    )
    artifact = splits.run(tmp_path, "t", config, frames=frames.path, long_distance=chosen)
    by_split = {row["segment_id"]: row["split"] for row in artifact.records()}
    assert members(by_split, "long2") == set(rest)
    by_hand = {"chosen": "by hand", "by": "Ada of the data group", "how": "sheet"}
    assert artifact.manifest["facts"]["long_distance"] == by_hand
    tests = [
        members({r["segment_id"]: r["split"] for r in made_splits.records()}, "test4")
        for made_splits in (automatic, artifact)
    ]
    assert tests[0] == tests[1], "choosing among the candidates leaves the random test set as it was"
    moved = choice_file(tmp_path / "moved.csv", (tmp_path / "choice.csv").read_text())
    assert splits.run(tmp_path, "t", config, frames=frames.path, long_distance=moved).path == artifact.path


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("segment_id\nv0-000000\nnobody-1\n", r"choice\.csv: 1 of 2 chosen segments are no pairs here: nobody-1"),
        ("segment_id\nv0-000000\nv0-000000\n", r"row 2 names v0-000000 again, after row 1"),
        ("segment_id\nv0-000000\n", r"chooses 1 pairs and num_long_distance is 2.*num_long_distance=1"),
        ("segment_id,chosen\nv0-000000,\n", "no segment is chosen"),
        ("segment\nv0-000000\n", "column 'segment_id' is missing"),
        ("segment_id\nv1-000001\nv2-000002\n", r"v1-000001 \(no_change\)"),
    ],
)
def test_a_choice_that_does_not_fit_is_refused_in_words(text, says, tmp_path):
    frames = draw_frames(tmp_path, num_pairs=12, size_px=64)
    config = SplitsConfig(num_test=2, num_long_distance=2)
    if "no_change" in says:
        changes = {row["segment_id"]: row["change"] for row in frames.records()}
        config = replace(config, quality=QualityLimits(min_change=changes["v1-000001"] + 1e-4))
    with pytest.raises(ValueError, match=says):
        splits.run(tmp_path, "t", config, frames=frames.path, long_distance=choice_file(tmp_path / "choice.csv", text))


def test_the_leakage_report_lies_beside_the_records(tmp_path):
    frames = draw_frames(tmp_path, num_pairs=24, size_px=64)
    for method in ("paper", "video-disjoint"):
        artifact = splits.run(tmp_path, "t", SplitsConfig(num_test=6, method=method), frames=frames.path)
        told = json.loads((artifact.path / "leakage.json").read_text())["test6"]
        by_split = {row["segment_id"]: row["split"] for row in artifact.records()}
        videos = {
            side: {segment_id.split("-")[0] for segment_id in members(by_split, side)} for side in ("test6", "train")
        }
        assert told["num_videos_shared"] == len(videos["test6"] & videos["train"])
        assert artifact.manifest["facts"]["leakage"]["test6"]["num_videos_shared"] == told["num_videos_shared"]
        assert (told["num_videos_shared"] == 0) == (method == "video-disjoint")
