"""Intervals of proportions and the mass that was not seen."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import brentq

from relu_landscape.engine.points.attraction import HELD_BACK, missing_mass, wilson_interval


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


def test_where_every_point_was_seen_often_the_bound_is_near_the_rule_of_three() -> None:
    """What is left above -log(0.05) / N = 3 / N is the share held back and the weight of it."""
    estimate, bound = missing_mass([500, 300, 150, 50], 1000)
    assert estimate == 0.0
    share, weight = HELD_BACK[0]
    # The other shares help a little: without them the weight would count in full.
    assert -math.log(0.05) < share * 1000 * bound < -math.log(0.05 * weight)
    assert 3.0 / 1000 < bound < 4.2 / 1000


def test_what_was_seen_twice_counts_too() -> None:
    """A bound by the number of single hits alone would call these three samples alike."""
    bounds = [missing_mass(hits, 1000)[1] for hits in ([500, 500], [998, 2], [500, *[2] * 250])]
    assert bounds == sorted(bounds)
    assert bounds[2] > 10 * bounds[0]


def test_points_without_a_hit_do_not_count() -> None:
    assert missing_mass([0, 0, 5, 1], 6) == missing_mass([5, 1], 6)


def test_failed_starts_ended_at_no_listed_point() -> None:
    """Each is a point of its own that was seen once, as if it had been listed and hit once."""
    assert missing_mass([500, 490], 1000) == missing_mass([500, 490, *[1] * 10], 1000)
    assert missing_mass([500, 490], 1000)[0] == 0.01
    assert missing_mass([], 10) == (1.0, 1.0)


def test_the_weights_of_the_shares_make_a_mean() -> None:
    assert sum(weight for _, weight in HELD_BACK) == pytest.approx(1.0, abs=1e-15)
    assert all(0 < share < 1 for share, _ in HELD_BACK)


@pytest.mark.parametrize("chances", [(0.5, 0.3, 0.2), (0.9, 0.05, 0.05), (0.4, 0.4, 0.1, 0.1)])
def test_the_e_value_has_expectation_one_at_most(chances: tuple[float, ...]) -> None:
    """Every sample of five draws, weighed by its chance: the proof's inequality, without Monte
    Carlo. The products are those of the docstring."""
    for share, _ in HELD_BACK:
        expectation = 0.0
        for sample in itertools.product(range(len(chances)), repeat=5):
            hits = [sample.count(point) for point in range(len(chances)) if point in sample]
            seen = math.fsum(chances[point] for point in set(sample))
            z = 1.0 / seen
            value = math.prod((1 - share + share * z) ** h - (share * z) ** h for h in hits)
            expectation += value * math.prod(chances[point] for point in sample)
        assert expectation <= 1.0 + 1e-12


def _power(points: int, skew: float) -> list[float]:
    weights = [rank**-skew for rank in range(1, points + 1)]
    return [weight / sum(weights) for weight in weights]


#: Worlds that are hard in different ways: everything rare, nearly everything, a heavy tail, few
#: points, and chances of a few over N, where what was missed is most often not foretold.
WORLDS: dict[str, Sequence[float]] = {
    "200 rare": [1 / 200] * 200,
    "one and 200 rare": [0.9] + [0.1 / 200] * 200,
    "one and 20 rare": [0.97] + [0.03 / 20] * 20,
    "Zipf": _power(300, 1.0),
    "a steep tail": _power(300, 2.0),
    "a flat tail": _power(3000, 0.5),
    "four": [0.6, 0.25, 0.1, 0.05],
    "two": [0.997, 0.003],
}


def _realised(hits: NDArray[np.int64], chances: Sequence[float]) -> float:
    return math.fsum(np.asarray(chances)[hits == 0].tolist())


@pytest.mark.parametrize("trials", [10, 100, 1000, 10000])
@pytest.mark.parametrize("world", WORLDS)
def test_the_bound_covers_the_missing_mass_that_was_realised(world: str, trials: int) -> None:
    """95% is promised for what was missed in the same sample, not for its mean over samples.

    Chi-squared limits of f1 alone were exceeded in 17% of the samples of 200 rare points.
    """
    chances, repeats = WORLDS[world], 200
    rng = np.random.default_rng([trials, len(chances)])
    above = 0
    for hits in rng.multinomial(trials, chances, repeats):
        _, bound = missing_mass(hits.tolist(), trials)
        above += _realised(hits, chances) > bound
    assert above <= 0.05 * repeats + 3 * math.sqrt(0.05 * 0.95 * repeats)


@pytest.mark.parametrize("multiple", [3.0, 4.0, 5.0, 7.0])
def test_the_bound_holds_where_each_chance_is_a_few_over_the_number_of_starts(
    multiple: float,
) -> None:
    """The hardest worlds for what was realised: as many points of chance multiple / N as fit."""
    trials, repeats = 1000, 300
    points = int(trials / multiple)
    chances = [multiple / trials] * points
    chances[0] += 1.0 - math.fsum(chances)
    above = 0
    for hits in np.random.default_rng(points).multinomial(trials, chances, repeats):
        above += _realised(hits, chances) > missing_mass(hits.tolist(), trials)[1]
    assert above <= 0.05 * repeats + 3 * math.sqrt(0.05 * 0.95 * repeats)


def test_failed_starts_are_covered_as_well() -> None:
    """The chance to fail is part of the chance that the next start ends at no listed point."""
    chances, trials, repeats = [0.6, 0.35, 0.02, 0.03], 200, 400  # the last one: to fail
    above = 0
    for hits in np.random.default_rng(5).multinomial(trials, chances, repeats):
        unlisted = _realised(hits[:3], chances[:3]) + chances[3]
        above += unlisted > missing_mass(hits[:3].tolist(), trials)[1]
    assert above <= 0.05 * repeats + 3 * math.sqrt(0.05 * 0.95 * repeats)


@pytest.mark.parametrize("skew", [0.5, 1.0, 2.0])
def test_the_estimate_is_right_on_average_and_the_bound_is_of_its_size(skew: float) -> None:
    rng = np.random.default_rng(17)
    chances = _power(300, skew)
    found = [
        (*missing_mass(hits.tolist(), 200), _realised(hits, chances))
        for hits in rng.multinomial(200, chances, 400)
    ]
    estimates, bounds, truths = (float(np.mean(column)) for column in zip(*found, strict=True))
    # Good's estimate is unbiased up to 1/N; its mean over 400 worlds is known to about 0.002.
    assert estimates == pytest.approx(truths, abs=0.01)
    # What the bound adds is of the order of sqrt(f1) / N, not of 1 / sqrt(N).
    assert truths < bounds < truths + 4 * math.sqrt(6 * truths / 200) + 6 / 200
