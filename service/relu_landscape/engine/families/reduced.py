"""Loss, gradient and Hessian on the space that a structure fixes, at a cost free of the width.

The population loss in its cancellation-free form, with ``c`` the cosine of a pair and
``h(c) = [sqrt(1-c^2) + c asin c - 1] / (2 pi)``:

    L = N^2 / (4 pi) + sum_t S_t^2 / 8 + R,
    N = sum |w_i| - M,   S = sum w_i - sum v_m,
    R = sum_{i<j} |w_i||w_j| h(c_ij) - sum_{i,m} |w_i| h(c_im) + h(1)/2 (sum |w_i|^2 + M),

every sum taken over classes of equivalent pairs (``layout``). Where units leak, all is in the unit
of ``model.activation``, and S_t^2 has the weight ``level / 2``. Gradient and Hessian are those of
the restriction of the loss to orthonormal coordinates of the fixed space; by symmetric criticality
its critical points are critical points of the whole problem, and its Hessian is the trivial
isotypic block of the whole Hessian. Everything is batched over points ``S`` of one structure.

Source of the pair function: Cho and Saul (2009), arc-cosine kernel of degree 1; of the reduction:
Arjevani and Field (arXiv:1912.11939, 2107.10370); the split form and its derivatives are derived in
docs/mathematics/families.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from relu_landscape.engine.families.layout import Array, Layout

TWO_PI = 2 * math.pi
#: h(1), the pair function of parallel vectors.
H_ONE = (math.pi / 2 - 1) / TWO_PI
#: Below this sine the term zeta zeta^T / sigma is dropped: |zeta|^2 is of the order sigma^2, so the
#: term itself is below 1e-12, while sigma has no correct digit left.
SMALLEST_SINE = 1e-12
#: Below this angle sin t - t cos t is summed to t^9: the next term, t^11 / 3991680, is below 1e-14
#: of the sum there, and the difference of the two would lose the digits of t^2. Fewer terms show:
#: two of them up to 0.02 left an error of 2e-14 in the loss at width 100, where p angles are 0.02.
SERIES_ANGLE = 0.1


@dataclass(frozen=True)
class Evaluation:
    """Loss (S,), gradient (S, m) and Hessian (S, m, m) in orthonormal coordinates."""

    loss: Array
    gradient: Array
    hessian: Array


@dataclass(frozen=True)
class Pairs:
    """Norms and angles of a batch: one row per point, one column per student or pair class."""

    z: Array  # (S, m) unknowns
    norm: Array  # (S, n)
    excess: Array  # (S, n) |w| - 1 for paired blocks, to full relative accuracy; else |w|
    gamma: Array  # (S, P + E) inner products
    cosine: Array  # (S, P + E)
    sine: Array  # (S, P + E)
    slope: Array  # (S, P + E, m) gradient of gamma


def evaluate(table: Layout, deviations: Array, signs: Array) -> Evaluation:
    """Loss, gradient and Hessian at a batch of points of one structure.

    ``deviations`` (S, m) and ``signs`` (S, c) as in ``layout``. Points with a zero student give
    NaN or infinity in gradient and Hessian (the loss has a kink there), without a warning.

    **Accuracy.** Loss: a few units of 2^-53 of its terms, which are of the order of the loss itself
    next to aligned configurations and of order 1 next to anti-aligned ones, at any width up to
    10^9. Gradient: about 1e-16 sqrt(K). Hessian: 1e-16 times its norm, which is about K/4.
    """
    with np.errstate(all="ignore"):
        pairs = pair_table(table, deviations, signs)
        return Evaluation(_loss(table, deviations, pairs), *_derivatives(table, deviations, pairs))


#: Of the loss itself, and of the point: deviations are known to 1e-16, so a loss that vanishes
#: with their squares is lost far below this.
LOSS_RELATIVE, LOSS_FLOOR = 1e-14, 1e-16


def loss_accuracy(loss: float) -> float:
    """Absolute error of the loss of a polished point, at any width; see ``evaluate``."""
    return LOSS_FLOOR + LOSS_RELATIVE * abs(loss)


def loss(table: Layout, deviations: Array, signs: Array) -> Array:
    """The loss alone (S,); see ``evaluate``."""
    with np.errstate(all="ignore"):
        return _loss(table, deviations, pair_table(table, deviations, signs))


def unknowns(table: Layout, deviations: Array, signs: Array) -> Array:
    """The unknowns ``x`` and ``y`` themselves (S, m): base plus deviations."""
    z = deviations + table.base_x
    if len(table.natural):
        z[:, -len(table.natural) :] += signs
    return z


def pair_table(table: Layout, deviations: Array, signs: Array) -> Pairs:
    """Norms, inner products and angles of every class of pairs."""
    S, m = deviations.shape
    n, P = len(table.q), len(table.forms)
    z = unknowns(table, deviations, signs)
    middle = z - deviations / 2  # base + d/2
    # |w|^2 - 1 = (base + d/2) . 2 E d for natural blocks, exactly 0 at the base
    rise = (2 * middle * deviations) @ table.norm_form.T
    square = (z * z) @ table.norm_form.T
    near = table.is_natural & (rise > -0.5)
    square = np.where(near, 1 + rise, square)
    norm = np.sqrt(square)
    excess = np.where(table.paired, np.where(near, rise, square - 1) / (1 + norm), norm)
    slope = np.empty((S, len(table.first), m))
    forms = table.forms.reshape(P * m, m).T
    slope[:, :P] = (z @ forms).reshape(S, P, m)
    slope[:, P:] = table.lines
    sign = np.ones((S, n))
    sign[:, table.natural] = signs
    turn = sign[:, table.first]
    turn[:, :P] *= sign[:, table.second]
    gamma = table.constant + table.sign_factor * turn
    gamma[:, :P] += np.einsum("sk,spk->sp", middle, (deviations @ forms).reshape(S, P, m))
    gamma[:, P:] += deviations @ table.lines.T
    lengths = norm[:, table.first]
    lengths[:, :P] *= norm[:, table.second]
    cosine = np.clip(gamma / lengths, -1, 1)
    sine = np.sqrt((1 - cosine) * (1 + cosine))
    _own_angles(table, z, norm, gamma, cosine, sine)
    return Pairs(z, norm, excess, gamma, cosine, sine, slope)


def _own_angles(
    table: Layout, z: Array, norm: Array, gamma: Array, cosine: Array, sine: Array
) -> None:
    """Sines of paired students with their own teachers, from the components across it.

    They are of order K^(-1/2) and occur p times: 1 - c^2 would lose half of their digits.
    """
    blocks = len(table.p)
    for s, t, pair in table.matches:
        others = np.delete(z[:, s * blocks : (s + 1) * blocks], t, axis=1)
        across = np.sum(others * others, axis=1)
        if table.is_natural[s]:
            across += (table.p[t] - 1) * gamma[:, table.pairs["st", s, t, "off"]] ** 2
        sine[:, pair] = np.sqrt(across) / norm[:, s]
        cosine[:, pair] = gamma[:, pair] / norm[:, s]


def _pair_function(cosine: Array, sine: Array) -> Array:
    """h(c), accurate for small c too, where it is c^2 / (4 pi)."""
    asin = np.arctan2(cosine, sine)
    return np.asarray(cosine / TWO_PI * (asin - cosine / (1 + sine)))


def _own_defect(cosine: Array, sine: Array) -> Array:
    """h(1) - h(c), accurate for c near 1 and -1, where it is quadratic in the angle."""
    level = np.abs(cosine)
    angle = np.arctan2(sine, level)
    square = angle * angle
    series = square * angle * (1 / 3 - square * (1 / 30 - square * (1 / 840 - square / 45360)))
    wedge = np.where(angle < SERIES_ANGLE, series, sine - angle * level)
    return np.asarray((math.pi / 2 * sine**2 / (1 + level) - wedge) / TWO_PI)


def totals(table: Layout, deviations: Array, pairs: Pairs) -> tuple[Array, Array]:
    """N (S,) and S_t (S, B), from deviations."""
    N = pairs.excess @ table.q - table.p[~table.has_pair].sum()
    return N, deviations @ table.sums.T + table.base_sums


def loss_rounding(table: Layout, deviations: Array, signs: Array) -> Array:
    """The rounding error of the loss of a batch (S,): 8 units of 2^-53 of each of its terms."""
    with np.errstate(all="ignore"):
        terms = _loss_terms(table, deviations, pair_table(table, deviations, signs))
    return np.asarray(8 * 2.0**-53 * np.sum(np.abs(terms), axis=1))


def _loss(table: Layout, deviations: Array, pairs: Pairs) -> Array:
    terms = _loss_terms(table, deviations, pairs)
    P = len(table.first)
    rest = terms[:, :P].sum(axis=1) + terms[:, P]
    return np.asarray(terms[:, P + 1] + terms[:, P + 2] + rest)


def _loss_terms(table: Layout, deviations: Array, pairs: Pairs) -> Array:
    """The terms whose sum is the loss: pairs, units without a partner, norms and sums."""
    N, S = totals(table, deviations, pairs)
    P = len(table.forms)
    terms = table.weight * _pair_function(pairs.cosine, pairs.sine) * pairs.norm[:, table.first]
    terms[:, :P] *= pairs.norm[:, table.second]
    for s, _, pair in table.matches:
        defect = _own_defect(pairs.cosine[:, pair], pairs.sine[:, pair])
        terms[:, pair] = table.q[s] * (
            H_ONE / 2 * pairs.excess[:, s] ** 2 + pairs.norm[:, s] * defect
        )
    alone = ~table.paired
    free = table.p.sum() - table.q[~alone].sum()  # teachers without a paired student
    squares = pairs.norm[:, alone] ** 2 @ table.q[alone] + free
    rest = [H_ONE / 2 * squares, N**2 / (2 * TWO_PI), np.sum(S**2, axis=1) * (table.level / 2)]
    return np.column_stack([terms, *rest])


def _derivatives(table: Layout, deviations: Array, pairs: Pairs) -> tuple[Array, Array]:
    """Gradient and Hessian by the chain rule over f = n n' h(gamma / (n n'))."""
    N, sums = totals(table, deviations, pairs)
    P, n = len(table.forms), len(table.q)
    first, second = table.first, table.second
    norm, cosine, sine = pairs.norm, pairs.cosine, pairs.sine
    grow = pairs.z[:, None, :] * table.norm_form / norm[:, :, None]  # grad n, (S, n, m)
    bend = table.weight * np.arctan2(cosine, sine) / TWO_PI  # df / d gamma
    phi = -table.weight * cosine**2 / ((1 + sine) * TWO_PI)  # df / d(n n') = h - c h'
    other = np.ones_like(cosine)
    other[:, :P] = norm[:, second]

    push = (phi * other) @ table.of_first  # coefficient of grad n_s and Hess n_s
    push += (phi[:, :P] * norm[:, first[:P]]) @ table.of_second
    push += N[:, None] / TWO_PI * table.q
    gradient = np.einsum("sp,spk->sk", bend, pairs.slope)
    gradient += np.einsum("sn,snk->sk", push + H_ONE * table.q * norm, grow)
    gradient += sums @ table.sums * table.level

    zeta = pairs.slope - (cosine * other)[:, :, None] * grow[:, first]
    zeta[:, :P] -= (cosine[:, :P] * norm[:, first[:P]])[:, :, None] * grow[:, second]
    strength = table.weight / (TWO_PI * sine * norm[:, first] * other)
    strength = np.where(sine < SMALLEST_SINE, 0.0, strength)
    hessian = np.swapaxes(zeta * strength[:, :, None], 1, 2) @ zeta
    m = table.unknowns
    hessian += (bend[:, :P] @ table.forms.reshape(P, m * m)).reshape(-1, m, m)
    cross = (phi[:, :P] @ table.crossing).reshape(-1, n, n)
    cross += np.outer(table.q, table.q) / TWO_PI
    cross[:, np.arange(n), np.arange(n)] -= push / norm
    hessian += np.swapaxes(grow, 1, 2) @ cross @ grow
    hessian[:, np.arange(m), np.arange(m)] += (push / norm + H_ONE * table.q) @ table.norm_form
    hessian += table.sums.T @ table.sums * table.level
    return gradient / table.scale, hessian / (table.scale[:, None] * table.scale)
