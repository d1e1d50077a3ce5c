"""How much of a test set was seen in training."""

import numpy as np
import pytest

from tasks.splitting.leakage import NEAR_BITS, leakage_of
from tests.support.drawn_frames import drawn_row

RANDOM = np.random.default_rng(3)


def pair(name, **changed):
    """Return a pair that shares nothing with any other."""
    hashes = {f"{picture}_hash": f"{RANDOM.integers(2**63):016x}" for picture in ("source", "edited")}
    own = {"segment_id": name, "video_id": f"video of {name}", "group": f"person of {name}", "start_s": 10.0}
    return drawn_row(1) | own | {"stop_s": 11.0} | hashes | changed


def flipped(hash_, num_bits):
    return f"{int(hash_, 16) ^ (2**num_bits - 1):016x}"


def leakage(test, train):
    rows = [*test, *train]
    splits = {row["segment_id"]: "test1" if row in test else "train" for row in rows}
    return leakage_of([*rows, pair("in no split")], splits)["test1"]


def test_pairs_of_different_videos_people_and_scenes_share_nothing():
    told = leakage([pair("a"), pair("b")], [pair("c"), pair("d")])
    assert (told["num_pairs"], told["num_videos"], told["num_participants"]) == (2, 2, 2)
    shared = ["num_videos_shared", "num_participants_shared", "pairs_of_shared_videos", "pairs_overlapping"]
    shared += ["pairs_same_frame", "pairs_near_duplicate", "pairs_near_in_other_video"]
    assert {name: told[name] for name in shared} == dict.fromkeys(shared, 0)


def test_shared_videos_and_participants_are_counted():
    told = leakage([pair("a", video_id="v"), pair("b", video_id="v"), pair("c")], [pair("d", video_id="v")])
    assert (told["num_videos"], told["num_videos_shared"], told["pairs_of_shared_videos"]) == (2, 1, 2)
    assert leakage([pair("a", group="p")], [pair("b", group="p")])["num_participants_shared"] == 1


@pytest.mark.parametrize(
    ("start_s", "stop_s", "overlaps"), [(9.0, 10.0, 0), (11.0, 12.0, 0), (10.9, 12.0, 1), (10.2, 10.4, 1), (0, 60, 1)]
)
def test_a_training_segment_overlaps_when_it_is_in_the_same_video_and_time(start_s, stop_s, overlaps):
    for video_id, count in (("v", overlaps), ("another", 0)):
        train = [pair("far", video_id="v", start_s=100.0, stop_s=101.0)]
        train.append(pair("b", video_id=video_id, start_s=start_s, stop_s=stop_s))
        assert leakage([pair("a", video_id="v")], train)["pairs_overlapping"] == count


def test_a_frame_that_a_training_pair_has_too_is_counted():
    test = pair("a", video_id="v", edited_frame_index=7)
    assert leakage([test], [pair("b", video_id="v", source_frame_index=7)])["pairs_same_frame"] == 1
    assert leakage([test], [pair("b", source_frame_index=7)])["pairs_same_frame"] == 0


@pytest.mark.parametrize("column", ["source_hash", "edited_hash"])
def test_near_duplicates_are_found_among_all_pictures_whichever_side_they_are_on(column):
    test = pair("a")
    for bits, count in ((0, 1), (NEAR_BITS, 1), (NEAR_BITS + 1, 0)):
        train = [pair(f"x{number}") for number in range(50)]
        train.append(pair("near", **{column: flipped(test["edited_hash"], bits)}))
        told = leakage([test, *(pair(f"t{number}") for number in range(40))], train)
        assert (told["pairs_near_duplicate"], told["pairs_near_in_other_video"]) == (count, count)
        assert told["nearest"][0] == {"segment_id": "a", "train_segment_id": "near", "bits": bits}
    inside = pair("near", video_id=test["video_id"], source_hash=test["source_hash"])
    told = leakage([test], [inside])
    assert (told["pairs_near_duplicate"], told["pairs_near_in_other_video"]) == (1, 0)
