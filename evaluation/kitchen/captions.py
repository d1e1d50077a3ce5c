"""Scene -> a caption that says part of what is in it, with the goal by which the oracle checks a drawn picture."""

from dataclasses import dataclass

import numpy as np

from evaluation.kitchen.actions import Goal, preposition
from evaluation.kitchen.furniture import APPLIANCES, DOORS
from evaluation.kitchen.world import Scene, Thing

MOST_THINGS = 4
"""Things that a caption names at most: more words than the small text model reads would be cut off."""


@dataclass(frozen=True, kw_only=True)
class Caption:
    """A sentence about a scene."""

    text: str
    """The sentence."""
    goal: Goal
    """The content of a picture that fits the sentence, as data."""


def sample_caption(rng: np.random.Generator, scene: Scene, places: tuple[str, ...]) -> Caption:
    """Describe up to four things of a scene, and now and then a door or an appliance, in the words of captions.

    Only what is in `places` is spoken of: those that the picture shows. Some captions name no thing at all.
    """
    seen = [thing for thing in scene.things if thing.place in places]
    number = int(rng.integers(min(len(seen), MOST_THINGS) + 1)) if rng.random() < 0.7 else min(len(seen), MOST_THINGS)
    named = [seen[index] for index in rng.permutation(len(seen))[:number]]
    phrases = [_phrase(rng, thing, is_short=len(named) > 2) for thing in named]
    goal: Goal = {
        "things": [{"kind": thing.kind, "colour": thing.colour, "at": [thing.place]} for thing in named],
        "absent": [],
        "open": {},
        "on": {},
    }
    states = [place for place in (*DOORS, *APPLIANCES) if place in places]
    if len(phrases) < 3 and rng.random() < 0.5:
        place = states[int(rng.integers(len(states)))]
        is_active = scene.is_active(place)
        goal["open" if place in DOORS else "on"][place] = is_active
        phrases.append(_state(rng, place, is_active))
    return Caption(text=" with ".join(phrases), goal=goal)


def _phrase(rng: np.random.Generator, thing: Thing, *, is_short: bool) -> str:
    spot = preposition(thing.place)
    long = [f"a {thing.name} {spot} the {thing.place}", f"the {thing.name} is {spot} the {thing.place}"]
    short = [f"{thing.name} {spot} {thing.place}"]
    ways = short if is_short else [*long, *short]
    return ways[int(rng.integers(len(ways)))]


def _state(rng: np.random.Generator, place: str, is_active: bool) -> str:
    words = ("open", "close") if place in DOORS else ("switched on", "switched off")
    word = words[0] if is_active else words[1]
    ways = [f"the {place} is {word}", f"the {place} that is {word}", f"{word} {place}"]
    return ways[int(rng.integers(len(ways)))]
