"""Loss and derivatives of networks with a second layer: weights of any sign, batched.

With students ``a_i ReLU(w_i . x)`` and teachers ``b_m ReLU(v_m . x)``, |v_m| = 1, x ~ N(0, I_d),
every pair term of the loss has the two weights as its factor:

    L = 1/2 sum_ij a_i a_j g(w_i, w_j) - sum_im a_i b_m g(w_i, v_m) + 1/2 sum_ml b_m b_l g(v_m, v_l)
    g(w, v) = |w| |v| (s + (pi - t) c) / (2 pi),     c = cos t, s = sin t   (Cho and Saul 2009)
    dg/dw   = (|v| s u + (pi - t) v) / (2 pi),       u = w / |w|
    d2g/dw2 = |v| (s (I - u u') + e e' / s) / (2 pi |w|),    e = v / |v| - c u
    d2g/dw dv = ((pi - t) I + (u e' + u_v f') / s) / (2 pi), f = u - c u_v

Where units leak, all is in the unit of ``model.activation``, in which the loss has
``tilt |S|^2 / 2`` more, ``S = sum a_i w_i - sum b_m v_m``.

Coordinates: the first M axes are orthonormal teachers, or span those of another Gram matrix, whose
lengths are in b: ``b ReLU(v . x) = b |v| ReLU(v . x / |v|)``. Members of a batch do not see each
other: their bits do not depend on it.

Accuracy: gradient about 1e-16 (K + M) max(|a|, |b|)^2 in absolute terms, parallel vectors included,
for the error of an angle meets a vector of the length of its sine; loss likewise.
Where all weights are 1, ``model.loss`` loses less near zero loss, and is used for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.model import activation
from relu_landscape.engine.model.arrays import NUMPY
from relu_landscape.engine.model.kernel import loss_accuracy
from relu_landscape.engine.model.loss import Loss
from relu_landscape.engine.model.population import PARALLEL
from relu_landscape.engine.model.teacher import Teacher, make_teacher

Real = NDArray[np.float64]

TWO_PI = 2.0 * np.pi


@dataclass(frozen=True)
class Layers:
    """Fixed second layers: ``a`` (K,) of the students, ``b`` (M,) of teachers of norm 1, whose
    ``directions`` (M, M) are rows in the first M coordinates; None: they are orthonormal. ``leak``
    of the activation."""

    a: Real
    b: Real
    directions: Real | None = None
    leak: float = 0.0

    @staticmethod
    def plain(students: int, teachers: int) -> Layers:
        """All weights 1."""
        return Layers(np.ones(students), np.ones(teachers))

    @staticmethod
    def beside(a: Real, b: Real, teacher: Teacher) -> Layers:
        """Weights ``a`` (K,) of the students, and ``b`` (M,) of this teacher's units."""
        if teacher.is_orthonormal:
            return Layers(a, b, leak=teacher.leak)
        directions = teacher.V / teacher.norms[:, None]
        return Layers(a, b * teacher.norms, directions, teacher.leak)

    @property
    def is_plain(self) -> bool:
        """Whether every weight is 1, and the teacher orthonormal."""
        ones = bool(np.all(self.a == 1.0) and np.all(self.b == 1.0))
        return ones and self.directions is None

    def seen(self, W: Real) -> Real:
        """Scalar products (..., K, M) of ``W`` (..., K, p) and the teachers' directions."""
        span = W[..., : len(self.b)]
        return span if self.directions is None else np.asarray(span @ self.directions.T)

    @cached_property
    def angles_of_teachers(self) -> Real:
        """Cosines (M, M) of the teachers."""
        if self.directions is None:
            return np.eye(len(self.b))
        found = np.clip(self.directions @ self.directions.T, -1.0, 1.0)
        np.fill_diagonal(found, 1.0)
        return found

    @cached_property
    def plain_loss(self) -> Loss:
        """The loss where every weight is 1."""
        return Loss.of(make_teacher(len(self.b), leak=self.leak), NUMPY)

    @property
    def unit(self) -> float:
        """Unit of losses: the largest square of a weight, and what a leak makes of rounding."""
        largest = float(max(np.abs(self.a).max(), np.abs(self.b).max()) ** 2)
        return largest * activation.stiffness(self.leak)

    @property
    def stiffness(self) -> float:
        """Largest curvature, at most, of any network of zero loss: the sum of a_i^2, times half of
        ``activation.lone``."""
        return float(np.sum(self.a * self.a)) * activation.lone(self.leak) / 2.0

    @property
    def stiffest(self) -> float:
        """Unit of curvatures: the largest a_i^2, times ``activation.lone``."""
        return float(np.max(self.a * self.a)) * activation.lone(self.leak)

    @property
    def curvature(self) -> float:
        """Largest curvature, about, at ends: ``(M + 2)/4`` where each student has its teacher, and
        ``stiffness`` where several share one."""
        if len(self.a) > len(self.b):
            return self.stiffness
        common = max(0.0, activation.tilt(self.leak)) * float(np.sum(self.a * self.a))
        return (len(self.b) + 2) / 4.0 * float(np.max(self.a * self.a)) + common

    def sum_of_all(self, W: Real) -> Real:
        """S (..., p) at ``W`` (..., K, p)."""
        found: Real = self.a @ W
        M = len(self.b)
        found[..., :M] -= self.b if self.directions is None else self.b @ self.directions
        return found

    @property
    def shortest(self) -> float:
        """Norm of the shortest student that stands for a teacher, 1 at most."""
        return min(1.0, float(np.abs(self.b).min() / np.abs(self.a).max()))

    def accuracy(self, loss: float) -> float:
        """Absolute error of a loss."""
        return loss_accuracy(loss, max(len(self.a), len(self.b)), self.unit)

    def loss(self, W: Real) -> Real:
        """Loss (B,) of ``W`` (B, K, p), p >= M."""
        if self.is_plain:
            return np.asarray(self.plain_loss.value(NUMPY.asarray(W)))
        n, c, r = self._angles(W)
        first = n * self.a
        between = (_kernel(c) @ first[..., None])[..., 0]
        across = _kernel(r) @ self.b
        teachers = self.b @ _kernel(self.angles_of_teachers) @ self.b / 2.0
        found: Real = np.sum(first * (between / 2.0 - across), axis=-1) + teachers
        if self.leak != 0.0:
            S = self.sum_of_all(W)
            found += activation.tilt(self.leak) / 2.0 * np.sum(S * S, axis=-1)
        return found

    def gradient(self, W: Real) -> Real:
        """Gradient (B, K, p) by the first layer; no student may be zero."""
        M = len(self.b)
        n, c, r = self._angles(W)
        first = n * self.a
        radial = (_sine(c) @ first[..., None])[..., 0] - _sine(r) @ self.b
        found: Real = (_turned(c) * self.a) @ W
        found += W * (radial / n)[..., None]
        pull = _turned(r) * self.b
        found[..., :M] -= pull if self.directions is None else pull @ self.directions
        found *= self.a[:, None] / TWO_PI
        if self.leak != 0.0:
            pull = activation.tilt(self.leak) * self.sum_of_all(W)
            found += self.a[:, None] * pull[..., None, :]
        return found

    def hessian(self, W: Real) -> tuple[Real, Real]:
        """Hessian at one ``W`` (K, p): in its coordinates (K p, K p), and beside them (K, K).

        1/s terms are left out for vectors that are parallel to within 1e-9, where they tend to
        zero.
        """
        K, p = W.shape
        n = np.linalg.norm(W, axis=1)
        unit = W / n[:, None]
        e, s = _rejections(unit, unit)
        far, s_far = _rejections(unit, self._rows(p))
        turned = np.pi - np.arctan2(s, unit @ unit.T)
        pull = self.a * n
        dip = (s @ pull - s_far @ self.b) / n
        beside = np.outer(self.a, self.a) * turned / TWO_PI
        np.fill_diagonal(beside, self.a * (self.a / 2.0 + dip / TWO_PI))

        scaled = e * _inverse(s)[:, :, None]
        blocks = unit[:, None, :, None] * scaled[:, :, None, :]
        blocks += unit[None, :, :, None] * np.swapaxes(scaled, 0, 1)[:, :, None, :]
        blocks *= (np.outer(self.a, self.a) / TWO_PI)[:, :, None, None]
        blocks += beside[:, :, None, None] * np.eye(p)
        own = np.einsum("ija,ijb->iab", scaled * pull[:, None], e, optimize=True)
        own -= np.einsum(
            "ima,imb->iab", far * (_inverse(s_far) * self.b)[:, :, None], far, optimize=True
        )
        own /= n[:, None, None]
        own -= dip[:, None, None] * unit[:, :, None] * unit[:, None, :]
        own *= (self.a / TWO_PI)[:, None, None]
        here = np.arange(K)
        blocks[here, here] = own + np.diagonal(beside)[:, None, None] * np.eye(p)
        if self.leak != 0.0:
            tilted = activation.tilt(self.leak) * np.outer(self.a, self.a)
            blocks += tilted[:, :, None, None] * np.eye(p)
            beside += tilted
        H = blocks.transpose(0, 2, 1, 3).reshape(K * p, K * p)
        return (H + H.T) / 2.0, (beside + beside.T) / 2.0

    def _angles(self, W: Real) -> tuple[Real, Real, Real]:
        """Norms (B, K), and cosines with students (B, K, K), 1 with itself, and teachers."""
        n = np.sqrt(np.sum(W * W, axis=-1))
        unit = W / n[..., None]
        c = np.clip(unit @ np.swapaxes(unit, -1, -2), -1.0, 1.0)
        here = np.arange(W.shape[-2])
        c[..., here, here] = 1.0
        return n, c, np.clip(self.seen(unit), -1.0, 1.0)

    def _rows(self, p: int) -> Real:
        """The teachers' directions (M, p)."""
        M = len(self.b)
        if self.directions is None:
            return np.eye(M, p)
        return np.pad(self.directions, ((0, 0), (0, p - M)))


def _sine(c: Real) -> Real:
    found: Real = np.sqrt((1.0 - c) * (1.0 + c))
    return found


def _turned(c: Real) -> Real:
    """pi - t."""
    found: Real = np.pi / 2.0 + np.arcsin(c)
    return found


def _kernel(c: Real) -> Real:
    """g at unit vectors."""
    return (_sine(c) + _turned(c) * c) / TWO_PI


def _inverse(sine: Real) -> Real:
    return np.where(sine > PARALLEL, 1.0 / np.maximum(sine, PARALLEL), 0.0)


def _rejections(unit: Real, others: Real) -> tuple[Real, Real]:
    """Of unit others (N, p) from unit students (K, p): rejections (K, N, p), their lengths."""
    c = unit @ others.T
    found = others[None, :, :] - c[:, :, None] * unit[:, None, :]
    # Once more: the first rejection is off by a rounding error along the student.
    found -= np.einsum("ijk,ik->ij", found, unit)[:, :, None] * unit[:, None, :]
    sine = np.linalg.norm(found, axis=-1)
    if others is unit:
        np.fill_diagonal(sine, 0.0)
    return found, sine
