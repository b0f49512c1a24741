"""Intervals of proportions and the mass that was not seen."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq

from relu_landscape.engine.points.attraction import missing_mass, wilson_interval


@pytest.mark.parametrize(
    ("hits", "trials"), [(0, 1), (1, 1), (0, 50), (1, 2), (3, 10), (50, 50), (7, 1000), (999, 1000)]
)
def test_wilson_interval_inverts_the_score_test(hits: int, trials: int) -> None:
    """Its ends are the proportions p with |hits/n - p| = 1.96 sqrt(p (1 - p) / n)."""
    share = hits / trials

    def excess(p: float) -> float:
        return (share - p) ** 2 - 1.959963984540054**2 * p * (1 - p) / trials

    # At no hits p = 0 solves it too, and p = 1 at nothing but hits: brackets begin beside them.
    low = 0.0 if hits == 0 else brentq(excess, 0.0, min(share, 1.0 - 1e-9), xtol=1e-15)
    high = 1.0 if hits == trials else brentq(excess, max(share, 1e-9), 1.0, xtol=1e-15)
    assert wilson_interval(hits, trials) == pytest.approx((low, high), abs=1e-12)


def test_wilson_intervals_cover_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    for p in (0.02, 0.3, 0.76):
        drawn = rng.binomial(500, p, 2000).tolist()
        inside = [low <= p <= high for low, high in (wilson_interval(k, 500) for k in drawn)]
        # Known to swing by two percent around 95 with the discreteness of the hits.
        assert 0.93 < np.mean(inside) < 0.975


def test_nothing_seen_twice() -> None:
    estimate, bound = missing_mass([1, 1, 1], 3)
    assert (estimate, bound) == (1.0, 1.0)


def test_without_singles_the_bound_is_the_rule_of_three() -> None:
    estimate, bound = missing_mass([500, 498, 2], 1000)
    assert estimate == 0.0
    assert bound == pytest.approx(-math.log(0.05) / 1000, rel=1e-12)


def test_points_without_a_hit_do_not_count() -> None:
    assert missing_mass([0, 0, 5, 1], 6) == missing_mass([5, 1], 6)


@pytest.mark.parametrize("skew", [0.5, 1.0, 2.0])
def test_the_bound_covers_the_missing_mass(skew: float) -> None:
    """Seeded worlds of 300 points with probabilities like a power of their rank."""
    rng = np.random.default_rng(17)
    chances = np.arange(1.0, 301.0) ** -skew
    chances /= chances.sum()
    covered, estimates, truths = 0, [], []
    for _ in range(400):
        hits = rng.multinomial(200, chances)
        estimate, bound = missing_mass(hits.tolist(), 200)
        unseen = float(chances[hits == 0].sum())
        covered += unseen <= bound
        estimates.append(estimate)
        truths.append(unseen)
    # 95% of 400 is 380; 4 standard deviations below that is 363.
    assert covered >= 363
    # Good's estimate is unbiased up to 1/N; its mean over 400 worlds is known to about 0.002.
    assert np.mean(estimates) == pytest.approx(np.mean(truths), abs=0.01)
