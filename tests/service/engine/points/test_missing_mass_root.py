"""The bound of the missing mass is the root that its derivation speaks of, to forty digits."""

from __future__ import annotations

from typing import Any

import mpmath
import pytest

from relu_landscape.engine.points.attraction import HELD_BACK, missing_mass

SAMPLES = [
    ([500, 300, 150, 50], 1000),
    ([1, 2, 3, 4, 90], 100),
    ([2] * 50, 100),
    ([1] * 5 + [2] * 5, 15),
    ([3, 0, 1], 6),  # two failed, one listed without a hit
    ([7], 7),
    ([100_000, 3, 2], 100_006),
    ([1] * 300 + [5] * 20, 400),
]


def _mean_e_value(mass: Any, hits: list[int], failed: int) -> Any:
    """The products of the docstring, one factor per point; a failed start is a point of its own."""
    z = 1 / (1 - mass)
    mean = mpmath.mpf(0)
    for share, weight in HELD_BACK:
        q = mpmath.mpf(share)
        factors = [(1 - q + q * z) ** h - (q * z) ** h for h in [*hits, *[1] * failed] if h]
        mean += mpmath.mpf(weight) * mpmath.fprod(factors)
    return mean


@pytest.mark.parametrize(("hits", "trials"), SAMPLES)
def test_the_bound_is_where_the_mean_reaches_twenty(hits: list[int], trials: int) -> None:
    """Never below it, since it would not cover; above it by 1e-7 of itself at most.

    The engine adds logarithms that keep their digits, here the products themselves are formed; a
    hit counted once too often, a weight of the wrong share, a mean over the wrong number all move
    the root by more than 1e-7.
    """
    failed = trials - sum(hits)
    estimate, bound = missing_mass(hits, trials)
    assert estimate == (sum(h == 1 for h in hits) + failed) / trials
    with mpmath.workdps(40):
        at = _mean_e_value(mpmath.mpf(bound), hits, failed)
        below = _mean_e_value(mpmath.mpf(bound) * (1 - mpmath.mpf("1.1e-7")), hits, failed)
    assert 0 < bound < 1
    assert below < 20 <= at
