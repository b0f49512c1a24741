"""The last stretch of paths that creep: gradient flow with the whole Hessian treated implicitly.

Near-degenerate minima (smallest eigenvalue 3.8e-5 at K = 18, M = 17) are approached along a nearly
flat valley for 10^5 units of time, where the explicit part of ``flow`` allows steps of 4. Here the
same W-method takes ``A`` = the exact Hessian of a recent point, in its eigenbasis, so steps grow
with the time scale of the valley. A frozen Hessian keeps the order (W-methods allow any matrix);
what it costs is seen by the error estimate, which then asks for a new one.

The error is measured against the step itself, because what matters is on which side of a saddle
(1e-3 from the minimum there) the path stays: along a valley an error that is a small share of each
step never turns the motion round, however short the valley.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descent.flow import GAMMA
from relu_landscape.engine.model import population
from relu_landscape.engine.model.arrays import NUMPY
from relu_landscape.engine.model.loss import Loss
from relu_landscape.engine.model.teacher import Teacher

Real = NDArray[np.float64]

#: Difference of the first- and second-order step over the step: about h times the slowest rate in
#: play. The second-order error is its cube over six, 2e-4 of a step.
RELATIVE_TOLERANCE = 0.1
#: Steps with one Hessian before it is computed anew.
HESSIAN_AGE = 10
#: Above this many weights the eigendecomposition (about 1e-9 n^3 seconds) costs more than the
#: steps it saves; wider students creep on explicitly.
MOST_WEIGHTS = 1_100
#: With a shorter student the Hessian is dominated by the 1/|w| of a direction that means nothing.
SHORTEST = 1e-3
STEP_LIMIT = 4_000
#: Share of 1/|negative eigenvalue| a step may take: growth by exp(0.25) at most.
GROWTH_SHARE = 0.25


@dataclass
class _Implicit:
    """(I + theta H)^-1 by eigenvectors; the perpendicular columns have the block A."""

    span: tuple[Real, Real]
    perpendicular: tuple[Real, Real]
    age: int = 0
    most_negative: float = field(init=False)

    def __post_init__(self) -> None:
        self.most_negative = min(self.span[0][0], self.perpendicular[0][0], 0.0)

    def solve(self, b: Real, theta: float) -> Real:
        """x with (I + theta H) x = b, b (K, p)."""
        values, vectors = self.span
        K = len(self.perpendicular[0])
        M = len(values) // K
        x = np.empty_like(b)
        inner = vectors.T @ b[:, :M].ravel()
        x[:, :M] = (vectors @ (inner / (1.0 + theta * values))).reshape(K, M)
        outer_values, outer = self.perpendicular
        if b.shape[1] > M:
            x[:, M:] = outer @ ((outer.T @ b[:, M:]) / (1.0 + theta * outer_values)[:, None])
        return x


class SlowFlow:
    """One path, followed in main memory."""

    def __init__(self, teacher: Teacher, W: Real, step_size: float) -> None:
        self._teacher = teacher
        self._loss = Loss.of(teacher, NUMPY)
        self._implicit: _Implicit | None = None
        self.W = W
        self.step_size = step_size
        self.elapsed = 0.0
        self.steps = 0
        self.force = self._force(W)

    @staticmethod
    def suits(W: Real, teacher: Teacher) -> bool:
        """Whether the whole Hessian is affordable and meaningful at ``W`` (K, p)."""
        short = float(np.linalg.norm(W, axis=1).min()) < SHORTEST
        return W.shape[0] * teacher.width <= MOST_WEIGHTS and not short

    @property
    def gradient_norm(self) -> float:
        """|grad L| where the path is."""
        return float(np.linalg.norm(self.force))

    def step(self) -> bool:
        """One attempt; says whether the path moved."""
        if self._implicit is None or self._implicit.age >= HESSIAN_AGE:
            self._implicit = self._factor()
        implicit = self._implicit
        h = self.step_size
        if implicit.most_negative < 0.0:
            h = min(h, GROWTH_SHARE / -implicit.most_negative)
        self.steps += 1
        k1 = implicit.solve(self.force, GAMMA * h)
        middle = self._force(self.W + (h / 2.0) * k1)
        k2 = implicit.solve(middle + self.force - k1, GAMMA * h)
        size = float(np.linalg.norm(k2)) + 1e-300
        error = float(np.linalg.norm(k2 - k1)) / (RELATIVE_TOLERANCE * size)
        growth = 0.8 / (error + 1e-300) if np.isfinite(error) else 0.2
        self.step_size = h * float(min(max(growth, 0.2), 2.5))
        if not error <= 1.0:
            # An old Hessian may be to blame; a fresh one leaves the smaller step to help.
            self._implicit = None if implicit.age else implicit
            return False
        implicit.age += 1
        self.W = self.W + h * k2
        self.force = self._force(self.W)
        self.elapsed += h
        return True

    def _force(self, W: Real) -> Real:
        return np.asarray(-self._loss.gradient(W[None])[0])

    def _factor(self) -> _Implicit:
        H, A = population.hessian(self.W[:, : self._teacher.width], self._teacher)
        return _Implicit(span=_eigen(H), perpendicular=_eigen(A))


def _eigen(matrix: Real) -> tuple[Real, Real]:
    values, vectors = np.linalg.eigh(matrix)
    return values, vectors
