"""The noise of one-pass SGD: Sigma_ij = E[e^2 1_i 1_j], e = f - f*, 1_i = 1(w_i . x > 0).

With signed lengths m_a (students +, teachers -) and units Z_a = u_a . x,

    Sigma_ij = sum_ab m_a m_b E[Z_a Z_b 1(Z_c > 0 for c in S)],     S = {a, b, i, j}.

By parts twice (Tallis 1961, J. R. Stat. Soc. B 23, 223), for any a and b,

    E[Z_a Z_b 1_S] = c_ab P(S) + 1/(2 pi) sum_{q<r in S} beta_qr(a, b) P(rest | Z_q = Z_r = 0)
    beta_qr(a, b) = (tan(t/2) (c_aq + c_ar)(c_bq + c_br) - cot(t/2) (c_aq - c_ar)(c_bq - c_br)) / 2

with t the angle of q and r: both terms of a pair at once, which is bounded where they are parallel
or opposite. Sets of one to three units are elementary, so all of E[e^2 1_i] is; a set of four needs
P4 (``orthants``), and that only where c_ab is not zero.

**Accuracy.** E[e^2 1_i]: 1e-15 (K + M)^2 times the largest squared length. Sigma_ij the same, but
about 1e-9 where three of four units coincide or are opposite (``units.APART``), and 1e-7 where P4's
path passes near such a place (measured in the tests).

**Label noise** of variance s^2 adds ``s^2 P(i and j active)``; a batch of b divides all by b.

**Leaky units**, and the teacher says how much they leak: all is in the unit of ``activation``, in
which the activation is ``ReLU(x) + kappa x``. Sigma is then E[e^2 p_i p_j] with ``p = 1 + kappa``
where the unit is active and kappa where not, and ``leaking`` adds what that is more: elementary.
**Second layers** a, b of any sign: lengths have their weights, and Sigma_ij is ``a_i a_j`` times
the average, for ``dw_i`` has the factor a_i.
"""

from __future__ import annotations

import itertools
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.model import activation
from relu_landscape.engine.model.second_layers import SecondLayers
from relu_landscape.engine.model.teacher import Teacher
from relu_landscape.engine.noise import leaking, orthants
from relu_landscape.engine.noise.orthants import PAIRS, Quadruples
from relu_landscape.engine.noise.units import Units

Real = NDArray[np.float64]
Whole = NDArray[np.int64]

PI = np.pi
#: Cosines below this are rounding: what they multiply is not computed.
ORTHOGONAL = 1e-15


def squared_errors(W: Real, teacher: Teacher) -> Real:
    """Sigma_ii (K,), E[e^2 1_i] of ReLU, for students ``W`` (K, p), p >= M, none of norm zero;
    elementary."""
    units = Units.of(W, teacher)
    found = _diagonal(units)
    if teacher.leak != 0.0:
        found = leaking.squared(units, found, activation.slope(teacher.leak))
    return found


def noise(
    W: Real,
    teacher: Teacher,
    *,
    label_noise: float = 0.0,
    batch_size: int = 1,
    layers: SecondLayers | None = None,
) -> Real:
    """Sigma (K, K), symmetric and positive semidefinite up to its accuracy.

    Parameters: ``W`` (K, p) with the teacher's span in its first M coordinates, no student of norm
    zero; ``label_noise`` the standard deviation of the labels; ``layers`` None for weights of 1. In
    units of squared output; where units leak, of ``activation.height`` squared, and so for labels.
    """
    units = Units.of(W, teacher, layers)
    if teacher.leak == 0.0:
        found = noise_of(units, label_noise=label_noise, batch_size=batch_size)
    else:
        slope = activation.slope(teacher.leak)
        found = leaking.noise(units, noise_of(units), slope, label_noise=label_noise) / batch_size
    return found if layers is None else np.asarray(np.outer(layers.a, layers.a) * found)


def noise_of(units: Units, *, label_noise: float = 0.0, batch_size: int = 1) -> Real:
    """E[e^2 1_i 1_j] of ReLU for units of any signs: those of students' outputs, ``a_i a_j``, are
    not in it."""
    K = units.students
    Sigma = np.diag(_diagonal(units))
    if K > 1:
        beta = _Pairs(units)
        Sigma = Sigma + _two_and_three(units, beta) + _four(units, beta)
    Sigma = Sigma + label_noise**2 * orthants.two(units.angle[:K, :K] * (1.0 - np.eye(K)))
    return Sigma / batch_size


class _Pairs:
    """beta_qr(a, b) as ``plus_qra plus_qrb - minus_qra minus_qrb``, over 2 pi; (n, n, n)."""

    def __init__(self, units: Units) -> None:
        c = units.cosine
        # Unit a's own pair (q = r = a) is never asked for.
        half = np.where(np.eye(len(c), dtype=bool), 1.0, units.half)
        scale = np.sqrt(half / (4.0 * PI))
        self.plus = scale[..., None] * (c[:, None] + c[None])
        self.minus = (c[:, None] - c[None]) / (np.sqrt(half * (4.0 * PI)))[..., None]

    def of(self, q: Whole, r: Whole, a: Whole, b: Whole) -> Real:
        """beta over 2 pi for arrays of indices."""
        plus, minus = self.plus, self.minus
        return plus[q, r, a] * plus[q, r, b] - minus[q, r, a] * minus[q, r, b]


