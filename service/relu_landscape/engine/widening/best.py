"""The best student to add: the minimum of D over all directions.

D has many critical points on the sphere, so it is descended from many starts: the directions of
students and teachers and their opposites, and sums and differences of pairs of them. They are sets,
whatever order the units come in. What is found is a minimum to rounding; that it is the lowest is
not proved (it was compared with random search: docs/mathematics/widening.md).

**Dimensions beside the students and teachers never help.** Let u be a unit vector with a part z
beside their span, which has p dimensions, at which D is at rest on the sphere: grad phi = D u. The
part beside of the gradient is ``r z / (2 pi)`` (``adding``), so ``r = 2 pi D``; the trace of
Hess phi in the p + 1 dimensions is ``(p + 1) D``, that of the Hessian of D on the sphere
``(p + 1) D - p D = D``. At a minimum it is not negative: a minimum with a part beside has D >= 0,
and gains nothing. So the search stays in the span.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.model import activation
from relu_landscape.engine.model.teacher import Teacher
from relu_landscape.engine.widening.adding import Error

Real = NDArray[np.float64]

#: Single directions that make pairs, the lowest of D, and starts that are descended, the lowest of
#: all. At 14 published points of 7 to 20 units neither eight times as many nor 1,500 random
#: directions find a lower minimum.
MOST_SINGLE, MOST_STARTS = 64, 128
#: Values of D that differ by less, in units of all lengths, tie: then coordinates decide. A hundred
#: times the rounding.
TIE = 1e-13
#: Steps of the descent of all starts, and of Newton's method for the lowest of them.
STEPS, NEWTON_STEPS = 60, 40
#: Members for Newton's method: relabelled copies of one minimum come in crowds.
POLISHED = 24
#: A step is taken where D falls by this share of what its slope promises (Armijo 1966).
ARMIJO = 1e-4
HALVINGS = 30
#: Newton's last steps are shorter than this, and leave curvatures below this share of the largest
#: alone.
SETTLING, FLAT = 1e-4, 1e-9
#: Directions closer than this are one.
SAME = 1e-6


@dataclass(frozen=True)
class Student:
    """The best student to add: ``value`` is D at the unit vector ``direction`` (p,), negative.

    ``lone``: ``activation.lone``, 1 for ReLU.
    """

    value: float
    direction: Real
    lone: float = 1.0

    @property
    def norm(self) -> float:
        """The length with which it gains most, ``-2 D`` over ``lone``."""
        return -2.0 * self.value / self.lone

    @property
    def gain(self) -> float:
        """By how much the loss falls, exactly ``D^2`` over ``lone``."""
        return self.value**2 / self.lone

    @property
    def weights(self) -> Real:
        """The student itself (p,)."""
        return self.norm * self.direction


def best_student(W: Real, teacher: Teacher) -> Student | None:
    """The best student to add to ``W`` (K, p), p >= M; None where none lowers the loss.

    Of equally good directions, copies of each other by symmetry, it is the one with the largest
    first coordinate, then the second, and so on. None: D is nowhere found below zero by more than
    rounding; at a global minimum it is zero everywhere. Raises as ``Error.of``.
    """
    error = Error.of(W, teacher)
    direction = minimum(error)
    value = float(error.value(direction[None])[0])
    found = Student(value, direction, activation.lone(teacher.leak))
    return found if value < -error.accuracy else None


def minimum(error: Error) -> Real:
    """The unit vector (p,) at which D is lowest."""
    u = _descended(error, starts(error))
    lowest = np.argsort(error.value(u), kind="stable")[:POLISHED]
    ends = np.stack([_settled(error, _newton(error, member)) for member in _distinct(u[lowest])])
    return _first(ends, error.value(ends), TIE * float(np.abs(error.lengths).sum()))


def starts(error: Error) -> Real:
    """Directions (B, p) to descend from, the lowest of D among many."""
    signed = np.concatenate([error.units, -error.units])
    single = _lowest(error, signed, MOST_SINGLE)
    i, j = np.triu_indices(len(single), 1)
    sums = single[i] + single[j]
    lengths = np.linalg.norm(sums, axis=1)
    kept = lengths > SAME
    # Differences are there as well: units come with their opposites.
    pairs = sums[kept] / lengths[kept, None]
    return _lowest(error, np.concatenate([single, pairs]), MOST_STARTS)


def _lowest(error: Error, u: Real, most: int) -> Real:
    """The ``most`` members of u (B, p) with the lowest D."""
    return u[np.argsort(error.value(u), kind="stable")[:most]]


def _distinct(u: Real) -> Real:
    """Members (B, p) that are not within ``SAME`` of an earlier one."""
    kept: list[Real] = []
    for member in u:
        if all(np.abs(member - other).max() > SAME for other in kept):
            kept.append(member)
    return np.stack(kept)


def _first(u: Real, values: Real, tie: float) -> Real:
    """The lowest; of ties that with the largest first coordinate, then the second, and so on."""
    tied = u[values <= values.min() + tie]
    rounded = np.round(tied / SAME)
    chosen: Real = tied[np.lexsort(rounded.T[::-1])[-1]]
    return chosen


def _descended(error: Error, u: Real) -> Real:
    """Members (B, p) after steps down along the sphere (Barzilai and Borwein 1988)."""
    values, slopes = error.value(u), _slope(error, u)
    length = np.full(len(u), 1.0 / max(1e-300, float(np.abs(error.lengths).sum())))
    for _ in range(STEPS):
        trial, lower, taken = _lower(error, u, values, slopes, length)
        if not np.any(taken):
            break
        steep = _slope(error, trial)
        moved, change = trial - u, steep - slopes
        along = np.abs(np.sum(moved * change, axis=1))
        ratio = np.sum(moved * moved, axis=1) / np.maximum(along, 1e-300)
        length = np.where(taken & (along > 0.0), ratio, length)
        u, values, slopes = trial, lower, steep
    return u


def _lower(
    error: Error, u: Real, values: Real, slopes: Real, length: Real
) -> tuple[Real, Real, NDArray[np.bool_]]:
    """A step down of each member, halved until D falls; members that cannot stay."""
    squared = np.sum(slopes * slopes, axis=1)
    trial, lower = u.copy(), values.copy()
    waiting, step = squared > 0.0, length.copy()
    for _ in range(HALVINGS):
        rows = np.flatnonzero(waiting)
        if not len(rows):
            break
        moved = _unit(u[rows] - step[rows, None] * slopes[rows])
        there = error.value(moved)
        good = there <= values[rows] - ARMIJO * step[rows] * squared[rows]
        trial[rows[good]], lower[rows[good]] = moved[good], there[good]
        waiting[rows[good]] = False
        step[rows] /= 2.0
    return trial, lower, (squared > 0.0) & ~waiting


def _slope(error: Error, u: Real) -> Real:
    """Gradient of D along the sphere (B, p)."""
    gradient = error.gradient(u)
    result: Real = gradient - np.sum(gradient * u, axis=1)[:, None] * u
    return result


def _unit(u: Real) -> Real:
    result: Real = u / np.linalg.norm(u, axis=1)[:, None]
    return result


def _newton(error: Error, u: Real) -> Real:
    """Newton's method on the sphere from ``u`` (p,), downhill as far as values of D can tell.

    Negative curvature counts as positive, so that a saddle is left where rounding shows the way.
    """
    value = float(error.value(u[None])[0])
    floor = 1e-3 * error.accuracy
    for _ in range(NEWTON_STEPS):
        slope = _slope(error, u[None])[0]
        if np.linalg.norm(slope) <= floor:
            break
        curvature, axes = np.linalg.eigh(error.hessian(u)[0] - value * np.eye(len(u)))
        size = np.maximum(np.abs(curvature), 1e-9 * np.abs(curvature).max())
        step = axes @ ((axes.T @ slope) / size)
        step -= (step @ u) * u
        moved = _first_lower(error, u, value, step, float(slope @ step))
        if moved is None:
            break
        u, value = moved, float(error.value(moved[None])[0])
    return u


def _first_lower(error: Error, u: Real, value: float, step: Real, promised: float) -> Real | None:
    """The point at the whole step down, or at half of it and so on, at which D is lower."""
    length = float(np.linalg.norm(step))
    share = min(1.0, 0.5 / length) if length > 0.0 else 0.0
    for _ in range(HALVINGS):
        moved = _unit((u - share * step)[None])
        if float(error.value(moved)[0]) < value - ARMIJO * share * promised:
            return np.asarray(moved[0])
        share /= 2.0
    return None


def _settled(error: Error, u: Real) -> Real:
    """Plain steps of Newton's method while the slope shrinks: values of D have no more digits.

    Where D is flat beside its minimum, as on a set of equally good directions, steps stay small.
    """
    slope = _slope(error, u[None])[0]
    for _ in range(NEWTON_STEPS):
        hessian = error.hessian(u)[0] - float(error.value(u[None])[0]) * np.eye(len(u))
        curvature, axes = np.linalg.eigh(hessian)
        kept = curvature > FLAT * max(float(np.abs(curvature).max()), 1e-300)
        step = axes[:, kept] @ ((axes[:, kept].T @ slope) / curvature[kept])
        moved = _unit((u - step + (step @ u) * u)[None])
        left = _slope(error, moved)[0]
        if not np.linalg.norm(step) < SETTLING or np.linalg.norm(left) >= np.linalg.norm(slope):
            break
        u, slope = moved[0], left
    return u
