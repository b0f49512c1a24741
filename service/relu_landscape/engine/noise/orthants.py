"""Orthant probabilities of two, three and four jointly Gaussian variables of mean zero.

Two and three are elementary. For four (no closed form: Abrahamson 1964, Ann. Math. Stat. 35, 1685)
Plackett's identity dP/d rho_pq = phi_pq P(others | X_p = X_q = 0) (Plackett 1954, Biometrika 41,
351) is integrated along a path that scales the correlations between two pairs (01), (23) by t:

    P4 = P2(01) P2(23) + int_0^1 sum_pq rho_pq / (2 pi sqrt(1 - t^2 rho_pq^2)) P2(others | pq) dt

Inside its pair, each unit is written in an orthonormal basis, so that nothing is lost where the two
are nearly parallel or opposite; the pairs are chosen so that such are inside. With
``t = s (2 - s)`` the integrand is smooth also where a correlation between the pairs is one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.noise.units import Units

Real = NDArray[np.float64]
Whole = NDArray[np.int64]

PI = np.pi
#: Gauss-Legendre nodes in s and the grading of the path, ``t = 1 - (1 - s)^grading``: where all
#: sines between the pairs are above ``STEEP``, and where one is not.
EASY_PATH = (16, 2)
STEEP_PATH = (48, 6)
STEEP = 0.3
#: Sets whose path is integrated together: temporaries of some megabytes.
TOGETHER = 4096
#: Sets whose vectors are gathered together.
GATHERED = 256

#: Variance of a unit direction, given two others, below which three lie in a plane: above it the
#: difference of squares has ten digits, which an angle shows half of at worst.
FLAT = 1e-6

#: The three ways of pairing four positions.
PAIRINGS = ((0, 1, 2, 3), (0, 2, 1, 3), (0, 3, 1, 2))
#: The pairs of positions, in the order of ``Quadruples.conditional``; first the two inner ones.
PAIRS = ((0, 1), (2, 3), (0, 2), (0, 3), (1, 2), (1, 3))


def two(angle: Real) -> Real:
    """P(X > 0, Y > 0) from the angle between them."""
    return (PI - angle) / (2.0 * PI)


def three(first: Real, second: Real, third: Real) -> Real:
    """P(all of three > 0) from the angles between them."""
    return (2.0 * PI - first - second - third) / (4.0 * PI)


@dataclass(frozen=True)
class Quadruples:
    """Sets of four units, each in an order that suits the path.

    ``members`` (N, 4): the units; ``conditional`` (6, N): for each of ``PAIRS`` the probability
    that the other two are positive where these two are zero. ``cross`` (N, 2, 2): scalar products
    of the orthonormal bases of the pairs (01) and (23); ``inner`` (2, 2, N): cosine and sine within
    either pair; ``volume`` (N,) of the four unit vectors over these two sines.
    """

    members: Whole
    conditional: Real
    volume: Real
    cross: Real
    inner: Real

    @staticmethod
    def of(units: Units, sets: Whole) -> Quadruples:
        """From ``sets`` (N, 4) of different units in any order."""
        members = _ordered(units, sets)
        zero, one, two_, three_ = members.T
        cross = _crossed(units, members)
        inner = np.array(
            [
                [units.cosine[zero, one], units.sine[zero, one]],
                [units.cosine[two_, three_], units.sine[two_, three_]],
            ]
        )
        conditional, volume = _conditional(units, members, cross, inner)
        return Quadruples(members, conditional, volume, cross, inner)

    def probabilities(self, units: Units, rows: Whole) -> Real:
        """P(all four > 0) of some of the sets."""
        members = self.members[rows]
        across = np.min([units.sine[members[:, p], members[:, q]] for p, q in PAIRS[2:]], axis=0)
        found = np.empty(len(rows))
        hard = across < STEEP
        for some, (nodes, grading) in ((~hard, EASY_PATH), (hard, STEEP_PATH)):
            places = np.nonzero(some)[0]
            for first in range(0, len(places), TOGETHER):
                part = places[first : first + TOGETHER]
                found[part] = self._along_path(units, rows[part], nodes, grading)
        return found

    def _along_path(self, units: Units, rows: Whole, nodes: int, grading: int) -> Real:
        members = self.members[rows]
        s, weights = _nodes(nodes)
        left = (1.0 - s) ** grading  # 1 - t
        t = 1.0 - left
        weights = weights * grading * (1.0 - s) ** (grading - 1)
        volume = self._volume_along(rows, t, left)
        inner = self.inner[:, :, rows]
        total = np.zeros(len(rows))
        for p in (0, 1):
            for q in (0, 1):
                g, x, y, z = (h[:, None] for h in _turned(self.cross[rows], inner, p, q))
                sine = units.sine[members[:, p], members[:, 2 + q]][:, None]
                strength = np.abs(g)
                # 1 - t |g| without cancellation.
                room = sine**2 / (1.0 + strength) + left * strength
                room = room * (1.0 + t * strength)
                along = t * (z * room + t**2 * x * y * g)
                given = two(np.arctan2(volume * np.sqrt(room), along))
                total += (g / np.sqrt(room) * given) @ weights
        zero, one, two_, three_ = members.T
        start = two(units.angle[zero, one]) * two(units.angle[two_, three_])
        return np.asarray(start + total / (2.0 * PI))

    def _volume_along(self, rows: Whole, t: Real, left: Real) -> Real:
        """Volume of the four unit vectors over the sines of the inner pairs, at t; (N, nodes).

        It is the root of ``(1 - t^2 s^2)(1 - t^2 r^2)``, s and r the singular values of ``cross``.
        """
        G, squared = self.cross[rows], self.volume[rows] ** 2
        half = np.maximum(1.0 - np.sum(G * G, axis=(1, 2)) / 2.0, 0.0)
        larger = half + np.sqrt(np.maximum(half**2 - squared, 0.0))  # 1 - r^2, r the smaller one
        smaller = squared / np.where(larger > 0.0, larger, 1.0)
        gone = left * (1.0 + t)  # 1 - t^2
        first, second = (gone + t**2 * x[:, None] for x in (larger, smaller))
        return np.asarray(np.sqrt(first * second))


def _crossed(units: Units, members: Whole) -> Real:
    """Scalar products (N, 2, 2) of the orthonormal bases of the pairs (01) and (23).

    Some sets at a time, whose vectors stay in the cache: all at once, reading and writing them took
    three quarters of the time of Sigma at 34 units.
    """
    left, u = units.residuals(), units.directions
    cross = np.empty((len(members), 2, 2))
    for start in range(0, len(members), GATHERED):
        a, b, c, d = members[start : start + GATHERED].T
        ours, theirs = np.stack([u[a], left[a, b]], axis=1), np.stack([u[c], left[c, d]], axis=1)
        cross[start : start + GATHERED] = np.matmul(ours, np.swapaxes(theirs, 1, 2))
    return cross


def _nodes(count: int) -> tuple[Real, Real]:
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1.0) / 2.0, weights / 2.0


def _ordered(units: Units, sets: Whole) -> Whole:
    """Each set with its most parallel (or opposite) pairs inside, and positions 0 and 2 the most
    parallel of the others."""
    sine = units.sine
    product = np.stack(
        [sine[sets[:, a], sets[:, b]] * sine[sets[:, c], sets[:, d]] for a, b, c, d in PAIRINGS]
    )
    members = np.take_along_axis(sets, np.asarray(PAIRINGS)[np.argmin(product, axis=0)], axis=1)
    across = np.stack(
        [sine[members[:, a], members[:, b]] for a, b in ((0, 2), (0, 3), (1, 2), (1, 3))]
    )
    orders = np.asarray([(0, 1, 2, 3), (0, 1, 3, 2), (1, 0, 2, 3), (1, 0, 3, 2)])
    return np.take_along_axis(members, orders[np.argmin(across, axis=0)], axis=1)


def _turned(G: Real, inner: Real, p: int, q: int) -> tuple[Real, Real, Real, Real]:
    """Entries (00, 01, 10, 11) of the cross products in the bases that begin with units p and q.

    Unit 1 = c unit 0 + s e0, and what is left of unit 0 beside it is s unit 0 - c e0.
    """
    a, b, c, d = G[:, 0, 0], G[:, 0, 1], G[:, 1, 0], G[:, 1, 1]
    if p:
        cosine, sine = inner[0]
        a, b, c, d = cosine * a + sine * c, cosine * b + sine * d, sine * a - cosine * c, (
            sine * b - cosine * d
        )  # fmt: skip
    if q:
        cosine, sine = inner[1]
        a, b, c, d = cosine * a + sine * b, sine * a - cosine * b, cosine * c + sine * d, (
            sine * c - cosine * d
        )  # fmt: skip
    return a, b, c, d


def _conditional(units: Units, members: Whole, cross: Real, inner: Real) -> tuple[Real, Real]:
    """For each of ``PAIRS``: P(other two > 0 | these are zero), (6, N); and the ``volume`` (N,).

    The angle of the others is an arctangent whose sine comes from the volume of the four unit
    vectors, computed once: where it vanishes (four units in a space of three dimensions) the six
    angles move together, and their errors cancel in what is summed over pairs.
    """
    sine = units.sine[members[:, 0], members[:, 2]]
    a, b, c, d = _turned(cross, inner, 0, 0)
    along = d + b * c * a / sine**2
    area = (1.0 - (c / sine) ** 2) * (1.0 - (b / sine) ** 2) - along**2
    volume = sine * np.sqrt(np.maximum(area, 0.0))  # over the sines of the two inner pairs
    found = np.empty((6, len(members)))
    (cosine01, sine01), (cosine23, sine23) = inner
    left = 1.0 - a * a - c * c
    doubtful = left < FLAT
    found[0] = np.arctan2(sine23 * volume, cosine23 * left - sine23 * (a * b + c * d))
    left = 1.0 - a * a - b * b
    doubtful |= left < FLAT
    found[1] = np.arctan2(sine01 * volume, cosine01 * left - sine01 * (a * c + b * d))
    for place, (p, q) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        g, x, y, z = _turned(cross, inner, p, q)
        sine = units.sine[members[:, p], members[:, 2 + q]]
        found[2 + place] = np.arctan2(volume, sine * (z + x * y * g / sine**2))
        doubtful |= (1.0 - (x / sine) ** 2 < FLAT) | (1.0 - (y / sine) ** 2 < FLAT)
    rows = np.nonzero(doubtful)[0]
    for first in range(0, len(rows), TOGETHER):
        some = rows[first : first + TOGETHER]
        found[:, some] = _angles(units, members[some])
    return two(found), volume


def _angles(units: Units, members: Whole) -> Real:
    """The angles of ``_conditional`` from the vectors themselves, (6, N).

    For sets with three units in a plane: what is left of one beside the other two is then its own
    coordinate (``units.APART``), which a difference of squares would lose.
    """
    u, left = units.directions[members], units.residuals()
    found = np.empty((6, len(members)))
    for place, (q, r) in enumerate(PAIRS):
        basis = (u[:, q], left[members[:, q], members[:, r]])
        rest = [u[:, k] for k in range(4) if k not in (q, r)]
        for _ in range(2):  # the second time for what the first leaves by rounding
            for axis in basis:
                rest = [x - np.sum(x * axis, axis=1, keepdims=True) * axis for x in rest]
        x, y = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in rest)
        apart, along = np.linalg.norm(x - y, axis=1), np.linalg.norm(x + y, axis=1)
        found[place] = 2.0 * np.arctan2(apart, along)
    return found
