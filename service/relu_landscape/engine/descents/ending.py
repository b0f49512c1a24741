"""From near the end of a descent to the point itself: Newton's method on the rule's surface.

A point is kept in as many coordinates as it needs: the teachers, and one for each dimension of what
sticks out of their span (mostly none). Turning that part is a symmetry: with r such dimensions
``r (r - 1) / 2`` eigenvalues are zero by it in these coordinates, and r of the block beside them
(none, where the inputs have no further dimension). They are taken out of every count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descents.rules import Rule
from relu_landscape.engine.model.definite import is_positive_definite
from relu_landscape.engine.points.spectrum import zero_tolerance

Real = NDArray[np.float64]

#: Quadratic from where it is begun: four or five steps, more at near-degenerate points.
NEWTON_STEPS = 12
#: Newton's steps leave eigenvectors of eigenvalues this small, in their unit, alone.
SINGULAR = 1e-10
#: Singular values of what sticks out of the teacher's span that count as none: before Newton's
#: method, whose points have eigenvalues of 1e-2 there and gradients of 1e-3; and after it.
LOOSE, TIGHT = 0.1, 1e-7
#: How far Newton's method may go, over all weights, in lengths of the shortest student that stands
#: for a teacher; distinct points are 0.1 apart and more.
FARTHEST = 0.05
#: Eigenvalues above minus this, in their unit, do not pull away in the time of a descent. Where
#: students are parallel to within 1e-8, as on flat sets, the Hessian is known to 1e-8.
FLAT = 1e-6
#: Loss, in its unit, so near zero that curvature is that of zero loss to a few parts in a hundred;
#: and the share of a bound that is surely below it, then.
NEAR_ZERO, SURELY = 1e-5, 0.97
#: Norm of the gradient at a point, over the unit of the loss and K^1.5 (``classify``).
ROUNDING = 4e-15


@dataclass(frozen=True)
class End:
    """A critical point ``W`` (K, M + r), r ``outside``, with every eigenvalue, ascending: ``span``
    in its coordinates, ``beside`` them (either may be empty)."""

    W: Real
    loss: float
    gradient_norm: float
    outside: int
    span: Real
    beside: Real

    @property
    def tolerance(self) -> float:
        """Eigenvalues within this of zero count as zero."""
        return zero_tolerance(float(np.abs(np.concatenate([self.span, self.beside, [0.0]])).max()))


def folded(W: Real, teachers: int, tolerance: float) -> Real:
    """The same network in as many coordinates as it needs (K, M + r): singular values of what
    sticks out of the span below ``tolerance`` are dropped."""
    left, values, _ = np.linalg.svd(W[:, teachers:], full_matrices=False)
    kept = values > tolerance
    return np.concatenate([W[:, :teachers], left[:, kept] * values[kept]], axis=1)


def polished(rule: Rule, W: Real, dimension: int) -> Real | None:
    """The strict minimum (K, M + r) beside ``W`` (K, p), or None where none is close.

    It is taken only where the Hessian is positive both at ``W`` and at the point, and Newton's
    method went no further than ``FARTHEST``: then the descent ends there.
    """
    M = len(rule.layers.b)
    begun = rule.projected(folded(W, M, LOOSE))
    if not _is_strict(rule, begun, dimension):
        return None
    found = newton(rule, begun)
    if found is None or _apart(found, begun) > FARTHEST * rule.layers.shortest:
        return None
    found = newton(rule, rule.projected(folded(found, M, TIGHT)))
    if found is None or not _is_strict(rule, found, dimension):
        return None
    return found


def is_held(rule: Rule, W: Real, state: Real, step: float, dimension: int) -> bool:
    """Whether steps of this length, from a ``state`` (K, q) beside it, come to rest at the minimum
    ``W`` (K, p): its largest eigenvalue times the step has to be below 2.

    At zero loss no eigenvalue is above ``Layers.stiffness``, so that most steps need no look.
    """
    longest = 2.0 / (step * rule.stretch(state))
    zero = rule.layers.loss(W[None])[0] < NEAR_ZERO * rule.layers.unit
    if zero and rule.layers.stiffness < longest * SURELY:
        return True
    teachers = len(rule.layers.b)
    span, beside = rule.stepped(*_blocks(rule, folded(W, teachers, TIGHT), dimension), state)
    return all(_is_positive(2.0 / step * np.eye(len(each)) - each) for each in (span, beside))


def is_flat(rule: Rule, W: Real, dimension: int) -> bool:
    """Whether nothing pulls away from ``W`` (K, p), where a descent has come to rest: no eigenvalue
    is below ``-FLAT``, and as no strict minimum is there, some are zero."""
    span, beside = _blocks(rule, folded(W, len(rule.layers.b), TIGHT), dimension)
    least = -FLAT * rule.layers.stiffest
    return all(not len(each) or float(_eigenvalues(each)[0]) > least for each in (span, beside))


def newton(rule: Rule, W: Real) -> Real | None:
    """Newton's method from ``W`` (K, p); None where it does not converge.

    The gradient's norm ends below ``ROUNDING`` K^1.5 in units of the loss.
    """
    best, steep = W, _steepness(rule, W)
    limit = ROUNDING * len(W) ** 1.5 * max(1.0, rule.layers.unit)
    for _ in range(NEWTON_STEPS):
        if steep <= limit / 40.0:
            break
        trial = rule.projected(best - _step(rule, best))
        if not np.all(np.isfinite(trial)) or np.any(np.sum(trial * trial, axis=1) == 0.0):
            break
        now = _steepness(rule, trial)
        if not now < steep:
            break
        best, steep = trial, now
    return best if steep <= limit else None


def spectrum_at(rule: Rule, W: Real, dimension: int) -> End:
    """Everything about a point ``W`` (K, M + r)."""
    span, beside = _blocks(rule, W, dimension)
    outside = W.shape[1] - len(rule.layers.b)
    return End(
        W=W,
        loss=float(rule.layers.loss(W[None])[0]),
        gradient_norm=_steepness(rule, W),
        outside=outside,
        span=_without(_eigenvalues(span), outside * (outside - 1) // 2),
        beside=_without(_eigenvalues(beside), outside),
    )


def _blocks(rule: Rule, W: Real, dimension: int) -> tuple[Real, Real]:
    """Riemannian Hessian: on the tangent space in these coordinates, and beside them, (0, 0) where
    the inputs have no further dimension."""
    H, beside = rule.layers.hessian(W)
    S = rule.multiplier(W, rule.layers.gradient(W[None])[0])
    tangent = rule.tangent(W)
    if tangent is not None:
        H = H - np.kron(S, np.eye(W.shape[1]))
        rows = tangent.reshape(len(tangent), -1)
        H = rows @ H @ rows.T
        H = (H + H.T) / 2.0
    return H, beside - S if dimension > W.shape[1] else np.zeros((0, 0))


def _eigenvalues(matrix: Real) -> Real:
    return np.asarray(np.linalg.eigvalsh(matrix), dtype=np.float64)


def _without(values: Real, zeros: int) -> Real:
    """Eigenvalues but for so many, those closest to zero: they are zero by symmetry."""
    if not zeros or not len(values):
        return values
    return np.sort(values[np.argsort(np.abs(values), kind="stable")[zeros:]])


def _is_strict(rule: Rule, W: Real, dimension: int) -> bool:
    span, beside = _blocks(rule, W, dimension)
    outside = W.shape[1] - len(rule.layers.b)
    if outside:
        end = spectrum_at(rule, W, dimension)
        return bool(np.all(end.span > end.tolerance) and np.all(end.beside > end.tolerance))
    return _is_positive(span) and _is_positive(beside)


def _is_positive(matrix: Real) -> bool:
    """Whether all eigenvalues are above what counts as zero."""
    if not len(matrix):
        return True
    low = zero_tolerance(float(np.abs(matrix).sum(axis=1).max()))
    return is_positive_definite(matrix, low)


def _steepness(rule: Rule, W: Real) -> float:
    return float(np.linalg.norm(rule.steepness(W[None])[0]))


def _step(rule: Rule, W: Real) -> Real:
    """Newton's step (K, p)."""
    H, _ = _blocks(rule, W, 0)
    tangent = rule.tangent(W)
    g = rule.steepness(W[None])[0].ravel()
    rows = None if tangent is None else tangent.reshape(len(tangent), -1)
    inside = g if rows is None else rows @ g
    values, vectors = np.linalg.eigh(H)
    kept = np.abs(values) > SINGULAR * rule.layers.stiffest
    inverse = np.where(kept, 1.0 / np.where(kept, values, 1.0), 0.0)
    step = vectors @ (inverse * (vectors.T @ inside))
    return np.asarray(step if rows is None else step @ rows).reshape(W.shape)


def _apart(W: Real, other: Real) -> float:
    return float(np.linalg.norm(W - other))
