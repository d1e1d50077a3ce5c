"""Seed -> an episode: actions one after another in one kitchen, with their frame numbers; and its moving picture.

The fixed camera sees the first three columns throughout. The head camera looks on: when an action ends outside the
view it pans there by whole columns, and now and then it pans for no reason. Frame numbers count from 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from evaluation.kitchen.actions import Action, apply_action, fixed_camera_sentence, head_camera_sentence, sample_action
from evaluation.kitchen.furniture import place_tile
from evaluation.kitchen.things import CELL_PX, hand_sprite, thing_sprite
from evaluation.kitchen.world import (
    NUM_VIEWS,
    PICTURE_PX,
    PLACES,
    Picture,
    Scene,
    blend_sprite,
    cell_corner,
    column_of,
    draw_kitchen,
    random_scene,
    view_places,
)

Style = Literal["mpii", "epic"]
"""Fixed camera and MPII Cooking 2 annotations, or head camera and EPIC-KITCHENS-100 annotations."""

RATE_FPS = {"mpii": 29.4, "epic": 50.0}
"""Frames a second of each style's videos, as in the real ones."""
SHORTEST_S, LONGEST_S = 0.3, 1.0
"""Durations of actions."""
GAP_S = (0.12, 0.45)
"""Shortest and longest stillness between two actions."""
OVERLAP_SHARE = 0.03
"""Share of actions that begin before the last one has ended; both then overlap."""
IDLE_PAN_SHARE = 0.1
"""Share of actions in which the head camera pans although the action does not need it."""


@dataclass(frozen=True, kw_only=True)
class ActedAction:
    """One action as it is acted out in a video."""

    action: Action
    """The action that is acted."""
    instruction: str
    """The action in the words of the style's annotations."""
    before: Scene
    """The kitchen when it begins."""
    after: Scene
    """The kitchen when it is done."""
    start_frame: int
    """The last still frame before it."""
    stop_frame: int
    """The first frame in which it is done."""
    view_before: int
    """View offset, in columns, at the start frame."""
    view_after: int
    """View offset, in columns, at the stop frame."""
    overlaps: bool
    """True when another action goes on at its start or stop frame."""


@dataclass(frozen=True, kw_only=True)
class Episode:
    """What happens in one video."""

    actions: tuple[ActedAction, ...]
    """Actions in the order of their start."""
    num_frames: int
    """Length of the video."""


def _view_after(rng: np.random.Generator, action: Action, view: int) -> int:
    """Return where the head camera looks at the end of an action."""
    columns = [column_of(place) for place in action.places()[-1:]]
    fitting = [offset for offset in range(NUM_VIEWS) if all(0 <= column - offset < 3 for column in columns)]
    wanders = rng.random() < IDLE_PAN_SHARE
    if view in fitting and not wanders:
        return view
    return fitting[int(rng.integers(len(fitting)))]


def _seen_action(rng: np.random.Generator, scene: Scene, style: Style, view: int) -> Action:
    """Draw an action that begins in view; the head camera's may end outside of it."""
    if style == "mpii":
        return sample_action(rng, scene, view_places(0))
    while True:
        action = sample_action(rng, scene, PLACES)
        if action.places()[0] in view_places(view):
            return action


def _independent(first: Action, second: Action) -> bool:
    same_thing = first.thing and second.thing and first.thing.identity == second.thing.identity
    return not same_thing and not set(first.places()) & set(second.places())


