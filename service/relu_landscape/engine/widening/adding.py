"""What one more student does: the best one to add to a given network, and what it gains.

With the error ``e = f - f*`` of a network, f its output and f* the teacher's, a student ``u`` more
is weighed by

    phi(u) = E[e(x) ReLU(u.x)] = sum_i g(w_i, u) - sum_m g(v_m, u),

which grows like the length of u; D is phi on unit vectors. Where units leak all is in the unit of
``model.activation``, and phi has the part ``tilt S.u`` more. The loss changes by
``rho D(u) + rho^2/4`` for a student ``rho u``: where D(u) < 0 the best length is ``-2 D(u)``, and
the loss falls by exactly ``D(u)^2`` (with a leak ``rho^2`` is multiplied, and both are divided, by
``activation.lone``). At a critical point ``E[e f] = 0``, so ``2 L = -E[e f*]``:

    2 L = -sum_m phi(v_m),      min D <= -2 L / sum_m |v_m|,

and no spurious critical point, padded with a student of length zero, is a minimum of the wider
problem. Derivations and what was checked: docs/mathematics/widening.md.

D is computed in the split form of ``model.kernel``, in which nothing large cancels: with
``h(c) = (s + c asin c - 1) / (2 pi)``, N the sum of lengths of students minus that of teachers and
S the same of the vectors,

    D(u)        = N/(2 pi) + S.u/4 + sum_i n_i h(c_i) - sum_m |v_m| h(c_m)
    grad phi(u) = S/4 + (sum_i asin(c_i) w_i - sum_m asin(c_m) v_m) / (2 pi)
                  + u (N + sum_i n_i (s_i - 1) - sum_m |v_m| (s_m - 1)) / (2 pi)
    Hess phi(u) = (sum_i n_i s_i e_i e_i' - sum_m |v_m| s_m e_m e_m' + r (I - u u')) / (2 pi),

``e`` the unit vector from u towards w or v along the sphere, ``r`` the bracket of the gradient.
Hess phi is continuous, also where u passes a student or a teacher: there ``s e e'`` vanishes.

**Accuracy.** D: about 1e-16 times the sum of all lengths (``accuracy``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.model import activation, population
from relu_landscape.engine.model.arrays import NUMPY
from relu_landscape.engine.model.kernel import remainder
from relu_landscape.engine.model.teacher import Teacher
from relu_landscape.errors import InputError

Real = NDArray[np.float64]

TWO_PI = 2.0 * math.pi
#: Rounding of D for each unit of length of students and teachers, a few units in the last place:
#: fifteen times what networks of 2 to 200 units show, at random and beside the teacher.
ROUNDING = 1e-15


@dataclass(frozen=True)
class Error:
    """The error of a network as new students see it: signed vectors of students and teachers.

    ``units`` (n, p) unit vectors; ``lengths`` (n,), those of teachers negative.
    """

    units: Real
    lengths: Real
    leak: float = 0.0

    @staticmethod
    def of(W: Real, teacher: Teacher) -> Error:
        """Of students ``W`` (K, p), p >= M; their first M coordinates span the teacher.

        Raises ``InputError`` for wrong shapes, numbers that are not finite and zero students.
        """
        W = np.asarray(W, dtype=np.float64)
        if W.ndim != 2:
            raise InputError(f"Weights have shape {W.shape}; expected (K, p).")
        population.loss(W, teacher)  # the door: it judges the rest
        V = np.zeros((teacher.width, W.shape[1]))
        V[:, : teacher.width] = teacher.V
        vectors = np.concatenate([W, V])
        lengths = np.linalg.norm(vectors, axis=1)
        signs = np.concatenate([np.ones(len(W)), -np.ones(teacher.width)])
        return Error(vectors / lengths[:, None], signs * lengths, teacher.leak)

    @property
    def accuracy(self) -> float:
        """Absolute rounding error of D at most."""
        rounding = ROUNDING * activation.stiffness(self.leak)
        return rounding * float(np.abs(self.lengths).sum())

    def value(self, u: Real) -> Real:
        """D at unit vectors ``u`` (B, p); (B,)."""
        c = self._cosines(u)
        even = np.asarray(remainder(c, xp=NUMPY))
        sums = self.lengths @ self.units
        result: Real = (
            self.lengths.sum() / TWO_PI
            + u @ sums * activation.level(self.leak)
            + even @ self.lengths
        )
        return result

    def gradient(self, u: Real) -> Real:
        """Gradient of phi at unit vectors ``u`` (B, p); along u it is D itself. (B, p)."""
        c = self._cosines(u)
        angles = np.arcsin(c) / TWO_PI + activation.level(self.leak)
        bracket: Real = np.sqrt((1.0 - c) * (1.0 + c)) @ self.lengths / TWO_PI
        result: Real = (angles * self.lengths) @ self.units + bracket[:, None] * u
        return result

    def hessian(self, u: Real) -> tuple[Real, float]:
        """Hessian of phi at one unit vector ``u`` (p,), which is a null vector of it: (p, p), and
        what it is in every dimension beside all vectors."""
        c = self._cosines(u[None])[0]
        rejection = self.units - c[:, None] * u
        # Once more: the first rejection is off by a rounding error along u.
        rejection -= (rejection @ u)[:, None] * u
        sine = np.linalg.norm(rejection, axis=1)
        # s e e' = rejection rejection' / s, which tends to zero with s.
        scale = np.divide(self.lengths, sine, out=np.zeros_like(sine), where=sine > 0.0)
        beside = float(sine @ self.lengths) / TWO_PI
        result: Real = (rejection.T * scale) @ rejection / TWO_PI
        result += beside * (np.eye(len(u)) - np.outer(u, u))
        return result, beside

    def _cosines(self, u: Real) -> Real:
        return np.clip(u @ self.units.T, -1.0, 1.0)


def teachers_seen(W: Real, teacher: Teacher) -> Real:
    """phi(v_m) = |v_m| D(v_m / |v_m|) of every teacher (M,), at students ``W`` (K, p)."""
    error = Error.of(W, teacher)
    return error.value(error.units[len(W) :]) * teacher.norms


def residual(W: Real, teacher: Teacher) -> float:
    """``2 L + sum_m phi(v_m)``: zero at a critical point, up to rounding and the gradient there.

    It is ``sum_i phi(w_i) = sum_i w_i . gradient_i``, whatever ``W`` (K, p) is.
    """
    loss = float(population.loss(W, teacher))
    return 2.0 * loss + float(teachers_seen(W, teacher).sum())


def guaranteed(loss: float, teacher: Teacher) -> float:
    """What the best student gains at least at a critical point of this ``loss``:
    ``(2 L / sum_m |v_m|)^2`` over ``activation.lone``: ``(2 L / M)^2`` for ReLU and teachers of
    norm one."""
    seen = 2.0 * loss / float(teacher.norms.sum())
    return seen**2 / activation.lone(teacher.leak)
