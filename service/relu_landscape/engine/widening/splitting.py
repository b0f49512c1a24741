"""What splitting a student does: two parallel ones in its place, which then may part.

``w_i -> mu w_i, (1 - mu) w_i`` keeps the function that the network computes, so a critical point
of K students is a line of critical points of K + 1, 0 < mu < 1. Write the deviations of the two
parts as ``mu s + xi`` and ``(1 - mu) s - xi``: in s the Hessian is that of the narrower point; in
xi, with no mixed term, it is ``B_i / (mu (1 - mu))``,

    B_i = H_ii - I/2 in the span of students and teachers,      D_i = A_ii - 1/2 beside it.

So the index of every point of the line is that of the narrower one, and one more for each negative
eigenvalue of B_i, and of D_i in every dimension beside. ``B_i w_i = 0``: that direction is the line
itself. ``|w_i| B_i`` is the Hessian of D (``adding``) on the sphere at ``w_i / |w_i|``, where D and
its gradient vanish: a student is worth splitting where it is no local minimum of D.

``tr B_i = p D_i`` in a span of p dimensions: where D_i is negative B_i has a negative eigenvalue,
so that B_i alone decides.

Sources: splitting matrices (Liu, Wu and Wang 2019, arXiv:1910.02366), symmetry-induced critical
points (Simsek et al. 2021, arXiv:2105.12221). Derivation: docs/mathematics/widening.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.model.teacher import Teacher
from relu_landscape.engine.widening.adding import Error

Real = NDArray[np.float64]


@dataclass(frozen=True)
class Splitting:
    """What parting does to each of K students.

    ``span`` (K, p - 1): eigenvalues of B_i across w_i, ascending; ``directions`` (K, p): the unit
    eigenvector of the first (zero where p is 1), with its largest entry positive; ``beside`` (K,):
    D_i, for every dimension beside.
    """

    span: Real
    directions: Real
    beside: Real

    def index(self, parts: Sequence[int], tolerance: float) -> tuple[int, int]:
        """What splitting student i into ``parts[i]`` adds to the index: in the span, and beside.

        ``tolerance``: eigenvalues within this of zero are zero.
        """
        further = np.asarray(parts) - 1
        span = further @ np.count_nonzero(self.span < -tolerance, axis=1)
        return int(span), int(further @ (self.beside < -tolerance))


def splitting(W: Real, teacher: Teacher) -> Splitting:
    """Of students ``W`` (K, p), p >= M, at a critical point.

    Eigenvalues to about 1e-15 K. Raises as ``Error.of``.
    """
    error = Error.of(W, teacher)
    K, p = W.shape
    span, directions, beside = np.empty((K, p - 1)), np.zeros((K, p)), np.empty(K)
    for i in range(K):
        u = error.units[i]
        across = _complement(u)
        block, outside = error.hessian(u)
        values, vectors = np.linalg.eigh(across.T @ block @ across / error.lengths[i])
        span[i], beside[i] = values, outside / error.lengths[i]
        if p > 1:
            directions[i] = _signed(across @ vectors[:, 0])
    return Splitting(span, directions, beside)


def _complement(u: Real) -> Real:
    """Orthonormal columns (p, p - 1) perpendicular to the unit vector ``u``: Householder's."""
    place = int(np.argmax(np.abs(u)))
    mirror = u.copy()
    mirror[place] += 1.0 if u[place] >= 0.0 else -1.0
    reflection = np.eye(len(u)) - 2.0 * np.outer(mirror, mirror) / (mirror @ mirror)
    return np.delete(reflection, place, axis=1)


def _signed(vector: Real) -> Real:
    """The sign for which the largest entry is positive: eigenvectors come with either."""
    size = np.abs(vector)
    # The first of those that tie up to rounding.
    first = int(np.argmax(size > 0.999 * np.max(size)))
    return vector if vector[first] > 0 else -vector
