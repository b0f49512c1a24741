"""How far one-pass SGD strays from a minimum within the teacher's span, at small learning rates.

With H the Hessian in the span, a step of ``(gamma/d) e 1_i z`` every gamma/d of time, and z the
inputs in the span, the covariance C of the M K weights at rest is, to first order in gamma/d,

    H C + C H = (gamma/d) D,      D_(ia)(jb) = E[e^2 1_i 1_j z_a z_b]

(the noise's mean is the gradient, which vanishes there). D needs no new average: where all units
are transformed by 1 + h X, X symmetric, inputs of covariance (1 + h X)^2 are what they meet, so

    sum_ab D_(ia)(jb) X_ab = Sigma_ij tr X + d/dh Sigma_ij(units (1 + h X)) at h = 0

by differentiating the normal density under ``Sigma_ij = E[e^2 1_i 1_j]``. ``e^2 1_i 1_j`` is
homogeneous of degree two, which gives ``sum_a D_(ia)(ja) = (M + 2) Sigma_ij``, and the rise of the
loss by it, ``tr(H C) / 2``, is ``gamma (M + 2) / (4 d) sum_i E[e^2 1_i]`` at any width.

**Accuracy.** D by differences of fourth order at distance ``APART``: 1e-9 of its largest entry at
generic points, 1e-6 where Sigma itself has 1e-9 (``sigma``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.model import population
from relu_landscape.engine.model.teacher import Teacher
from relu_landscape.engine.noise.sigma import noise, squared_errors

Real = NDArray[np.float64]

#: How far units are transformed: the truncation, its fourth power, is below 1e-11.
APART = 1e-3
#: Weights of the differences at multiples of it.
STENCIL = ((-2, 1.0 / 12.0), (-1, -2.0 / 3.0), (1, 2.0 / 3.0), (2, -1.0 / 12.0))


def pairs(width: int) -> list[tuple[int, int]]:
    """The directions (a, b), a <= b, of which D has a block each."""
    return [(a, b) for a in range(width) for b in range(a, width)]


def noise_block(W: Real, teacher: Teacher, a: int, b: int) -> Real:
    """E[e^2 1_i 1_j z_a z_b] (K, K), symmetric in i, j and in a, b; for ``W`` (K, M)."""
    X = np.zeros((teacher.width, teacher.width))
    X[a, b] += 0.5
    X[b, a] += 0.5
    found = np.zeros((len(W), len(W)))
    for step, weight in STENCIL:
        turn = np.eye(len(X)) + step * APART * X
        found += weight / APART * noise(W @ turn, _turned(teacher, turn))
    if a == b:
        found += noise(W, teacher)
    return found


def _turned(teacher: Teacher, turn: Real) -> Teacher:
    """The teacher's units transformed; they are no Cholesky factor then, which averages over all
    directions do not need."""
    V = teacher.V @ turn
    return replace(teacher, V=V, norms=np.linalg.norm(V, axis=1), is_orthonormal=False)


@dataclass(frozen=True)
class Plane:
    """Fluctuations per gamma/d: ``variance`` tr C, the ``largest`` eigenvalue of C, and the
    ``rise`` of the loss, ``tr(H C) / 2``."""

    variance: float
    largest: float
    rise: float


def fluctuations(W: Real, teacher: Teacher, blocks: Sequence[Real] | None = None) -> Plane:
    """Fluctuations around the minimum ``W`` (K, M), isolated in the span.

    ``blocks``: ``noise_block`` of ``pairs``, where they were computed already.
    """
    C = covariance(W, teacher, blocks)
    return Plane(float(np.trace(C)), float(np.linalg.eigvalsh(C)[-1]), rise(W, teacher))


def covariance(W: Real, teacher: Teacher, blocks: Sequence[Real] | None = None) -> Real:
    """C d/gamma (K M, K M), student by student, around the minimum ``W`` (K, M)."""
    K, M = W.shape
    D = np.empty((K, M, K, M))
    computed: Iterator[Real] = (
        (noise_block(W, teacher, a, b) for a, b in pairs(M)) if blocks is None else iter(blocks)
    )
    for (a, b), block in zip(pairs(M), computed, strict=True):
        D[:, a, :, b] = D[:, b, :, a] = block
    H = population.hessian(W, teacher)[0]
    values, vectors = np.linalg.eigh(H)
    inside = vectors.T @ D.reshape(K * M, K * M) @ vectors
    C = vectors @ (inside / (values[:, None] + values)) @ vectors.T
    return np.asarray((C + C.T) / 2.0)


def rise(W: Real, teacher: Teacher) -> float:
    """What the fluctuations in the span add to the loss, per gamma/d; elementary."""
    return (teacher.width + 2) / 4.0 * float(np.sum(squared_errors(W, teacher)))
