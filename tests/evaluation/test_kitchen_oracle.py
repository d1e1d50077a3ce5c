"""The oracle reads drawn pictures at any size and after compression. It judges copies, truths and damage rightly."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from evaluation.kitchen.acting import sample_episode
from evaluation.kitchen.actions import fixed_view, goal_of
from evaluation.kitchen.judge import Verdict, is_carried_out, judge
from evaluation.kitchen.oracle import read
from evaluation.kitchen.static_edits import sample_static_edit
from evaluation.kitchen.world import Scene, Thing, cell_corner, draw, random_scene, view_places

Picture = NDArray[np.uint8]
CUP = Thing(kind="cup", colour="green", place="table")
MOVED = Thing(kind="cup", colour="green", place="shelf")
BOWL = Thing(kind="bowl", colour="red", place="stool")


def resized(picture: Picture, side: int) -> Picture:
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS))


def jpeg(picture: Picture, quality: int) -> Picture:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def assert_reads(scene: Scene, view: int, picture: Picture) -> None:
    reading = read(picture)
    assert view == reading.view
    assert not reading.unclear
    for place in view_places(view):
        thing = scene.at(place)
        assert (scene.is_active(place), thing.identity if thing else None) == reading.states[place]


@pytest.mark.parametrize("side", [48, 64, 96, 192, 256])
def test_reading_is_the_inverse_of_drawing_at_any_size(side: int) -> None:
    rng = np.random.default_rng(side)
    for number in range(30):
        view = number % 2
        scene = random_scene(rng, min_things=1, max_things=5, places=view_places(view))
        assert_reads(scene, view, resized(draw(scene, view), side))


def test_reading_survives_compression_and_noise() -> None:
    rng = np.random.default_rng(1)
    for _ in range(30):
        scene = random_scene(rng, min_things=2, max_things=4, places=fixed_view())
        assert_reads(scene, 0, jpeg(draw(scene), 40))
        noisy = resized(draw(scene), 96) + rng.normal(0, 12, (96, 96, 3))
        assert_reads(scene, 0, noisy.clip(0, 255).astype(np.uint8))


def record(before: Scene, goal: dict[str, Any], view: int = 0) -> dict[str, Any]:
    return {"before": before.to_record(), "goal": goal, "view_before": view}


@pytest.mark.parametrize("style", ["mpii", "epic"])
def test_a_copy_is_kept_but_not_carried_out_and_the_truth_is_both(style: str) -> None:
    for seed in range(4):
        for acted in sample_episode(np.random.default_rng(seed), style, 25).actions:  # type: ignore[arg-type]
            task = record(acted.before, goal_of(acted.action), acted.view_before)
            copy, truth = draw(acted.before, acted.view_before), draw(acted.after, acted.view_after)
            assert Verdict(carried_out=False, kept=True) == judge(task, copy), acted.instruction
            assert Verdict(carried_out=True, kept=True) == judge(task, truth), acted.instruction


def test_static_edits_are_judged_by_the_same_rules() -> None:
    rng = np.random.default_rng(3)
    for _ in range(100):
        edit = sample_static_edit(rng, fixed_view())
        task = record(edit.before, edit.goal)
        assert Verdict(carried_out=False, kept=True) == judge(task, draw(edit.before))
        assert Verdict(carried_out=True, kept=True) == judge(task, draw(edit.after))


GOAL = {"things": [{"kind": "cup", "colour": "green", "at": ["shelf"]}], "absent": [], "open": {}, "on": {}}
BEFORE = Scene(things=(CUP, BOWL))
APPLE = Thing(kind="apple", colour="red", place="table")


@pytest.mark.parametrize(
    ("name", "after", "carried_out", "kept"),
    [
        ("moved", Scene(things=(MOVED, BOWL)), True, True),
        ("moved to a wrong place", Scene(things=(Thing(kind="cup", colour="green", place="sink"), BOWL)), False, False),
        ("taken away only", Scene(things=(BOWL,)), False, True),
        ("another colour arrives", Scene(things=(Thing(kind="cup", colour="blue", place="shelf"), BOWL)), False, True),
        ("bowl lost", Scene(things=(MOVED,)), True, False),
        ("bowl recoloured", Scene(things=(MOVED, Thing(kind="bowl", colour="blue", place="stool"))), True, False),
        ("door opened too", Scene(things=(MOVED, BOWL), open_doors=frozenset({"fridge"})), True, False),
        ("stove on too", Scene(things=(MOVED, BOWL), switched_on=frozenset({"stove"})), True, False),
        (
            "old place filled",
            Scene(things=(MOVED, BOWL, Thing(kind="apple", colour="red", place="table"))),
            True,
            False,
        ),
    ],
)
def test_what_went_wrong_decides_which_verdict_fails(name: str, after: Scene, carried_out: bool, kept: bool) -> None:
    assert Verdict(carried_out=carried_out, kept=kept) == judge(record(BEFORE, GOAL), draw(after)), name


def test_what_only_the_head_camera_sees_counts_as_well() -> None:
    cup = Thing(kind="cup", colour="green", place="counter")
    before = Scene(things=(cup, BOWL))
    goal = GOAL | {"things": [], "on": {"sink": True}}
    assert judge(record(before, goal, view=1), draw(before.toggled("sink"), 1)).kept
    assert not judge(record(before, goal, view=1), draw(Scene(things=(BOWL,)).toggled("sink"), 1)).kept


def test_a_copied_thing_is_not_a_moved_thing() -> None:
    picture = draw(Scene(things=(MOVED, BOWL))).copy()
    x, y = cell_corner("table")
    picture[y : y + 64, x : x + 64] = draw(BEFORE)[y : y + 64, x : x + 64]
    assert not judge(record(BEFORE, GOAL), picture).carried_out


def test_a_half_faded_thing_is_unclear_and_counts_for_nothing() -> None:
    half = (draw(BEFORE).astype(float) + draw(Scene(things=(MOVED, BOWL)))) / 2
    reading = read(half.astype(np.uint8))
    assert {"table", "shelf"} <= reading.unclear
    assert Verdict(carried_out=False, kept=False) == judge(record(BEFORE, GOAL), half.astype(np.uint8))


def test_an_unclear_cell_fulfils_no_goal_even_where_its_nearest_state_would() -> None:
    """The same reading fulfils the goal when the cell is clear; only `unclear` makes the difference."""
    clear = read(draw(Scene(things=(MOVED, BOWL))))
    assert is_carried_out(GOAL, clear)
    assert not is_carried_out(GOAL, replace(clear, unclear=frozenset({"shelf"})))
    assert is_carried_out(GOAL, replace(clear, unclear=frozenset({"floor"})))
    wants_open = GOAL | {"things": [], "open": {"fridge": True}}
    opened = replace(clear, states=clear.states | {"fridge": (True, None)})
    assert is_carried_out(wants_open, opened)
    assert not is_carried_out(wants_open, replace(opened, unclear=frozenset({"fridge"})))
