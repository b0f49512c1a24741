"""Orthant probabilities against quadrature, and against identities that no path knows of."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from relu_landscape.engine.noise.orthants import Quadruples, three, two
from relu_landscape.engine.noise.units import Units
from tests.service.engine.oracles import Real


def four(directions: Real) -> float:
    """P(all four active) of unit vectors (4, p), as the engine computes it."""
    units = Units.along(directions, np.ones(4), 4)
    found = Quadruples.of(units, np.arange(4)[None])
    return float(found.probabilities(units, np.arange(1))[0])


def unit_rows(rows: Real) -> Real:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def angles(u: Real) -> Real:
    return np.asarray(np.arccos(np.clip(u @ u.T, -1.0, 1.0)))


def _root(C: Real) -> Real:
    return np.asarray(np.linalg.cholesky(C), dtype=np.float64)


def by_quadrature(loadings: Real) -> float:
    """P(X > 0) where X_i = l_i Z + sqrt(1 - l_i^2) Z_i: one integral over the common factor."""
    ratio = loadings / np.sqrt(1.0 - loadings**2)

    def density(z: float) -> float:
        return float(norm.pdf(z) * np.prod(norm.cdf(ratio * z)))

    return float(quad(density, -12, 12, points=[0.0], epsabs=1e-14, epsrel=1e-13, limit=400)[0])


@pytest.mark.parametrize(
    "loadings",
    [
        (0.5, 0.5, 0.5, 0.5),
        (0.9, -0.3, 0.2, 0.7),
        (0.99, 0.98, 0.3, -0.4),
        (0.95, -0.95, 0.95, -0.95),
        (0.0, 0.5, 0.0, 0.6),
        # all four nearly parallel: the path's steep end (cosines 0.998)
        (0.999, 0.999, 0.999, 0.999),
    ],
)
def test_common_factor(loadings: tuple[float, ...]) -> None:
    l = np.asarray(loadings)  # noqa: E741 - the field's name for loadings
    u = np.column_stack([l, np.diag(np.sqrt(1.0 - l**2))])
    # 1e-9: what the path of 16 nodes leaves where a sine between pairs is just above its threshold.
    assert four(u) == pytest.approx(by_quadrature(l), abs=1e-9)
    pair = angles(u)
    assert float(three(pair[0, 1], pair[0, 2], pair[1, 2])) == pytest.approx(
        by_quadrature(l[:3]), abs=1e-12
    )
    assert float(two(pair[0, 1])) == pytest.approx(by_quadrature(l[:2]), abs=1e-12)


@pytest.mark.parametrize("dimension", [2, 3, 4, 7])
@pytest.mark.parametrize("seed", range(5))
def test_a_unit_and_its_opposite_share_what_is_left(dimension: int, seed: int) -> None:
    """P4(a, b, c, d) + P4(a, b, c, -d) = P3(a, b, c), in planes and spaces too."""
    u = unit_rows(np.random.default_rng([seed, dimension]).standard_normal((4, dimension)))
    pair = angles(u)
    for last in range(4):
        turned = u.copy()
        turned[last] *= -1.0
        a, b, c = (k for k in range(4) if k != last)
        expected = float(three(pair[a, b], pair[a, c], pair[b, c]))
        assert four(u) + four(turned) == pytest.approx(expected, abs=2e-9)


@pytest.mark.parametrize("gap", [1e-2, 1e-5, 1e-8, 0.0])
def test_limits_of_near_and_opposite_units(gap: float) -> None:
    """Where two units merge four become three, where two are opposite nothing is left."""
    rng = np.random.default_rng(7)
    u = unit_rows(rng.standard_normal((4, 6)))
    pair = angles(u)
    rest = float(three(pair[0, 1], pair[0, 2], pair[1, 2]))
    near = unit_rows(np.vstack([u[:3], u[0] + gap * u[3]]))
    opposite = unit_rows(np.vstack([u[:3], -u[0] + gap * u[3]]))
    # Turning a unit by an angle moves a probability by less than it over 2 pi.
    room = gap / (2.0 * math.pi) + 1e-9
    assert four(near) == pytest.approx(rest, abs=room)
    assert four(opposite) == pytest.approx(0.0, abs=room)
    merged = unit_rows(np.vstack([u[:2], u[0] + gap * u[3], u[0] + gap * u[2]]))
    assert four(merged) == pytest.approx(float(two(pair[0, 1])), abs=2 * room)


def test_orthogonal_units_are_independent() -> None:
    assert four(np.eye(4)) == pytest.approx(1 / 16, abs=1e-15)


def test_order_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    u = unit_rows(rng.standard_normal((4, 5)))
    found = [four(u[rng.permutation(4)]) for _ in range(6)]
    assert found == pytest.approx([four(u)] * 6, abs=1e-12)


def test_conditional_probabilities_are_derivatives() -> None:
    """dP4/d rho = P(others | both zero) / (2 pi sin): Plackett, by finite differences."""
    rng = np.random.default_rng(5)
    G = rng.standard_normal((4, 6))
    lengths = np.linalg.norm(G, axis=1)
    C = np.asarray(G @ G.T / np.outer(lengths, lengths))
    units = Units.along(_root(C), np.ones(4), 4)
    found = Quadruples.of(units, np.arange(4)[None])
    step = 1e-4
    for place, (x, y) in enumerate(((0, 1), (2, 3), (0, 2), (0, 3), (1, 2), (1, 3))):
        q, r = found.members[0, [x, y]]
        shift = np.zeros((4, 4))
        shift[q, r] = shift[r, q] = step
        moved = [four(_root(C + sign * shift)) for sign in (1.0, -1.0)]
        slope = (moved[0] - moved[1]) / (2 * step)
        expected = found.conditional[place, 0] / (2 * math.pi * math.sqrt(1 - C[q, r] ** 2))
        # Central differences: 1e-8 of curvature and 1e-14 / 1e-4 of rounding.
        assert slope == pytest.approx(expected, rel=1e-6)


def test_sets_do_not_know_of_each_other() -> None:
    """One evaluation of many sets gives each what it has alone."""
    u = unit_rows(np.random.default_rng(11).standard_normal((7, 5)))
    units = Units.along(u, np.ones(7), 7)
    sets = np.array([[0, 1, 2, 3], [2, 4, 5, 6], [0, 3, 5, 6]])
    together = Quadruples.of(units, sets).probabilities(units, np.arange(3))
    alone = partial(Quadruples.of, units)
    for row, each in enumerate(sets):
        single = alone(each[None]).probabilities(units, np.arange(1))[0]
        assert single == pytest.approx(together[row], abs=1e-15)
