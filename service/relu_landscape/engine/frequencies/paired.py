"""The difference of two shares that were counted on the same starts."""

from __future__ import annotations

import math

from relu_landscape.engine.points.attraction import NORMAL_95


def paired_interval(only_first: int, only_second: int, trials: int) -> tuple[float, float]:
    """95% interval of a difference of paired shares, first less second (Bonett and Price 2012).

    ``only_first`` of the ``trials`` (at least 1) count for the first share alone, ``only_second``
    for the second alone; those that count for both or neither say nothing. One is added to each of
    the two, which keeps the coverage near 95%, or above, down to a handful of trials. Inside
    [-1, 1].

    >>> low, high = paired_interval(12, 4, 200)
    >>> round(low, 4), round(high, 4)
    (-0.0012, 0.0804)
    """
    first, second = (only_first + 1) / (trials + 2), (only_second + 1) / (trials + 2)
    difference = first - second
    half = NORMAL_95 * math.sqrt((first + second - difference**2) / (trials + 2))
    return max(-1.0, difference - half), min(1.0, difference + half)
