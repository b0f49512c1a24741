"""Where the equations of one-pass SGD for d to infinity come to rest at a finite learning rate.

With S the students' part in the teacher's span and ``P = gamma X`` the second moments outside it
(``places``), the equations of ``ode`` rest where

    grad_S L(S, P) = 0,      A X + X A - Sigma(S, P) = 0

The branch that begins at a minimum (gamma = 0) is followed to a learning rate by Newton's method on
(S, X). Its linear equations are solved in a Krylov space, by differences along directions: a point
and its branch have the same symmetries, so the space that the residuals span has few dimensions at
a symmetric point, and no Jacobian of (K M + K (K + 1)/2)^2 entries is ever made. Preconditioned by
what the Jacobian is at gamma = 0: the Hessian in the span, and the Lyapunov operator of A.

**Accuracy**: the residual, in the preconditioner's units, below ``TOLERANCE`` of the teacher's
norm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.model import activation, population
from relu_landscape.engine.model.arrays import NUMPY
from relu_landscape.engine.model.loss import Loss
from relu_landscape.engine.model.teacher import Teacher
from relu_landscape.engine.noise import places
from relu_landscape.engine.noise.second_moment import SecondMoment
from relu_landscape.engine.noise.sigma import noise

Real = NDArray[np.float64]

#: Of the residual. Sigma has 1e-9 where units nearly coincide (``sigma``).
TOLERANCE = 1e-8
#: Newton steps towards one learning rate, dimensions of the Krylov space, and by how much it
#: lowers a residual.
NEWTON_STEPS, DIRECTIONS, LOWERED = 12, 60, 1e-3
#: Distance of the differences along a direction of length one.
DIFFERENCE = 1e-6
#: Noise below this is that of zero loss, where it has its absolute error (``sigma``).
ZERO_NOISE = 1e-10
#: How often a step along the branch is halved before it counts as ended.
HALVINGS = 4
#: An eigenvalue of X below this, of its largest, belongs to no second moments.
INDEFINITE = 1e-6


@dataclass(frozen=True)
class Rest:
    """A fixed point: ``span`` (K, M), ``X`` (K, K) with ``P = learning_rate X``, and its loss."""

    learning_rate: float
    span: Real
    X: Real
    loss: float

    @property
    def W(self) -> Real:
        """Weights (K, M + K) with these overlaps."""
        return places.weights(self.span, self.learning_rate * self.X)


def fixed_point(
    W: Real, teacher: Teacher, rate: float, moments: SecondMoment | None = None
) -> Rest | None:
    """The fixed point at a learning rate on the branch of the minimum ``W`` (K, M).

    ``moments`` of that minimum, where they are at hand. None where the branch was not found to
    reach so far. Raises ``InputError`` where the minimum is flat outside the span.
    """
    if moments is None:
        moments = SecondMoment.at(W, teacher)
    least = ZERO_NOISE * teacher.mean_norm**2 * activation.stiffness(teacher.leak) ** 2
    if not np.any(moments.source > least):  # zero loss, no noise
        loss = float(population.loss(W, teacher))
        if rate >= moments.critical_rate:
            return None
        return Rest(rate, W, np.zeros((len(W), len(W))), loss)
    return _Branch(W, teacher, moments).at(rate)


class _Branch:
    """The branch of fixed points that begins at a minimum, isolated in the span."""

    def __init__(self, W: Real, teacher: Teacher, moments: SecondMoment) -> None:
        self._teacher = teacher
        self._moments = moments
        self._loss = Loss.of(teacher, NUMPY)
        self._shape = W.shape
        H, A = population.hessian(W, teacher)
        self._values, self._vectors = np.linalg.eigh(H)
        self._rates, self._axes = np.linalg.eigh(A)
        self._first = Rest(0.0, W, moments.at_rest(0.0), float(population.loss(W, teacher)))

    def at(self, rate: float) -> Rest | None:
        """At once where the equation of second moments says where about; else in steps."""
        if rate < self._moments.critical_rate:
            near = replace(self._first, X=self._moments.at_rest(rate))
            found = self._newton(near, rate)
            if found is not None:
                return found
        last, done, whole = self._first, 0, 2**HALVINGS
        size = whole // 2
        while done < whole:
            size = min(size, whole - done)
            found = self._newton(last, rate * (done + size) / whole)
            if found is not None:
                last, done = found, done + size
            elif size == 1:
                return None
            else:
                size //= 2
        return last

    def _newton(self, guess: Rest, rate: float) -> Rest | None:
        y = np.concatenate([guess.span.ravel(), guess.X.ravel()])
        unit = self._teacher.mean_norm * np.sqrt(self._shape[0])
        residual = self._residual(y, rate)
        for _ in range(NEWTON_STEPS):
            off = float(np.linalg.norm(residual))
            if off < TOLERANCE * unit:
                return self._rest(y, rate)
            step = self._solved(y, rate, residual)
            moved = y + step
            after = self._residual(moved, rate)
            if not float(np.linalg.norm(after)) < off:
                return None
            y, residual = moved, after
        return None

    def _rest(self, y: Real, rate: float) -> Rest | None:
        span, X = self._parts(y)
        values = np.linalg.eigvalsh(X)
        if values[0] < -INDEFINITE * max(values[-1], 0.0):
            return None
        loss = float(population.loss(places.weights(span, rate * X), self._teacher))
        return Rest(rate, span, X, loss)

    def _parts(self, y: Real) -> tuple[Real, Real]:
        K, M = self._shape
        X = y[K * M :].reshape(K, K)
        return y[: K * M].reshape(K, M), (X + X.T) / 2.0

    def _residual(self, y: Real, rate: float) -> Real:
        """What is left of both equations, turned into steps by the preconditioner."""
        span, X = self._parts(y)
        W = places.weights(span, rate * X)
        if not np.all(np.linalg.norm(W, axis=1) > 0.0):
            return np.full(len(y), np.inf)
        slope = np.asarray(self._loss.gradient(NUMPY.asarray(W[None])))[0, :, : self._shape[1]]
        A = places.perpendicular_block(W, self._teacher)
        outside = A @ X + X @ A - noise(W, self._teacher)
        first = self._vectors @ ((self._vectors.T @ slope.ravel()) / self._values)
        inside = self._axes.T @ outside @ self._axes / (self._rates[:, None] + self._rates)
        return np.concatenate([first, (self._axes @ inside @ self._axes.T).ravel()])

    def _solved(self, y: Real, rate: float, residual: Real) -> Real:
        """The Newton step: GMRES by Arnoldi, with differences for products."""
        beta = float(np.linalg.norm(residual))
        basis, columns = [-residual / beta], []
        for k in range(min(DIRECTIONS, len(y))):
            product = self._residual(y + DIFFERENCE * basis[k], rate) - residual
            product /= DIFFERENCE
            column = np.zeros(k + 2)
            for _ in range(2):
                for place, axis in enumerate(basis):
                    along = float(axis @ product)
                    column[place] += along
                    product = product - along * axis
            column[k + 1] = np.linalg.norm(product)
            columns.append(column)
            matrix = np.zeros((k + 2, k + 1))
            for place, each in enumerate(columns):
                matrix[: len(each), place] = each
            wanted = np.zeros(k + 2)
            wanted[0] = beta
            mix, *_ = np.linalg.lstsq(matrix, wanted, rcond=None)
            left = float(np.linalg.norm(matrix @ mix - wanted))
            # Differences know a direction to DIFFERENCE; what is left of it is no direction.
            if left < LOWERED * beta or column[k + 1] < DIFFERENCE:
                break
            basis.append(product / column[k + 1])
        return np.asarray(sum(part * axis for part, axis in zip(mix, basis, strict=False)))
