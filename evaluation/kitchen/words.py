"""Every word that the kitchen's sentences use, static and acted: the word list of its text model."""

from evaluation.kitchen.things import COLOURS, KINDS
from evaluation.kitchen.world import PLACES

_SMALL_WORDS = (
    "a the in on off out to from of with away that is it where one no new picture open close switch switched turn "
    "move put take add make paint recolour remove replace"
)

WORDS = tuple(sorted({*_SMALL_WORDS.split(), *PLACES, *KINDS, *COLOURS}))
"""All words in alphabetical order."""
