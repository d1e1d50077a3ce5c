"""What `camera_shift` says of made pairs that nothing was chosen on: does the camera move, and is that certain?"""

import itertools
from collections import defaultdict

import numpy as np
import pytest

from tasks.cutting.camera import camera_shift
from tasks.cutting.pixels import SMALL_PX
from tasks.cutting.quality import look_at
from tasks.cutting.readings import has_moved
from tasks.splitting.candidates import DOUBTFUL
from tests.support.moving_views import View, clouds, kinds, leaves, view_of

Told = list[tuple[bool, bool, bool]]
"""Of each pair: whether still or moved was told right, whether the shift is within 1.5 of 64 px, whether in doubt."""


@pytest.fixture(scope="module")
def told() -> dict[str, Told]:
    rng = np.random.default_rng(2026)
    outcomes: dict[str, Told] = defaultdict(list)
    for background in (leaves(rng), clouds(rng, 1.2), leaves(rng)):
        for kind in kinds():
            view = view_of(rng, background, *kind)
            outcomes[view.kind].append(outcome(view))
    return outcomes


def outcome(view: View) -> tuple[bool, bool, bool]:
    shift, certainty = camera_shift(look_at(view.before).grey, look_at(view.after).grey)
    return has_moved(shift) is view.has_moved, view.px_off(shift) <= 1.5, certainty < DOUBTFUL


def chosen(told: dict[str, Told], *words: str, without: tuple[str, ...] = ()) -> np.ndarray:
    """Return the means of the pairs whose kind has all `words` and none of the others."""
    rows = [
        row
        for kind, rows in told.items()
        for row in rows
        if all(word in kind for word in words) and not any(word in kind for word in without)
    ]
    assert len(rows) >= 6
    return np.array(rows)


def test_a_panning_camera_and_a_still_one_are_told_apart_with_and_without_a_hand(told: dict[str, Told]) -> None:
    for camera, least in (("still", 0.95), ("pan", 0.95)):
        assert chosen(told, camera, without=("half", "stays")).mean(axis=0)[0] >= least
    assert chosen(told, "none")[:, 0].all(), "without a hand, whatever the light, the blur and the zoom"
    assert chosen(told, "pan", "none").mean(axis=0)[1] >= 0.9


def test_a_hand_over_half_of_the_picture_is_mostly_told_from_the_camera(told: dict[str, Told]) -> None:
    assert chosen(told, "half", without=("stays",)).mean(axis=0)[0] >= 0.75


def test_behind_a_large_hand_the_shift_is_right_where_votes_alone_follow_the_hand() -> None:
    assert np.mean([row[1] for row in told_of("pan", ("half moves", "big moves"), seed=7)]) >= 0.5, (
        "by votes alone 1 of 8"
    )


def test_a_large_hand_that_keeps_its_place_while_the_camera_pans_is_mostly_told_from_a_still_camera() -> None:
    rows = np.array(told_of("pan", ("big stays", "half stays"), seed=11))
    assert rows[:, 0].mean() >= 0.6, "one of sixteen by the explained detail alone"
    assert np.array(told_of("still", ("big moves", "half moves"), seed=11))[:, 0].mean() >= 0.9, "the other way around"


def told_of(camera: str, hands: tuple[str, ...], seed: int) -> Told:
    rng = np.random.default_rng(seed)
    outcomes: Told = []
    for number in range(8):
        background = leaves(rng) if number % 2 else clouds(rng, 1.2)
        for hand in hands:
            view = view_of(rng, background, camera, hand, "plain")
            outcomes.append(outcome(view))
    return outcomes


def test_a_wrong_answer_is_mostly_in_doubt_and_a_right_one_rarely_is(told: dict[str, Told]) -> None:
    """A hand that stays at its place while the camera pans may look like a still camera: what can be said is doubt."""
    hard = np.array([row for seed in (11, 12, 13) for row in told_of("pan", ("half stays",), seed)])
    wrong = hard[~hard[:, 0]]
    assert len(wrong) >= 3, "the pairs are no longer hard"
    assert wrong[:, 2].mean() >= 0.5
    everything = chosen(told, "")
    assert everything[everything[:, 0]][:, 2].mean() <= 0.1


def test_pictures_that_have_nothing_in_common_are_in_doubt() -> None:
    rng = np.random.default_rng(5)
    pictures = [look_at(leaves(rng)).grey for _ in range(8)]
    in_doubt = [camera_shift(one, other)[1] < DOUBTFUL for one, other in itertools.pairwise(pictures)]
    assert np.mean(in_doubt) >= 0.8


def test_two_pictures_without_detail_say_nothing() -> None:
    flat = np.full((SMALL_PX, SMALL_PX), 128, np.uint8)
    assert camera_shift(flat, flat) == ((0, 0), 0.0)
