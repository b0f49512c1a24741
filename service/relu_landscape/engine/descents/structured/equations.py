"""Loss, gradient and Hessian on what a pattern leaves fixed, batched, at a cost free of the widths.

With second-layer weights every pair term is ``f = n n' k(c)``, with ``2 pi k(c) = s + (pi/2 + asin
c) c``, and for gamma = w . w', ``zeta = grad gamma - c (n' grad n + n grad n')``

    grad f = k' grad gamma + (k - c k') (n' grad n + n grad n'),   2 pi k' = pi/2 + asin c
    Hess f = zeta zeta' / (2 pi s n n') + k' Hess gamma
             + (k - c k') (n' Hess n + n Hess n' + grad n grad n'' + grad n' grad n')

and k - c k' = s / (2 pi). Under a constraint ``z C_k z / 2 = target`` the Riemannian gradient is
``P g`` and the Riemannian Hessian ``P (H - sum lambda_k C_k) P``, with P onto the tangent space and
lambda the multipliers that leave g shortest; the constraint is kept by Newton's method across it.

Accuracy: gradient about 1e-15 in units of the weights; losses lose digits to cancellation, and
serve to tell zero loss alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descents.structured.table import Table

Real = NDArray[np.float64]

TWO_PI = 2.0 * np.pi
#: Below this sine the term in 1/s is left out, which tends to zero with it (``layers``).
PARALLEL = 1e-9
#: Newton steps across a constraint: quadratic from an error of 0.1.
RETURNS = 6


@dataclass(frozen=True)
class Here:
    """Loss (S,), Riemannian gradient (S, m) and Hessian (S, m, m), on all coordinates: zero across
    the surface; ``across`` (S, m, m) projects there."""

    loss: Real
    gradient: Real
    hessian: Real
    across: Real


def evaluate(table: Table, z: Real) -> Here:
    """All of it at points ``z`` (S, m). Points with a zero student give what is not finite."""
    loss, gradient, hessian = plain(table, z)
    if not len(table.bounds):
        return Here(loss, gradient, hessian, np.zeros_like(hessian))
    J, inverse = _derivative(table, z)
    lagrange = np.einsum("smc,sm->sc", inverse, gradient)
    across = inverse @ J
    gradient = gradient - np.einsum("sc,scm->sm", lagrange, J)
    c, m = J.shape[1:]
    bent = hessian - (lagrange @ table.bounds.reshape(c, m * m)).reshape(-1, m, m)
    tangent = np.eye(m) - across
    bent = tangent @ bent @ tangent
    return Here(loss, gradient, (bent + np.swapaxes(bent, 1, 2)) / 2.0, across)


def returned(table: Table, z: Real) -> Real:
    """Points (S, m) on the surface beside these; what does not come back is not a number."""
    if not len(table.bounds):
        return z
    for _ in range(RETURNS):
        _, inverse = _derivative(table, z)
        z = z - np.einsum("smc,sc->sm", inverse, _defect(table, z))
    lost = np.max(np.abs(_defect(table, z)), axis=1) > 1e-12
    z[lost] = np.nan
    return z


def plain(table: Table, z: Real) -> tuple[Real, Real, Real]:
    """Loss, gradient and Hessian without a constraint."""
    P, m = len(table.second), table.unknowns
    n, gamma, slope, grow = _pairs(table, z)
    other = np.ones_like(gamma)
    other[:, :P] = n[:, table.second]
    mine = n[:, table.first]
    c = np.clip(gamma / (mine * other), -1.0, 1.0)
    s = np.sqrt((1.0 - c) * (1.0 + c))
    turned = (np.pi / 2.0 + np.arctan2(c, s)) / TWO_PI
    own = table.weights**2 * table.sizes / 4.0
    loss = (table.factor * mine * other * (s / TWO_PI + turned * c)).sum(axis=1)
    loss += n**2 @ own + table.teachers

    bend, phi = table.factor * turned, table.factor * s / TWO_PI
    count = n.shape[1]
    push = np.zeros_like(n)
    cross = np.zeros((len(z), count, count))
    for pair, (first, second) in enumerate(zip(table.first[:P], table.second, strict=True)):
        push[:, first] += phi[:, pair] * n[:, second]
        push[:, second] += phi[:, pair] * n[:, first]
        cross[:, first, second] += phi[:, pair]
        cross[:, second, first] += phi[:, pair]
    for pair in range(P, len(table.first)):
        push[:, table.first[pair]] += phi[:, pair]
    gradient = np.einsum("sp,spk->sk", bend, slope)
    gradient += np.einsum("sn,snk->sk", push + 2.0 * own * n, grow)

    zeta = slope - (c * other)[:, :, None] * grow[:, table.first]
    zeta[:, :P] -= (c[:, :P] * mine[:, :P])[:, :, None] * grow[:, table.second]
    far = s > PARALLEL
    strength = np.where(far, table.factor / (TWO_PI * np.where(far, s, 1.0) * mine * other), 0.0)
    hessian = np.swapaxes(zeta * strength[:, :, None], 1, 2) @ zeta
    hessian += (bend[:, :P] @ table.forms.reshape(P, m * m)).reshape(-1, m, m)
    here = np.arange(count)
    cross[:, here, here] -= push / n
    hessian += np.swapaxes(grow, 1, 2) @ cross @ grow
    bent = push / n + 2.0 * own
    hessian += (bent @ table.norms.reshape(count, m * m)).reshape(-1, m, m)
    return loss, gradient, hessian


def cosines(table: Table, z: Real) -> tuple[Real, Real]:
    """Norms (S, n) of the students, and cosines (S, P) of pairs of them."""
    n, gamma, _, _ = _pairs(table, z)
    P = len(table.second)
    return n, gamma[:, :P] / (n[:, table.first[:P]] * n[:, table.second])


def invariants(table: Table, z: Real) -> Real:
    """Norms and inner products, sorted within classes of equal weights (S, n + P + E): equal for
    points that differ by exchanging equal blocks."""
    n, gamma, _, _ = _pairs(table, z)
    kinds = np.concatenate([
        np.stack([np.full(len(table.sizes), 0.0), table.sizes * 1e3 + table.weights], axis=1),
        np.stack([1.0 + (np.arange(len(table.factor)) >= len(table.second)), table.factor], axis=1),
    ])  # fmt: skip
    raw = np.concatenate([n, gamma], axis=1)
    _, labels = np.unique(kinds, axis=0, return_inverse=True)
    labels = labels.ravel()
    return np.concatenate(
        [np.sort(raw[:, labels == label], axis=1) for label in range(labels.max() + 1)], axis=1
    )


def _pairs(table: Table, z: Real) -> tuple[Real, Real, Real, Real]:
    """Norms (S, n), inner products (S, P + E), their gradients, and those of the norms."""
    (S, m), P, count = z.shape, len(table.second), len(table.sizes)
    stretched = (z @ table.norms.reshape(count * m, m).T).reshape(S, count, m)
    n = np.sqrt(np.einsum("snk,sk->sn", stretched, z))
    slope = np.empty((S, len(table.first), m))
    slope[:, :P] = (z @ table.forms.reshape(P * m, m).T).reshape(S, P, m)
    slope[:, P:] = table.lines
    gamma = np.einsum("spk,sk->sp", slope, z)
    gamma[:, :P] /= 2.0
    return n, gamma, slope, stretched / n[:, :, None]


def _derivative(table: Table, z: Real) -> tuple[Real, Real]:
    """Of the constraint (S, c, m), and its right inverse (S, m, c).

    Its rows are independent on the surface: there every change of the students' Gram matrix that
    the pattern allows is one of z.
    """
    (S, m), c = z.shape, len(table.bounds)
    J: Real = (z @ table.bounds.reshape(c * m, m).T).reshape(S, c, m)
    J[~np.all(np.isfinite(J), axis=(1, 2))] = 0.0
    try:
        inverse = np.swapaxes(np.linalg.solve(J @ np.swapaxes(J, 1, 2), J), 1, 2)
    except np.linalg.LinAlgError:  # one of them is far from the surface
        inverse = np.linalg.pinv(J)
    return J, np.asarray(inverse, dtype=np.float64)


def _defect(table: Table, z: Real) -> Real:
    (S, m), c = z.shape, len(table.bounds)
    J = (z @ table.bounds.reshape(c * m, m).T).reshape(S, c, m)
    return np.asarray(np.einsum("scm,sm->sc", J, z) / 2.0 - table.targets)
