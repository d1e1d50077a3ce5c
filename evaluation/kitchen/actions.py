"""Scene -> an action in it, with its instruction and its goal; and scene + action -> the scene afterwards.

Rules of the kitchen: what is taken out of a container comes to stand on the table; a thing is put in only through an
open door; a door is closed only on an empty container; every instruction says enough to know what must change.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.kitchen.furniture import APPLIANCES, DOORS
from evaluation.kitchen.world import Scene, Thing, view_places

VERBS = ("take out", "put in", "move", "open", "close", "switch on", "switch off")
"""Every action the kitchen knows, in the words of the fixed camera's annotations."""
TABLE = "table"
"""The place of a thing that is taken out of a container."""
NAMED_START_SHARE = 0.6
"""Share of the instructions that name their start point, among those that can do without it."""
TAKEN_FROM_SHARE, TAKEN_TO_SHARE = 0.8, 0.5
"""Shares of "take out" instructions that name the place where the thing stood, and the table on which it is put."""

Goal = dict[str, Any]
"""JSON data: `things` (each kind, colour, at: allowed places), `absent` (kind, colour), `open` and `on` (place: bool).

A thing of `things` must stand in one of its places and nowhere else; one of `absent` must not be seen at all.
"""


@dataclass(frozen=True, kw_only=True)
class Action:
    """One action in one scene."""

    verb: str
    """One of `VERBS`."""
    target: str
    """The place that is opened, closed or switched, or that the thing is brought to."""
    thing: Thing | None = None
    """The thing that is moved, where it stood before."""
    names_start: bool = False
    """True when the instruction says where the thing stood."""
    names_end: bool = False
    """True when the instruction says where the thing is brought."""

    @property
    def start_place(self) -> str | None:
        """The start point as the instruction gives it."""
        return self.thing.place if self.thing and self.names_start else None

    @property
    def end_place(self) -> str | None:
        """The end point as the instruction gives it."""
        return self.target if self.thing and self.names_end else None

    @property
    def subject(self) -> str:
        """What the action is done to, in words."""
        return self.thing.name if self.thing else self.target

    def places(self) -> tuple[str, ...]:
        """Return the places that the action touches."""
        return (self.thing.place, self.target) if self.thing else (self.target,)


def carried(action: Action) -> Thing:
    """Return the thing of an action where it stands afterwards."""
    assert action.thing is not None
    return Thing(kind=action.thing.kind, colour=action.thing.colour, place=action.target)


def apply_action(scene: Scene, action: Action) -> Scene:
    """Return the scene after the action."""
    if action.thing is None:
        return scene.toggled(action.target)
    return scene.with_thing(action.thing, carried(action))


def goal_of(action: Action) -> Goal:
    """Return what the instruction asks for, as data (see `Goal`)."""
    goal: Goal = {"things": [], "absent": [], "open": {}, "on": {}}
    if action.thing is not None:
        thing = {"kind": action.thing.kind, "colour": action.thing.colour, "at": [action.target]}
        return goal | {"things": [thing]}
    if action.target in DOORS:
        return goal | {"open": {action.target: action.verb == "open"}}
    return goal | {"on": {action.target: action.verb == "switch on"}}


def possible_actions(scene: Scene, places: tuple[str, ...]) -> dict[str, list[Action]]:
    """List what can be done in a scene within the given places, by verb (verbs without a chance are left out)."""
    actions: dict[str, list[Action]] = {verb: [] for verb in VERBS}
    for door in (place for place in DOORS if place in places and scene.at(place) is None):
        verb = "close" if door in scene.open_doors else "open"
        actions[verb].append(Action(verb=verb, target=door))
    for appliance in (place for place in APPLIANCES if place in places):
        verb = "switch off" if appliance in scene.switched_on else "switch on"
        actions[verb].append(Action(verb=verb, target=appliance))
    free = [place for place in places if scene.at(place) is None and (place not in DOORS or place in scene.open_doors)]
    for thing in (thing for thing in scene.things if thing.place in places):
        if thing.place in DOORS and TABLE in free:
            actions["take out"].append(Action(verb="take out", target=TABLE, thing=thing, names_start=True))
        for target in free:
            if target in DOORS:
                actions["put in"].append(Action(verb="put in", target=target, thing=thing, names_end=True))
            elif thing.place not in DOORS:
                move = Action(verb="move", target=target, thing=thing, names_start=True, names_end=True)
                actions["move"].append(move)
    return {verb: choices for verb, choices in actions.items() if choices}


def sample_action(rng: np.random.Generator, scene: Scene, places: tuple[str, ...]) -> Action:
    """Draw an action: first the verb, then what it is done to, so that every verb is met about equally often."""
    choices = possible_actions(scene, places)
    verbs = list(choices)
    verb = verbs[int(rng.integers(len(verbs)))]
    action = choices[verb][int(rng.integers(len(choices[verb])))]
    if action.thing is None:
        return action
    takes_out = verb == "take out"
    names_start = bool(rng.random() < (TAKEN_FROM_SHARE if takes_out else NAMED_START_SHARE))
    names_end = bool(rng.random() < TAKEN_TO_SHARE) if takes_out else True
    return Action(verb=verb, target=action.target, thing=action.thing, names_start=names_start, names_end=names_end)


def fixed_camera_sentence(action: Action) -> str:
    """Say an action as an MPII annotation reads: `{activity} {object} [from {source}] [to {destination}]`."""
    source = f" from {action.start_place}" if action.start_place else ""
    destination = f" to {action.end_place}" if action.end_place else ""
    return f"{action.verb} {action.subject}{source}{destination}"


def head_camera_sentence(action: Action) -> str:
    """Say an action as a free EPIC narration: `put green cup in drawer`, `turn on stove`."""
    if action.thing is None:
        return f"{action.verb.replace('switch', 'turn')} {action.target}"
    source = f" from {action.start_place}" if action.start_place else ""
    if action.verb == "put in":
        return f"put {action.subject} in {action.target}"
    if action.verb == "move" and not source:
        return f"put {action.subject} {preposition(action.target)} {action.target}"
    destination = f" to {action.end_place}" if action.end_place else ""
    return f"{action.verb} {action.subject}{source}{destination}"


def preposition(place: str) -> str:
    """Return how a thing stands there: in a container, on anything else."""
    return "in" if place in (*DOORS, "basket", "bin", "sink") else "on"


def fixed_view() -> tuple[str, ...]:
    """Return the places that the fixed camera sees."""
    return view_places(0)