def _diagonal(units: Units) -> Real:
    """E[e^2 1_i] (K,)."""
    K, m, c, angle = units.students, units.signed, units.cosine, units.angle
    count = len(m)
    beta = _Pairs(units)
    i = np.arange(K)
    # Sets {i, k}: the quadratic form of (m_i, m_k) without its part of i alone.
    others = 1.0 - np.eye(K, count)
    P = orthants.two(angle[:K])
    plus, minus = beta.plus[:K], beta.minus[:K]
    own, others_plus = plus[i, :, i], np.einsum("ikk->ik", plus)
    own_minus, others_minus = minus[i, :, i], np.einsum("ikk->ik", minus)
    pairs = m * (2.0 * m[:K, None] * c[:K] + m) * P
    pairs += m * (
        2.0 * m[:K, None] * (own * others_plus - own_minus * others_minus)
        + m * (others_plus**2 - others_minus**2)
    )
    found = m[:K] ** 2 / 2.0 + np.sum(pairs * others, axis=1)
    # Sets {i, k, l}: E[Z_k Z_l 1_S], summed over k, l different from i and each other.
    P = orthants.three(angle[:K, :, None], angle[:K, None, :], angle[None])
    trio = c[None] * P
    trio += 0.5 * (np.einsum("ikk,ikl->ikl", plus, plus) - np.einsum("ikk,ikl->ikl", minus, minus))
    trio += 0.5 * (np.einsum("ilk,ill->ikl", plus, plus) - np.einsum("ilk,ill->ikl", minus, minus))
    inner = np.einsum("klk,kll->kl", beta.plus, beta.plus)
    inner = inner - np.einsum("klk,kll->kl", beta.minus, beta.minus)
    trio += 0.5 * inner[None]
    keep = others[:, :, None] * others[:, None, :] * (1.0 - np.eye(count))
    return np.asarray(found + np.einsum("ikl,k,l->i", trio * keep, m, m))


def _two_and_three(units: Units, beta: _Pairs) -> Real:
    """What sets of two and three units add to Sigma_ij, i != j; (K, K)."""
    K, m, c, angle = units.students, units.signed, units.cosine, units.angle
    found = np.zeros((K, K))
    i, j = (np.asarray(side) for side in np.triu_indices(K, 1))
    square = m[i] ** 2 + m[j] ** 2 + 2.0 * m[i] * m[j] * c[i, j]

    def form(q: Whole, r: Whole, *members: Whole) -> Real:
        plus = sum(m[a] * beta.plus[q, r, a] for a in members)
        minus = sum(m[a] * beta.minus[q, r, a] for a in members)
        return np.asarray(plus**2 - minus**2)

    total = square * orthants.two(angle[i, j]) + form(i, j, i, j)
    i, j, k = i[:, None], j[:, None], np.arange(len(m))[None, :]
    P = orthants.three(angle[i, j], angle[i, k], angle[j, k])
    more = P * (m[k] ** 2 + 2.0 * m[k] * (m[i] * c[i, k] + m[j] * c[j, k]))
    for q, r in ((i, j), (i, k), (j, k)):
        more = more + 0.5 * (form(q, r, i, j, k) - form(q, r, i, j))
    total = total + np.sum(np.where((k != i) & (k != j), more, 0.0), axis=1)
    found[i[:, 0], j[:, 0]] = total
    return found + found.T


@lru_cache(maxsize=4)
def _sets(students: int, count: int) -> Whole:
    """Sets (N, 4) of units with two students at least."""
    found = np.array(list(itertools.combinations(range(count), 4)), dtype=np.int64).reshape(-1, 4)
    found = found[found[:, 1] < students]
    found.flags.writeable = False
    return found


def _four(units: Units, beta: _Pairs) -> Real:
    """What sets of four units add to Sigma_ij, i != j; (K, K)."""
    K, m, c = units.students, units.signed, units.cosine
    sets = _sets(K, len(m))
    if not len(sets):
        return np.zeros((K, K))
    four = Quadruples.of(units, sets)
    members = four.members
    roles = [(pair, tuple({0, 1, 2, 3} - set(pair))) for pair in PAIRS]
    asked = np.zeros(len(sets), dtype=bool)
    for (x, y), (z, w) in roles:
        are_students = (members[:, x] < K) & (members[:, y] < K)
        asked |= are_students & (np.abs(c[members[:, z], members[:, w]]) > ORTHOGONAL)
    rows = np.nonzero(asked)[0]
    P = np.zeros(len(sets))
    P[rows] = four.probabilities(units, rows)
    found = np.zeros(K * K)
    for (x, y), (z, w) in roles:
        chosen = np.nonzero((members[:, x] < K) & (members[:, y] < K))[0]
        some = members[chosen]
        i, j, a, b = some[:, x], some[:, y], some[:, z], some[:, w]
        moment = c[a, b] * P[chosen]
        for place, (q, r) in enumerate(PAIRS):
            moment += beta.of(some[:, q], some[:, r], a, b) * four.conditional[place, chosen]
        found += np.bincount(i * K + j, weights=2.0 * m[a] * m[b] * moment, minlength=K * K)
    square = found.reshape(K, K)
    return square + square.T
