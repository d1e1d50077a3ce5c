"""Scene -> a static edit of it: a thing recoloured, added, removed or replaced, with the sentence and the goal.

Nothing acts here: no thing travels, no door moves, nothing is switched. The sentences use the words of actions in
static roles ("put a red apple on the table" adds one that was nowhere before), as web captions do, so that a text model
has met every word without having met what the actions do.
"""

from dataclasses import dataclass

import numpy as np

from evaluation.kitchen.actions import Goal, preposition
from evaluation.kitchen.furniture import APPLIANCES, DOORS
from evaluation.kitchen.things import COLOURS, KINDS
from evaluation.kitchen.world import Scene, Thing, random_scene

EDITS = ("recolour", "add", "remove", "replace")
"""The kinds of static edits."""


@dataclass(frozen=True, kw_only=True)
class StaticEdit:
    """A pair of scenes that differ in one thing."""

    edit: str
    """One of `EDITS`."""
    before: Scene
    """The scene that is edited."""
    after: Scene
    """The scene after the edit that the sentence asks for."""
    instruction: str
    """The sentence."""
    goal: Goal
    """The demand of the sentence, as data."""


def _unused_name(rng: np.random.Generator, scene: Scene, kinds: tuple[str, ...] = KINDS) -> tuple[str, str]:
    used = {thing.identity for thing in scene.things}
    names = [(kind, colour) for kind in kinds for colour in COLOURS if (kind, colour) not in used]
    return names[int(rng.integers(len(names)))]


def _choose(rng: np.random.Generator, sentences: list[str]) -> str:
    return sentences[int(rng.integers(len(sentences)))]


def _recolour(rng: np.random.Generator, scene: Scene, old: Thing) -> tuple[Thing, str]:
    kind, colour = _unused_name(rng, scene, (old.kind,))
    spot = f"{preposition(old.place)} the {old.place}"
    sentence = _choose(
        rng,
        [
            f"make the {old.name} {colour}",
            f"turn the {old.name} {colour}",
            f"recolour the {old.name} to {colour}",
            f"make the {old.kind} {spot} {colour}",
            f"paint {old.name} from {old.colour} to {colour}",
        ],
    )
    return Thing(kind=kind, colour=colour, place=old.place), sentence


def _replace(rng: np.random.Generator, scene: Scene, old: Thing) -> tuple[Thing, str]:
    kind, colour = _unused_name(rng, scene)
    new = Thing(kind=kind, colour=colour, place=old.place)
    spot = f"{preposition(old.place)} the {old.place}"
    sentence = _choose(
        rng,
        [
            f"replace the {old.name} with a {new.name}",
            f"switch the {old.name} to a {new.name}",
            f"turn the {old.name} to a {new.name}",
            f"replace the {old.kind} {spot} with a {new.name}",
        ],
    )
    return new, sentence


def _remove(rng: np.random.Generator, old: Thing) -> str:
    return _choose(
        rng,
        [
            f"remove the {old.name}",
            f"take away {old.name}",
            f"remove {old.name} from {old.place}",
            f"take {old.name} out of the picture",
            f"no {old.name} {preposition(old.place)} the {old.place}",
        ],
    )


def _by_place(old: Thing, new: Thing | None) -> str:
    """Say what is done to the thing in a place without saying what it is."""
    spot = f"the one {preposition(old.place)} the {old.place}"
    if new is None:
        return f"remove {spot}"
    if new.kind == old.kind:
        return f"make {spot} {new.colour}"
    return f"replace {spot} with a {new.name}"


def _described_place(scene: Scene, place: str) -> list[str]:
    """Return ways to name a place by its state, where only one place is in that state."""
    same = [
        other for other in (DOORS if place in DOORS else APPLIANCES) if scene.is_active(other) == scene.is_active(place)
    ]
    if place in DOORS:
        return ["in the open one"] if same == [place] else [f"in the open {place}"]
    if place in APPLIANCES:
        state = "on" if scene.is_active(place) else "off"
        by_state = [f"where it is switched {state}"] if same == [place] else []
        return [*by_state, f"{preposition(place)} the {place} that is {state}"]
    return []


def _add(rng: np.random.Generator, scene: Scene, place: str) -> tuple[Thing, str]:
    kind, colour = _unused_name(rng, scene)
    new = Thing(kind=kind, colour=colour, place=place)
    spot = f"{preposition(place)} the {place}"
    sentences = [
        f"add a {new.name} {spot}",
        f"put a {new.name} {spot}",
        f"put in a {new.name} to the {place}",
        f"add {new.name} to {place}",
        f"move in a new {new.name} to the {place}",
    ]
    described = _described_place(scene, place)
    if described and rng.random() < 0.4:
        sentences = [f"{verb} {new.name} {name}" for verb in ("add a", "put a") for name in described]
    return new, _choose(rng, sentences)


def sample_static_edit(
    rng: np.random.Generator,
    places: tuple[str, ...],
    shares: tuple[float, ...] | None = None,
    place_only_share: float = 0.0,
) -> StaticEdit:
    """Draw a scene with one to five things in `places` and an edit of it; `shares` of `EDITS`, by default equal.

    `place_only_share`: how often a sentence says of the thing only where it is ("remove the one on the table").
    """
    scene = random_scene(rng, min_things=1, max_things=5, places=places)
    edit = EDITS[int(rng.integers(len(EDITS)) if shares is None else rng.choice(len(EDITS), p=shares))]
    free = [place for place in places if scene.at(place) is None and (place not in DOORS or place in scene.open_doors)]
    old: Thing | None = scene.things[int(rng.integers(len(scene.things)))]
    new: Thing | None = None
    assert old is not None
    if edit == "recolour" and sum(thing.kind == old.kind for thing in scene.things) == len(COLOURS):
        edit = "remove"  # no colour is left that would not make two things alike
    if edit == "recolour":
        new, sentence = _recolour(rng, scene, old)
    elif edit == "replace":
        new, sentence = _replace(rng, scene, old)
    elif edit == "remove":
        sentence = _remove(rng, old)
    else:
        place = free[int(rng.integers(len(free)))]
        new, sentence = _add(rng, scene, place)
        old = None
    if old and place_only_share and rng.random() < place_only_share:
        sentence = _by_place(old, new)
    goal: Goal = {
        "things": [{"kind": new.kind, "colour": new.colour, "at": [new.place]}] if new else [],
        "absent": [{"kind": old.kind, "colour": old.colour}] if old else [],
        "open": {},
        "on": {},
    }
    after = scene.with_thing(old, new)
    return StaticEdit(edit=edit, before=scene, after=after, instruction=sentence, goal=goal)