def sample_episode(rng: np.random.Generator, style: Style, num_actions: int) -> Episode:
    """Draw two to four things, and `num_actions` actions with them."""
    rate_fps, say = RATE_FPS[style], fixed_camera_sentence if style == "mpii" else head_camera_sentence
    places = view_places(0) if style == "mpii" else PLACES
    scene = random_scene(rng, min_things=2, max_things=4, places=places)
    acted: list[ActedAction] = []
    frame, view = int(np.ceil(GAP_S[0] * rate_fps)), 0
    while len(acted) < num_actions:
        action = _seen_action(rng, scene, style, view)
        view_after = _view_after(rng, action, view) if style == "epic" else 0
        duration_s = SHORTEST_S + (LONGEST_S - SHORTEST_S) * rng.beta(1.2, 3.0)
        start, overlaps = frame, False
        last = acted[-1] if acted else None
        # The view must rest while two actions overlap; otherwise the second one would have no single view at its start.
        if last and not last.overlaps and rng.random() < OVERLAP_SHARE and view_after == view == last.view_before:
            overlaps = _independent(last.action, action)
        if last and overlaps:
            start = (last.start_frame + last.stop_frame) // 2
            acted[-1] = _overlapping(last)
        after = apply_action(scene, action)
        stop = start + int(np.ceil(duration_s * rate_fps))
        stop = max(stop, last.stop_frame + 2) if last else stop
        acted.append(
            ActedAction(
                action=action,
                instruction=say(action),
                before=scene,
                after=after,
                start_frame=start,
                stop_frame=stop,
                view_before=view,
                view_after=view_after,
                overlaps=overlaps,
            )
        )
        scene, view = after, view_after
        frame = stop + int(np.ceil(rng.uniform(*GAP_S) * rate_fps))
    return Episode(actions=tuple(acted), num_frames=frame + 1)


def _overlapping(acted: ActedAction) -> ActedAction:
    return ActedAction(**{**vars(acted), "overlaps": True})


def _eased(progress: float) -> float:
    """Return a smooth start and stop of a movement: 0 to 1."""
    return progress * progress * (3 - 2 * progress)


def _draw_movement(canvas: Picture, action: Action, progress: float) -> None:
    """Draw an action half done into the kitchen [192, 256, 3], in place, with the cook's hand."""
    eased = _eased(progress)
    x1, y1 = cell_corner(action.target)
    if action.thing is None:
        closed, active = (place_tile(action.target, state).astype(np.float32) for state in (False, True))
        share = eased if action.verb in ("open", "switch on") else 1 - eased
        canvas[y1 : y1 + CELL_PX, x1 : x1 + CELL_PX] = np.rint(closed + (active - closed) * share).astype(np.uint8)
        blend_sprite(canvas, hand_sprite(), x1 + round(10 * eased), y1 + 6)
        return
    x0, y0 = cell_corner(action.thing.place)
    lift = 24 * np.sin(np.pi * eased)
    left, top = round(x0 + (x1 - x0) * eased), round(y0 + (y1 - y0) * eased - lift)
    blend_sprite(canvas, thing_sprite(*action.thing.identity), left, top)
    blend_sprite(canvas, hand_sprite(), left, top)


def _draw_moving(ongoing: list[tuple[ActedAction, float]], done: Scene) -> Picture:
    """Draw the view during actions, each with its progress in (0, 1)."""
    targets = [acted.action.target for acted, _ in ongoing if acted.action.thing]
    canvas = draw_kitchen(done, hidden=targets).copy()
    for acted, progress in ongoing:
        _draw_movement(canvas, acted.action, progress)
    acted, progress = ongoing[-1]
    offset = acted.view_before + (acted.view_after - acted.view_before) * _eased(progress)
    left = round(offset * CELL_PX)
    return canvas[:, left : left + PICTURE_PX]


def draw_episode(episode: Episode) -> Iterator[tuple[Picture, int]]:
    """Yield the frames in order as (picture [192, 192, 3], how often it repeats): stillness is drawn once."""
    frame, actions = 0, list(episode.actions)
    scene, view = actions[0].before, 0
    while frame < episode.num_frames:
        begun = [acted for acted in actions if acted.start_frame < frame]
        ongoing = [acted for acted in begun if frame < acted.stop_frame]
        if begun:
            scene, view = begun[-1].after, begun[-1].view_after
        if ongoing:
            moving = [
                (acted, (frame - acted.start_frame) / (acted.stop_frame - acted.start_frame)) for acted in ongoing
            ]
            yield np.ascontiguousarray(_draw_moving(moving, scene)), 1
            frame += 1
            continue
        coming = [acted.start_frame for acted in actions if acted.start_frame >= frame]
        until = min(coming, default=episode.num_frames - 1) + 1
        still = draw_kitchen(scene)[:, view * CELL_PX : view * CELL_PX + PICTURE_PX]
        yield np.ascontiguousarray(still), until - frame
        frame = until
