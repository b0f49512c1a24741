"""Where a student is: its part in the teacher's span, and the second moments of the rest.

The loss, its gradient and the noise depend on the weights by R = W V^T and Q = W W^T alone. Of Q
only what lies outside the span is a variable of its own: ``Q = S S^T + P`` with ``R = S V^T``, and
P positive semidefinite says all that Q must satisfy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.model import activation, kernel
from relu_landscape.engine.model.arrays import NUMPY, Array
from relu_landscape.engine.model.loss import Loss
from relu_landscape.engine.model.second_layers import SecondLayers
from relu_landscape.engine.model.teacher import Teacher
from relu_landscape.errors import InputError

Real = NDArray[np.float64]
Whole = NDArray[np.int64]

#: Overlaps are given with rounding: an eigenvalue of P down to this times the largest entry of Q is
#: zero (twelve digits, and a few lost by the teacher's inverse).
INDEFINITE = 1e-9


def root(P: Real) -> Real:
    """A symmetric (K, K) with square P, what rounding made negative left out."""
    values, vectors = np.linalg.eigh(P)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)


def weights(span: Real, P: Real) -> Real:
    """Weights (K, M + K) with these overlaps."""
    return np.hstack([span, root(P)])


def of_overlaps(Q: Real, R: Real, teacher: Teacher) -> Real:
    """Weights (K, M + K) with the overlaps ``Q`` (K, K) and ``R`` (K, M).

    Raises ``InputError`` where no weights have them.
    """
    scale = float(np.abs(Q).max())
    if not np.allclose(Q, Q.T, rtol=0.0, atol=INDEFINITE * scale):
        raise InputError("Q is not symmetric: Q[i][j] must equal Q[j][i].")
    span = np.asarray(np.linalg.solve(teacher.V, R.T).T, dtype=np.float64)
    P = (Q + Q.T) / 2.0 - span @ span.T
    smallest = float(np.linalg.eigvalsh(P)[0])
    if smallest < -INDEFINITE * max(scale, float(np.sum(span * span, axis=1).max())):
        raise InputError(
            "No weights have these overlaps: Q - R T^-1 R^T has the "
            f"negative eigenvalue {smallest:.3g}."
        )
    return weights(span, P)


def perpendicular_block(W: Real, teacher: Teacher, layers: SecondLayers | None = None) -> Real:
    """A (K, K) with gradient ``A W_perp`` outside the teacher's span, for ``W`` (K, p).

    In the unit of ``activation``; ``layers`` None for weights of 1.
    """
    M = teacher.width
    n = np.linalg.norm(W, axis=1)
    u = W / n[:, None]
    c = np.clip(u @ u.T, -1.0, 1.0)
    b = np.clip(u[:, :M] @ (teacher.V / teacher.norms[:, None]).T, -1.0, 1.0)
    A = 0.25 + np.arcsin(c) / (2.0 * np.pi)
    a = np.ones(len(W)) if layers is None else layers.a
    np.fill_diagonal(c, 1.0)
    if layers is None:
        radial = np.sqrt(1.0 - c * c) @ n - np.sqrt(1.0 - b * b) @ teacher.norms
        np.fill_diagonal(A, 0.5 + radial / (2.0 * np.pi * n))
    else:
        radial = np.sqrt(1.0 - c * c) @ (a * n) - np.sqrt(1.0 - b * b) @ (layers.b * teacher.norms)
        A *= np.outer(a, a)
        np.fill_diagonal(A, a * a / 2.0 + a * radial / (2.0 * np.pi * n))
    if teacher.leak != 0.0:
        A += activation.tilt(teacher.leak) * np.outer(a, a)
    return np.asarray(A)


@dataclass(frozen=True)
class Measured:
    """What is recorded of students at one time; a batch of B of them.

    ``loss`` and ``gradient_norm`` (B,), ``norms`` (B, K), ``R`` (B, K, M), ``Q`` (B, K, K), and
    ``matched`` (B, K): the teacher whose direction is nearest, up to its sign.
    """

    loss: Real
    gradient_norm: Real
    norms: Real
    R: Real
    Q: Real
    matched: Whole


class Differentiable(Protocol):
    """A loss on batches (B, K, p)."""

    def value(self, W: Array, /) -> Array: ...
    def gradient(self, W: Array, /) -> Array: ...


def measure(W: Real, teacher: Teacher, loss: Differentiable | None = None) -> Measured:
    """Measure students ``W`` (B, K, p); none may have norm zero. ``loss``: None for that of this
    teacher, without second layers."""
    loss = Loss.of(teacher, NUMPY) if loss is None else loss
    W = np.ascontiguousarray(W)
    slope = np.asarray(loss.gradient(NUMPY.asarray(W)))
    R = np.asarray(W[..., : teacher.width] @ teacher.V.T)
    return Measured(
        loss=np.asarray(loss.value(NUMPY.asarray(W))),
        gradient_norm=np.sqrt(np.sum(slope * slope, axis=(-2, -1))),
        norms=np.asarray(kernel.norms(NUMPY.asarray(W), xp=NUMPY)),
        R=R,
        Q=np.asarray(W @ np.swapaxes(W, -1, -2)),
        matched=np.argmax(np.abs(R) / teacher.norms, axis=-1),
    )
