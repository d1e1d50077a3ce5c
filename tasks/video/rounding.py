"""How far a written time may lie before the frame that it means: what clocks and writers round."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

MICROSECOND = Fraction(1, 1_000_000)
"""The last digit of most written times. A third of a second is 0.333333, as a float 0.3333333333333333: both before."""


def rounds_frames(time_base: Fraction, times: Sequence[int]) -> bool:
    """Tell whether a decimal clock rounds the times of evenly spaced frames: no two lie more than a tick off their even
    place, and not all steps are equal. A clock of other ticks, or of equal steps, is that of the frames themselves.

    >>> rounds_frames(Fraction(1, 100), [0, 3, 7, 10, 13, 17])
    True
    >>> rounds_frames(Fraction(1, 100), [0, 3, 6, 9]), rounds_frames(Fraction(1, 60), [0, 2, 5, 7, 10])
    (False, False)
    >>> rounds_frames(Fraction(1, 10), [0, 1, 2, 6, 7, 8])
    False
    """
    is_decimal = time_base.numerator == 1 and str(time_base.denominator).rstrip("0") == "1"
    steps = {after - before for before, after in pairwise(times)}
    if not is_decimal or len(steps) != 2 or max(steps) - min(steps) != 1:
        return False
    step = Fraction(times[-1] - times[0], len(times) - 1)
    return all(abs(time - times[0] - number * step) <= 1 for number, time in enumerate(times))
