"""Goal record + edited picture -> verdict: was the instruction carried out, and was everything else kept?

The goal was written as data when the scene was acted out; no sentence is parsed here.
"""

from dataclasses import dataclass
from typing import Any

from evaluation.kitchen.oracle import Identity, SceneReading, read
from evaluation.kitchen.world import Picture, Scene, view_places


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The oracle's judgement of one edit."""

    carried_out: bool
    """All that the goal asks for is clearly there."""
    kept: bool
    """Nothing changed that the goal does not mention."""


def judge(record: dict[str, Any], edited: Picture) -> Verdict:
    """Judge an edited picture uint8 [H, W, 3] of any size.

    `record`: `goal` (actions.Goal), `before` (Scene record) and `view_before` (offset in columns), as in goals.jsonl.
    """
    before = Scene.from_record(record["before"])
    reading = read(edited)
    return Verdict(
        carried_out=is_carried_out(record["goal"], reading),
        kept=is_kept(record["goal"], before, record["view_before"], reading),
    )


def is_carried_out(goal: dict[str, Any], reading: SceneReading) -> bool:
    """Tell whether a reading fulfils a goal; an unclear cell fulfils nothing."""
    for thing in goal["things"]:
        seen = reading.places_of((thing["kind"], thing["colour"]))
        if len(seen) != 1 or seen[0] not in thing["at"] or seen[0] in reading.unclear:
            return False
    if any(reading.places_of((thing["kind"], thing["colour"])) for thing in goal["absent"]):
        return False
    for place, active in (goal["open"] | goal["on"]).items():
        if place not in reading.states or place in reading.unclear or reading.states[place][0] != active:
            return False
    return True


def _allowed_things(goal: dict[str, Any], before: Scene, place: str) -> set[Identity | None]:
    """Return what may be in a place without being a change, when the goal brings none of its things there."""
    there = before.at(place)
    if there is None:
        return {None}
    leaves = [*goal["things"], *goal["absent"]]
    is_spoken_of = there.identity in {(thing["kind"], thing["colour"]) for thing in leaves}
    return {there.identity, None} if is_spoken_of else {there.identity}


def is_kept(goal: dict[str, Any], before: Scene, view_before: int, reading: SceneReading) -> bool:
    """Tell whether every place seen before and after is as it was, apart from what the goal asks for.

    The place where the goal wants its thing is judged by `is_carried_out`: a wrong thing there means that the goal is
    missed.
    """
    spoken_of = goal["open"] | goal["on"]
    destinations = {place for thing in goal["things"] for place in thing["at"]}
    for place in view_places(view_before):
        if place not in reading.states:
            continue
        active, thing = reading.states[place]
        if place not in spoken_of and active != before.is_active(place):
            return False
        if place in destinations:
            continue
        if place in reading.unclear or thing not in _allowed_things(goal, before, place):
            return False
    return True
