"""Scenes, actions and static edits of the drawn kitchen: which are possible, which are asked for, what is drawn."""

import numpy as np
import pytest

from evaluation.kitchen.acting import RATE_FPS, draw_episode, sample_episode
from evaluation.kitchen.actions import (
    TABLE,
    VERBS,
    Action,
    apply_action,
    fixed_camera_sentence,
    fixed_view,
    goal_of,
    head_camera_sentence,
    possible_actions,
    sample_action,
)
from evaluation.kitchen.furniture import DOORS
from evaluation.kitchen.static_edits import EDITS, sample_static_edit
from evaluation.kitchen.words import WORDS
from evaluation.kitchen.world import PICTURE_PX, Scene, Thing, draw, random_scene, view_places

APPLE = Thing(kind="apple", colour="red", place="fridge")
CUP = Thing(kind="cup", colour="green", place="table")


def scenes(number: int) -> list[Scene]:
    rng = np.random.default_rng(0)
    return [random_scene(rng, min_things=2, max_things=4, places=fixed_view()) for _ in range(number)]


@pytest.mark.parametrize(
    ("action", "fixed", "head"),
    [
        (
            Action(verb="take out", target=TABLE, thing=APPLE, names_start=True),
            "take out red apple from fridge",
            "take out red apple from fridge",
        ),
        (
            Action(verb="put in", target="drawer", thing=CUP, names_end=True),
            "put in green cup to drawer",
            "put green cup in drawer",
        ),
        (
            Action(verb="move", target="shelf", thing=CUP, names_start=True, names_end=True),
            "move green cup from table to shelf",
            "move green cup from table to shelf",
        ),
        (
            Action(verb="move", target="shelf", thing=CUP, names_end=True),
            "move green cup to shelf",
            "put green cup on shelf",
        ),
        (Action(verb="open", target="fridge"), "open fridge", "open fridge"),
        (Action(verb="switch on", target="stove"), "switch on stove", "turn on stove"),
    ],
)
def test_an_action_is_said_as_each_datasets_annotators_say_it(action: Action, fixed: str, head: str) -> None:
    assert fixed == fixed_camera_sentence(action)
    assert head == head_camera_sentence(action)


def test_a_scene_refuses_what_could_not_be_seen_or_told_apart() -> None:
    with pytest.raises(ValueError, match="closed doors"):
        Scene(things=(APPLE,))
    with pytest.raises(ValueError, match="two things in one place"):
        Scene(things=(CUP, Thing(kind="bowl", colour="red", place="table")))
    with pytest.raises(ValueError, match="two things in one place, or two alike"):
        Scene(things=(CUP, Thing(kind="cup", colour="green", place="shelf")))


def test_a_scene_survives_its_record() -> None:
    for scene in scenes(20):
        assert scene.to_record() == Scene.from_record(scene.to_record()).to_record()


def test_every_verb_happens_and_changes_only_what_it_says() -> None:
    rng, seen = np.random.default_rng(1), set()
    for scene in scenes(300):
        action = sample_action(rng, scene, fixed_view())
        after = apply_action(scene, action)
        seen.add(action.verb)
        changed = {
            place
            for place in fixed_view()
            if (scene.at(place), scene.is_active(place)) != (after.at(place), after.is_active(place))
        }
        assert set(action.places()) == changed
        assert set(fixed_camera_sentence(action).split()) <= set(WORDS)
        assert set(head_camera_sentence(action).split()) <= set(WORDS)
    assert set(VERBS) == seen


def test_things_pass_only_through_open_doors_and_doors_close_only_on_empty_containers() -> None:
    for scene in scenes(200):
        for verb, actions in possible_actions(scene, fixed_view()).items():
            for action in actions:
                if verb == "close":
                    assert scene.at(action.target) is None
                for place in action.places() if action.thing else ():
                    assert place not in DOORS or place in scene.open_doors


def test_more_than_half_of_the_scenes_hold_a_distractor_of_the_same_kind_or_colour() -> None:
    """By chance alone, 40 % of pairs of things would have the same kind or the same colour."""
    rng, alike = np.random.default_rng(0), 0
    for _ in range(200):
        first, second = random_scene(rng, min_things=2, max_things=2, places=fixed_view()).things
        alike += first.kind == second.kind or first.colour == second.colour
    assert alike > 120


def test_static_edits_change_one_place_and_open_or_switch_nothing() -> None:
    rng, seen = np.random.default_rng(2), set()
    for _ in range(300):
        edit = sample_static_edit(rng, fixed_view())
        seen.add(edit.edit)
        before, after = edit.before, edit.after
        assert (before.open_doors, before.switched_on) == (after.open_doors, after.switched_on)
        assert sum(before.at(place) != after.at(place) for place in fixed_view()) == 1
        assert set(edit.instruction.split()) <= set(WORDS)
    assert set(EDITS) == seen


def test_both_views_show_nine_places_and_share_six() -> None:
    first, second = view_places(0), view_places(1)
    assert len(first) == len(second) == 9
    assert len(set(first) & set(second)) == 6
    assert draw(scenes(1)[0], 1).shape == (PICTURE_PX, PICTURE_PX, 3)


@pytest.mark.parametrize("style", ["mpii", "epic"])
def test_an_episode_shows_each_action_from_a_still_scene_to_the_scene_afterwards(style: str) -> None:
    episode = sample_episode(np.random.default_rng(4), style, 30)  # type: ignore[arg-type]
    frames = [picture for picture, times in draw_episode(episode) for _ in range(times)]
    assert episode.num_frames == len(frames)
    for acted in episode.actions:
        assert 0.3 <= (acted.stop_frame - acted.start_frame) / RATE_FPS[style] <= 1.04
        if not acted.overlaps:
            assert np.array_equal(draw(acted.before, acted.view_before), frames[acted.start_frame])
            assert np.array_equal(draw(acted.after, acted.view_after), frames[acted.stop_frame])
            middle = frames[(acted.start_frame + acted.stop_frame) // 2]
            assert not np.array_equal(middle, frames[acted.start_frame])


def test_the_head_camera_moves_and_the_fixed_one_does_not() -> None:
    moved = {}
    for style in ("mpii", "epic"):
        episodes = [sample_episode(np.random.default_rng(seed), style, 30) for seed in range(3)]  # type: ignore[arg-type]
        moved[style] = sum(acted.view_before != acted.view_after for episode in episodes for acted in episode.actions)
    assert moved["mpii"] == 0
    assert moved["epic"] > 3


def test_the_goal_of_an_action_names_where_the_thing_must_be() -> None:
    action = Action(verb="move", target="shelf", thing=CUP, names_end=True)
    assert goal_of(action)["things"] == [{"kind": "cup", "colour": "green", "at": ["shelf"]}]
    assert goal_of(Action(verb="open", target="fridge"))["open"] == {"fridge": True}
    assert goal_of(Action(verb="switch off", target="sink"))["on"] == {"sink": False}
