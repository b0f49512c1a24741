"""Hessians of many points at once, in coordinates beyond the teacher's span.

The formulas are those of ``model.population.hessian``, whose points lie in the span one by one.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.model.population import PARALLEL
from relu_landscape.engine.model.teacher import Teacher

Real = NDArray[np.float64]

TWO_PI = 2.0 * math.pi
#: Entries of the largest temporary array: 16 MB.
MOST_ENTRIES = 2_000_000


def spectra(W: Real, teacher: Teacher) -> tuple[Real, Real]:
    """Eigenvalues of the Hessian at ``W`` (B, K, p), none of norm zero, p >= M.

    Returns those in these coordinates (B, K p) and those of the block A (B, K) that each further
    dimension of the inputs has, both ascending. Accuracy: 1e-15 of the largest, some 1e-10 where
    units are parallel to within 1e-5.
    """
    B, K, p = W.shape
    size = max(1, MOST_ENTRIES // (K * K * p * p))
    found = [hessians(W[first : first + size], teacher) for first in range(0, B, size)]
    span = np.concatenate([np.linalg.eigvalsh(H) for H, _ in found])
    return span, np.concatenate([np.linalg.eigvalsh(A) for _, A in found])


def hessians(W: Real, teacher: Teacher) -> tuple[Real, Real]:
    """Hessians (B, K p, K p), student by student, and blocks A (B, K, K) at ``W`` (B, K, p)."""
    B, K, p = W.shape
    n = np.linalg.norm(W, axis=-1)
    unit = W / n[..., None]
    V = np.pad(teacher.V / teacher.norms[:, None], ((0, 0), (0, p - teacher.width)))
    e, s, t = _pairs(unit, unit)
    f, s_teachers, _ = _pairs(unit, np.broadcast_to(V, (B, *V.shape)))
    own = np.arange(K)
    s[:, own, own] = t[:, own, own] = 0.0
    dip = (np.einsum("bij,bj->bi", s, n) - s_teachers @ teacher.norms) / (TWO_PI * n)
    A = (math.pi - t) / TWO_PI
    A[:, own, own] = 0.5 + dip
    inverse = np.where(s > PARALLEL, 1.0 / np.maximum(s, PARALLEL), 0.0)
    scaled = e * inverse[..., None] / TWO_PI
    blocks = np.einsum("bia,bijc->bijac", unit, scaled)
    blocks += np.einsum("bja,bjic->bijac", unit, scaled)
    blocks += A[..., None, None] * np.eye(p)
    inverse_t = np.where(s_teachers > PARALLEL, 1.0 / np.maximum(s_teachers, PARALLEL), 0.0)
    spread = _squares(e, inverse * n[:, None, :]) - _squares(f, inverse_t * teacher.norms)
    diagonal = np.einsum("bii->bi", A)[..., None, None] * np.eye(p)
    diagonal -= dip[..., None, None] * unit[..., :, None] * unit[..., None, :]
    blocks[:, own, own] = diagonal + spread / (TWO_PI * n[..., None, None])
    H = blocks.transpose(0, 1, 3, 2, 4).reshape(B, K * p, K * p)
    return (H + np.swapaxes(H, 1, 2)) / 2.0, (A + np.swapaxes(A, 1, 2)) / 2.0


def _squares(vectors: Real, weights: Real) -> Real:
    """Sums over j of weight (B, K, N) times the square of the vector (B, K, N, p); (B, K, p, p)."""
    return np.asarray(np.swapaxes(vectors, -1, -2) @ (vectors * weights[..., None]))


def _pairs(unit: Real, others: Real) -> tuple[Real, Real, Real]:
    """Rejections (B, K, N, p) of others (B, N, p) from units (B, K, p), sines and angles."""
    c = unit @ np.swapaxes(others, 1, 2)
    rejection = others[:, None] - c[..., None] * unit[:, :, None]
    # Once more: the first rejection is off by a rounding error along the student.
    along = np.einsum("bija,bia->bij", rejection, unit)
    rejection -= along[..., None] * unit[:, :, None]
    sine = np.linalg.norm(rejection, axis=-1)
    return rejection, sine, np.arctan2(sine, c)
