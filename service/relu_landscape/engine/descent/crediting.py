"""When a fixed point is credited to a path: the lengths, and the tests.

With the path at W, the polished point at W*, ``d = W - W*``, ``g = grad L(W)`` and the two mean
curvatures of the way, ``low = g.d/|d|^2`` (which leans to the slow modes) and ``high = |g|^2/g.d``
(which leans to the fast ones), a point is credited where the path was demonstrably going:

* *near*: ``|d| < 2 low / l``, ``l`` the loss of curvature per unit length (the ball of radius
  2 mu / l around a minimum of smallest eigenvalue mu holds no other critical point), or
* *aligned*: ``0 < high < ALIGNED low`` and ``|d| < ALIGNED_REACH``: what is left of the motion is
  one mode (or modes of one eigenvalue), so the sign of g.d says which way the flow goes, however
  small the eigenvalue. Behind a nearby saddle g.d is negative and the path is not credited, or
* *settled*, for paths at rest: Newton's method from W contracts to W*, and no curvature differs
  between W and W* by more than a tenth of itself (``settled``). It has no length in it.

Lengths hold for teachers whose units are half a norm apart or more (30 degrees), and are scaled by
their ``separation`` below: two units of correlation 0.999 are 0.045 apart, and everything between
them is smaller in proportion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray

from relu_landscape.engine.model import activation, population
from relu_landscape.engine.model.definite import is_positive_definite
from relu_landscape.engine.model.teacher import Teacher

Real = NDArray[np.float64]
Truth = NDArray[np.bool_]

#: Loss of curvature per unit length: the largest seen over random and adversarial moves is 0.75
#: within a basin; the proven bound (certificates) is ten times larger and not needed here. It does
#: not grow where teachers near each other (random moves: 0.38 at correlation 0, 0.11 from 0.99 on).
CURVATURE_LOSS = 0.75
#: Distance over which a quasi-Newton polish is believed at all.
LONGEST_POLISH = 0.4
#: One mode: the two mean curvatures agree within this factor. A second mode with twice the
#: eigenvalue and half the amplitude is already outside.
ALIGNED = 1.5
#: Distance up to which one mode is followed as such; known neighbours are 0.4 apart or on its line.
ALIGNED_REACH = 0.1
#: A path whose gradient is this small rests: whatever it rests at is its end. Eigenvalues, and with
#: them gradients a given share of the way off, shrink with the third power of the separation (the
#: smallest is 0.09 for M = 2, and 0.0033 s^3 where the separation s is small).
RESTING_GRADIENT = 1e-10
#: ... but not below this times K^1.5, some hundred times the rounding of the gradient in float64.
SMALLEST_GRADIENT = 2e-14
#: Gradient norm asked of the polish where a path rests at ``RESTING_GRADIENT``.
POLISHED_GRADIENT = 1e-11
#: Newton's steps shrink by this factor at least, in the norm of the curvature: well inside the
#: region of quadratic convergence, where the factor is half of the Newton-Kantorovich h < 1/2.
CONTRACTION = 0.1
#: Largest change of any curvature between a path at rest and its point, relative to the curvature.
#: The loss falls along the flow, so the path stays where the energy norm |x - W*| is at most
#: sqrt((1 + c)/(1 - c)) = 1.11 times what it is now. Were the change ten times larger in another
#: direction than in the one measured, all curvatures would still be positive there.
CHANGE = 0.1
NEWTON_STEPS = 12
#: Curvatures below this are zero (``points.spectrum.ZERO``).
FLAT = 1e-9
#: A perpendicular part this small has decayed, as it does at every isolated fixed point.
BESIDE = 1e-5


def separation(teacher: Teacher) -> float:
    """How near the teacher's units are to each other: 1 where no two are, else in proportion less.

    Twice the shortest distance of a unit from the line of another, ``|v_m| sin(v_m, v_l)``, or from
    zero, ``|v_m|``; 1 at most. In the unit of the problem, in which the mean norm is about 1.

    >>> from relu_landscape.engine.model.teacher import make_teacher
    >>> separation(make_teacher(3)), separation(make_teacher(2, [[1, 0.6], [0.6, 1]]))
    (1.0, 1.0)
    >>> round(separation(make_teacher(2, [[1, 0.96], [0.96, 1]])), 12)
    0.56
    """
    if teacher.is_orthonormal:
        return 1.0
    norms = teacher.norms
    cosines = np.clip(teacher.gram / (norms[:, None] * norms), -1.0, 1.0)
    # Sines are 0.01 and more (``teacher.SMALLEST_CONDITION``), so nothing cancels that matters.
    heights = norms[:, None] * np.sqrt((1.0 - cosines) * (1.0 + cosines))
    np.fill_diagonal(heights, norms)
    return min(1.0, 2.0 * float(heights.min()))


@dataclass(frozen=True)
class Crediting:
    """The tests of the module, for a teacher of this ``separation``."""

    separation: float

    @staticmethod
    def of(teacher: Teacher) -> Crediting:
        """The tests for paths among the points of this teacher."""
        return Crediting(separation(teacher))

    @property
    def longest_polish(self) -> float:
        """Distance over which a quasi-Newton polish is believed at all."""
        return LONGEST_POLISH * self.separation

    def resting_gradient(self, students: int) -> float:
        """A path whose gradient norm is at most this rests."""
        scaled = max(RESTING_GRADIENT * self.separation**3, SMALLEST_GRADIENT * students**1.5)
        return float(min(RESTING_GRADIENT, scaled))

    def polished_gradient(self, students: int) -> float:
        """Gradient norm asked of the polish: below that of every path that has to be explained."""
        return POLISHED_GRADIENT * (self.resting_gradient(students) / RESTING_GRADIENT)

    def safe_distance(self, curvature: float) -> float:
        """Radius around a minimum of smallest eigenvalue ``curvature`` that holds its ends."""
        return min(self.longest_polish, 2.0 * max(curvature, 0.0) / CURVATURE_LOSS)

    def near(self, distance: ArrayLike, work: ArrayLike) -> Truth:
        """The first test, of any number of paths; ``work`` is g.d."""
        far, done = np.asarray(distance), np.asarray(work)
        low = np.divide(done, far**2, out=np.full(far.shape, np.inf), where=far > 0.0)
        radius = np.minimum(self.longest_polish, 2.0 * np.maximum(low, 0.0) / CURVATURE_LOSS)
        return np.asarray(far <= radius)

    def aligned(self, distance: ArrayLike, work: ArrayLike, gradient_norm: ArrayLike) -> Truth:
        """The second test, of any number of paths; ``work`` is g.d.

        A path that the polish did not move shows nothing.
        """
        far, done, norm = np.asarray(distance), np.asarray(work), np.asarray(gradient_norm)
        shows = (far > 0.0) & (done > 0.0)
        low = np.divide(done, far**2, out=np.zeros(far.shape), where=shows)
        high = np.divide(norm**2, done, out=np.zeros(far.shape), where=shows)
        close = far <= ALIGNED_REACH * self.separation
        return np.asarray(shows & (high <= ALIGNED * low) & close)


def settled(W: Real, teacher: Teacher) -> Real | None:
    """The minimum (K, p) to which gradient flow from ``W`` (K, p) leads, if the third test holds.

    Newton's method is affine invariant, and so is this test: no length, eigenvalue or separation of
    the problem appears in it (Deuflhard 2004, Newton Methods for Nonlinear Problems, chapter 2).
    It costs a few Hessians and Cholesky factors, O((K M)^3).
    """
    M = teacher.width
    here = np.ascontiguousarray(W[:, :M])
    if np.linalg.norm(W[:, M:]) > BESIDE or not np.all(np.linalg.norm(here, axis=1) > 0.0):
        return None
    H, A = population.hessian(here, teacher)
    if not is_positive_definite(H, FLAT) or (W.shape[1] > M and not is_positive_definite(A, FLAT)):
        return None
    point = _newton(here, H, teacher)
    if point is None:
        return None
    there, beside = population.hessian(point, teacher)
    if not _alike(H, there) or (W.shape[1] > M and not _alike(A, beside)):
        return None
    end = np.zeros_like(W)
    end[:, :M] = point
    return end


def _newton(W: Real, H: Real, teacher: Teacher) -> Real | None:
    """Where Newton's method with the Hessian of ``W`` goes; None where it does not contract."""
    factor = scipy.linalg.cho_factor(H)
    enough = SMALLEST_GRADIENT / 10.0 * len(W) ** 1.5 * activation.stiffness(teacher.leak)
    last = math.inf
    for _ in range(NEWTON_STEPS):
        g = np.asarray(population.gradient(W, teacher)).ravel()
        if np.linalg.norm(g) <= enough:
            return W
        step = scipy.linalg.cho_solve(factor, g)
        energy = math.sqrt(float(step @ g))
        if not energy <= CONTRACTION * last:
            return None
        W, last = W - step.reshape(W.shape), energy
        if not np.all(np.linalg.norm(W, axis=1) > 0.0):
            return None
    return None


def _alike(first: Real, second: Real) -> bool:
    """Whether every curvature of ``first`` is that of ``second`` within ``CHANGE`` of itself."""
    return (
        is_positive_definite(second, FLAT)
        and is_positive_definite(first - (1.0 - CHANGE) * second)
        and is_positive_definite((1.0 + CHANGE) * second - first)
    )
