"""How often gradient flow ends where: frequencies with intervals, and what has not been seen."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

#: Two-sided 95% quantile of the normal distribution.
NORMAL_95 = 1.959963984540054

#: Share of the draws that is held back, and the weight of each share in the mean of their e-values.
#: A large share proves most where every point was seen often (3.3 / N at 0.9), a small one where
#: many were seen once (the best share is about sqrt(6 / f1)); the weights, of sum 1, cost at most
#: their logarithm, and favour the common case of few points with many hits.
HELD_BACK = ((0.9, 0.4), (0.6, 0.3), (0.3, 0.15), (0.1, 0.1), (0.03, 0.05))

#: The bound is rounded upwards by at most this share of itself: no reader sees more digits.
ROUNDED_UP = 1e-7


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
    """Chance that the next start ends at a point not listed: estimate and 95% upper bound.

    ``hits``: how many of the ``trials`` (at least 1) ended at each listed point. The trials beyond
    their sum failed: they ended at no listed point, so each counts as a point of its own that was
    seen once. The estimate is Good and Turing's f1 / N (Good 1953), f1 the number of points seen
    exactly once.

    The bound holds for the missing mass that was realised, which is itself random, in at least 95%
    of all samples, at every distribution and every N. Let M be the missing mass after N independent
    draws, held back a set S of them, and T the event that the draws in S bring no point that the
    others lack. Given the others, T has the chance (1 - M')^|S|, M' being what they miss, and on T
    M = M'; so E[1_T (1 - M)^-|S|] <= 1. The mean over all S, each draw held back with chance q by
    itself, is a function of the hits h and of M alone,

        Phi_q(M) = prod_h [(1 - q + q z)^h - (q z)^h],        z = 1 / (1 - M),

    of expectation at most 1 and rising in M, and so is a mean of several q with fixed weights
    (``HELD_BACK``). By Markov's inequality Phi(M) reaches 20 in at most 5% of the samples: the
    bound is where it does. Derivation: docs/mathematics/flow.md, "What was not seen".

    Accuracy: the bound is rounded upwards by at most 1e-7 of itself, which covers the rounding of
    Phi. It is close to 4 / N where every point was seen often.

    >>> estimate, bound = missing_mass([500, 300, 150, 50], 1000)
    >>> estimate, round(bound, 5)
    (0.0, 0.00408)
    """
    counts = Counter(count for count in hits if count)
    counts[1] += trials - sum(hits)
    low, high = 0.0, 1.0
    while high - low > ROUNDED_UP * high:
        middle = (low + high) / 2
        if _log_e_value(middle, counts) < math.log(20):
            low = middle
        else:
            high = middle
    return counts[1] / trials, high


def _log_e_value(mass: float, counts: Mapping[int, int]) -> float:
    """Logarithm of the mean of Phi_q(mass) over ``HELD_BACK``; ``counts[h]`` points have h hits.

    With ``r = q z / (1 - q + q z)`` a factor of Phi_q is ``((1 - q) / (1 - r))^h (1 - r^h)``.
    """
    if mass >= 1.0:
        return math.inf
    logarithms = []
    for share, weight in HELD_BACK:
        longer = math.log1p(share * mass / (1.0 - mass))  # log(1 - q + q z)
        kept = math.exp(math.log1p(-share) - longer)  # 1 - r, which keeps its digits as r nears 1
        total = math.log(weight)
        for h, points in counts.items():
            if points:
                total += points * (h * longer + math.log(-math.expm1(h * math.log1p(-kept))))
        logarithms.append(total)
    largest = max(logarithms)
    return largest + math.log(sum(math.exp(value - largest) for value in logarithms))
