"""The units of student and teacher as directions: angles and residuals that survive coincidence.

Averages over Gaussian inputs that ask which units are active depend on directions and signed
lengths alone. Every quantity that tends to zero where two directions meet, or are opposite, is
computed from differences of vectors, so that it keeps its relative accuracy there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.model.second_layers import SecondLayers
from relu_landscape.engine.model.teacher import Teacher

Real = NDArray[np.float64]

#: Every unit has a coordinate of its own, this long beside its direction. Orthant probabilities
#: depend on directions with a Lipschitz constant of about one, and evenly on what is orthogonal to
#: all others; so this changes results by its square, or by itself where units coincide, and there
#: it decides the limits 0/0 in one consistent way. Its square must not be lost beside rounding.
APART = 1e-9


@dataclass(frozen=True)
class Units:
    """Students first, then teachers: ``n = K + M`` units.

    ``students`` K; ``directions`` (n, p + n), unit vectors; ``signed`` (n,), their lengths, times
    the second layer's weight, for teachers times -1, so that ``f - f* = sum_a signed_a
    ReLU(u_a . x)``. For pairs (n, n): ``cosine``, ``sine``, ``angle`` and ``half``, the tangent of
    half the angle.
    """

    students: int
    directions: Real
    signed: Real
    cosine: Real
    sine: Real
    angle: Real
    half: Real

    @staticmethod
    def of(W: Real, teacher: Teacher, layers: SecondLayers | None = None) -> Units:
        """The units of the students ``W`` (K, p), p >= M, and of this teacher.

        The first M coordinates are the teacher's span. No student may have norm zero. ``layers``:
        None for weights of 1.
        """
        K, p = W.shape
        M = teacher.width
        rows = np.zeros((K + M, p))
        rows[:K] = W
        rows[K:, :M] = teacher.V
        lengths = np.linalg.norm(rows, axis=1)
        signed = np.r_[lengths[:K], -lengths[K:]]
        if layers is not None:
            signed = signed * layers.both
        return Units.along(rows / lengths[:, None], signed, K)

    @staticmethod
    def along(directions: Real, signed: Real, students: int) -> Units:
        """From unit vectors ``directions`` (n, p)."""
        count = len(directions)
        u = np.hstack([directions, APART * np.eye(count)])
        apart = np.linalg.norm(u[:, None] - u, axis=-1)
        along = np.linalg.norm(u[:, None] + u, axis=-1)
        return Units(
            students=students,
            directions=u,
            signed=signed,
            cosine=u @ u.T,
            sine=apart * along / 2.0,
            angle=2.0 * np.arctan2(apart, along),
            half=apart / along,
        )

    def residuals(self) -> Real:
        """Unit vectors (n, n, p + n): what is left of unit b without its part along unit a.

        The diagonal, where nothing is left, is zero.
        """
        u = self.directions
        c = self.cosine[..., None]
        near = (u[None] - u[:, None]) + (1.0 - c) * u[:, None]
        # Differences of vectors meet no cancellation; 1 - c does, but is second order there.
        opposite = (u[None] + u[:, None]) - (1.0 + c) * u[:, None]
        left = np.where(c > 0.0, near, opposite)
        lengths = np.linalg.norm(left, axis=-1, keepdims=True)
        return np.asarray(left / np.where(lengths > 0.0, lengths, 1.0))
