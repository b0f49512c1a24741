"""How far points are from fixed points, up to relabelling.

The nearest relabelled copy of a fixed point F maximises ``tr(C^T S F P)`` over permutations S of
students and P of teachers, a quadratic assignment problem. With one of the two held the other is
a linear one, solved exactly (Kuhn 1955); taking turns climbs to a copy that no exchange of
students alone, or of teachers alone, brings nearer. What is returned is the distance of a copy that
exists: the nearest is at most that far.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.model.teacher import Teacher
from relu_landscape.engine.points import identity

Real = NDArray[np.float64]
Whole = NDArray[np.int64]

#: Turns until nothing moves: a handful is usual.
MOST_TURNS = 30
#: Orders of the teachers to begin with, beside those by what their columns look like.
DRAWN_ORDERS = 6


def distances(W: Real, candidates: Real, teacher: Teacher) -> Real:
    """Upper bounds (n, F) of the distances of ``W`` (n, K, p) from the nearest copies of the fixed
    points ``candidates`` (F, K, M).

    Teachers are exchanged only where they are orthonormal; else only students are.
    """
    M = teacher.width
    beside = np.sum(W[..., M:] ** 2, axis=(-2, -1))
    C = identity.coordinates(np.ascontiguousarray(W[..., :M]), teacher)
    F = identity.coordinates(candidates, teacher)
    found = np.empty((len(W), len(F)))
    for row, here in enumerate(C):
        for column, there in enumerate(F):
            found[row, column] = _square(here, there, is_free=teacher.is_orthonormal)
    return np.asarray(np.sqrt(found + beside[:, None]))


def _square(C: Real, F: Real, *, is_free: bool) -> float:
    """Squared distance of ``C`` from the nearest copy of ``F`` that is found."""
    best = np.inf
    for mine, theirs in _orders(C, F) if is_free else [(np.arange(C.shape[1]),) * 2]:
        order = np.empty_like(mine)
        order[mine] = theirs  # column m of C beside column order[m] of F
        best = min(best, _climbed(C, F, order, is_free=is_free))
    return best


def _climbed(C: Real, F: Real, order: Whole, *, is_free: bool) -> float:
    """Take turns from this order of the teachers."""
    from scipy.optimize import linear_sum_assignment  # heavy, and seldom needed

    last = np.inf
    for _ in range(MOST_TURNS):
        moved = F[:, order]
        _, students = linear_sum_assignment(-(C @ moved.T))
        square = float(np.sum((C - moved[students]) ** 2))
        if not is_free or not square < last:
            return min(square, last)
        last = square
        _, order = linear_sum_assignment(-(C.T @ F[students]))
    return last


def _orders(C: Real, F: Real) -> list[tuple[Whole, Whole]]:
    """Orders of the columns of both to begin with: by what they look like, and some drawn."""
    looks = (np.sum, np.max, np.min, lambda x, axis: np.sum(x**2, axis=axis))
    pairs = [
        (np.argsort(look(C, axis=0), kind="stable"), np.argsort(look(F, axis=0), kind="stable"))
        for look in looks
    ]
    rng = np.random.Generator(np.random.Philox(key=[C.shape[1], 0]))
    one = np.arange(C.shape[1])
    return pairs + [(one, rng.permutation(C.shape[1])) for _ in range(DRAWN_ORDERS)]
