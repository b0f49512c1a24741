"""How often gradient flow ends where: frequencies with intervals, and what has not been seen."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.special import chdtri

#: Two-sided 95% quantile of the normal distribution.
NORMAL_95 = 1.959963984540054


def wilson_interval(hits: int, trials: int) -> tuple[float, float]:
    """95% score interval of a proportion (Wilson 1927).

    ``hits`` of ``trials``, trials at least 1. Coverage is close to 95% at every proportion,
    zero hits included; the interval stays inside [0, 1].

    >>> low, high = wilson_interval(0, 100)
    >>> low == 0.0, round(high, 4)
    (True, 0.037)
    """
    z2 = NORMAL_95**2
    share = hits / trials
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = (
        NORMAL_95
        / (1 + z2 / trials)
        * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    )
    low = 0.0 if hits == 0 else max(0.0, centre - half)
    high = 1.0 if hits == trials else min(1.0, centre + half)
    return low, high


def missing_mass(hits: Sequence[int], trials: int) -> tuple[float, float]:
    """Chance that the next start ends at a point not seen yet: estimate and 95% upper bound.

    The estimate is Good and Turing's f1 / N (Good 1953), f1 the number of points seen exactly once.
    The bound: the expectation of f1 is N times the expected missing mass, and f1 is a sum of rare,
    negatively correlated events, so Poisson's exact upper limit applies to it:
    chi2_{0.95}(2 f1 + 2) / (2 N), the rule of three where f1 = 0.
    """
    singles = sum(1 for count in hits if count == 1)
    bound = float(chdtri(2 * singles + 2, 0.05)) / (2 * trials)
    return singles / trials, min(1.0, bound)
