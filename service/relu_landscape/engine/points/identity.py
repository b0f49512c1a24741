"""Whether two points are one: the only module that decides it.

Points are one if permutations of students, and of teachers where their Gram matrix allows it, carry
one onto the other. Losses and spectra cannot prove that, nor can any sorted list of entries; a
relabelling that is then compared entry by entry can (``symmetry.relabelling``). Invariants only
sort points quickly: they split what is surely different.

The loss is homogeneous of degree 2 in students and teachers together, so lengths count in units of
the teacher's mean norm, losses in units of its square: a teacher of another length gives the same
answers. What is compared are not overlaps but weights, in coordinates that permute with the
teachers (``coordinates``): where teachers are nearly parallel, points 1e-3 apart have overlaps that
differ by 1e-5. Two kinds of points are compared, with tolerances of their own: *polished* ones,
after Newton's method, and *raw* ones, where a path ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from relu_landscape.engine.model.teacher import Teacher
from relu_landscape.engine.points import symmetry
from relu_landscape.engine.points.classify import Point

Real = NDArray[np.float64]
Whole = NDArray[np.int64]

Relation = Literal["same copy", "student order", "relabelled", "different"]

#: Polished points agree in norms and coordinates to this: they are accurate to 1e-9 and better, and
#: the closest distinct ones in structures of widths 8 to 1,000 (1+2+14 extra 1) differ by 6.8e-4.
POLISHED = symmetry.SAME_ENTRY
#: Losses of copies of one polished point, in units of the squared norm plus themselves: the loss is
#: flat at a critical point, so what is left is rounding (1e-13 at K = 100).
POLISHED_LOSS = 1e-9
#: Eigenvalues (which have no scale) of copies of one polished point: they change by about 1 per
#: unit of distance, and are computed to 1e-13 K.
POLISHED_SPECTRUM = 1e-6
#: Raw ends agree in invariants and coordinates to this. They are accurate to 1e-11 over the
#: smallest eigenvalue (3e-7 for the flattest published minimum); distinct points differ by 1e-3.
RAW = 1e-5
#: Raw ends whose weights, as they are labelled, differ by less are one labelled point: a flow that
#: rests at a gradient of 1e-7 is within 1e-4 of a minimum with eigenvalues above 1e-3; copies
#: differ by much more.
RAW_LABELLED = 1e-4


def coordinates(W: Real, teacher: Teacher) -> Real:
    """Weights ``W`` (K, M) in the orthonormal basis that permutes with the teachers; (K, M).

    ``R T^(-1/2)`` with the symmetric root (Löwdin 1950, J. Chem. Phys. 18, 365): ``W`` times an
    orthogonal matrix, so distances are those of weights; and a permutation of teachers that leaves
    T unchanged commutes with T^(-1/2), so it permutes the columns. For an orthonormal teacher they
    are the overlaps. In the units of ``W``; error about 1e-16 over the ratio of T's eigenvalues.
    """
    if teacher.is_orthonormal:
        return W @ teacher.V.T
    values, vectors = np.linalg.eigh(teacher.gram)
    basis = (vectors / np.sqrt(values)) @ vectors.T
    return np.asarray(W @ (teacher.V.T @ basis), dtype=np.float64)


def invariants(W: Real, teacher: Teacher, loss: ArrayLike) -> Real:
    """Numbers that relabelling leaves alone, in units of the teacher's mean norm; (1+K+2M+KM,).

    ``W`` (K, M), ``loss`` its loss; or any number of points, (..., K, M) and (...). They are the
    loss, norms of students, lengths and sums of the columns of the coordinates, and all
    coordinates, each sorted. Distinct points can share them.
    """
    norm = teacher.mean_norm
    C = coordinates(W, teacher) / norm
    losses = np.asarray(loss, dtype=np.float64)[..., None] / norm**2
    return np.concatenate(
        [
            losses,
            np.sort(np.sqrt((W * W).sum(axis=-1)) / norm, axis=-1),
            np.sort(np.sqrt((C * C).sum(axis=-2)), axis=-1),
            np.sort(C.sum(axis=-2), axis=-1),
            np.sort(C.reshape(*C.shape[:-2], -1), axis=-1),
        ],
        axis=-1,
    )


def groups_of(numbers: Real, *, tolerance: float = RAW) -> tuple[list[int], Whole]:
    """Points sorted by their invariants ``numbers`` (n, q): who opens a group, and the place of
    each point's group (n,).

    In their order, a point joins the closest group (``nearest``), or opens one.
    """
    places = np.full(len(numbers), -1, dtype=np.int64)
    closest = np.full(len(numbers), tolerance)
    openers: list[int] = []
    for first in range(len(numbers)):
        if places[first] >= 0:
            continue
        places[first] = len(openers)
        later = (
            first
            + 1
            + np.flatnonzero(
                np.abs(numbers[first + 1 :, 0] - numbers[first, 0]) <= closest[first + 1 :]
            )
        )
        distance = np.abs(numbers[later] - numbers[first]).max(axis=1)
        joins = (distance < closest[later]) | ((distance == closest[later]) & (places[later] < 0))
        closest[later[joins]] = distance[joins]
        places[later[joins]] = len(openers)
        openers.append(first)
    return openers, places


def nearest(known: Sequence[Real], numbers: Real, *, tolerance: float = RAW) -> int | None:
    """Position of the known invariants closest to ``numbers`` (largest difference), or None.

    All of one length. ``tolerance``: how far they may differ; ``RAW`` for where paths ended,
    ``POLISHED`` for converged points.
    """
    closest, place = tolerance, None
    for position, candidate in enumerate(known):
        if abs(candidate[0] - numbers[0]) > closest:
            continue
        distance = float(np.abs(candidate - numbers).max())
        if distance < closest or (distance == closest and place is None):
            closest, place = distance, position
    return place


def labelled_distance(W: Real, other: Real, teacher: Teacher) -> float:
    """Frobenius distance of ``other`` from ``W`` (both (K, M)) after relabelling it.

    Infinite where no relabelling carries one onto the other to ``POLISHED``; raw ends that are less
    accurate than that count as no copies, so a finite answer bounds the distance of the copies.
    """
    if np.array_equal(W, other):
        return 0.0
    C, moved = coordinates(W, teacher), coordinates(other, teacher)
    found = _relabelling(C, moved, teacher, POLISHED)
    if found is None:
        return float("inf")
    return float(np.linalg.norm(moved[np.ix_(*found)] - C))


def same_point(first: Point, second: Point, teacher: Teacher) -> bool:
    """Whether two polished points are relabelled copies of each other.

    Losses, spectra and coordinates must all agree; the last entry by entry after the relabelling
    that ``symmetry.relabelling`` finds.
    """
    unit = teacher.mean_norm**2
    if abs(first.loss - second.loss) > POLISHED_LOSS * (unit + abs(first.loss)):
        return False
    if first.span.shape != second.span.shape or not np.allclose(
        first.span, second.span, rtol=0.0, atol=POLISHED_SPECTRUM
    ):
        return False
    return are_copies(first.W, second.W, teacher)


def are_copies(W: Real, other: Real, teacher: Teacher) -> bool:
    """Whether a relabelling carries polished weights (K, M) onto others, entry by entry."""
    C, moved = coordinates(W, teacher), coordinates(other, teacher)
    tolerance = POLISHED * teacher.mean_norm
    # What the quick way finds was compared as well; only where it finds nothing is more asked.
    if teacher.is_orthonormal and symmetry.relabelled_by_looks(C, moved, tolerance=tolerance):
        return True
    return _relabelling(C, moved, teacher, POLISHED) is not None


def copies(weights: Sequence[Real], losses: Sequence[float], teacher: Teacher) -> list[list[int]]:
    """Polished points by what they are: positions of the copies of each, the first one first.

    ``weights`` (K, M) each, at critical points, with their ``losses``; groups in the order of
    their first members. Invariants only say which pairs are worth comparing; ``are_copies``
    decides.
    """
    groups: list[list[int]] = []
    known: list[Real] = []
    unit = teacher.mean_norm**2
    for place, (W, loss) in enumerate(zip(weights, losses, strict=True)):
        numbers = invariants(W, teacher, loss)
        for group, candidate in zip(groups, known, strict=True):
            first = group[0]
            if (
                abs(losses[first] - loss) <= POLISHED_LOSS * (unit + abs(loss))
                and np.abs(candidate - numbers).max() <= POLISHED
                and are_copies(weights[first], W, teacher)
            ):
                group.append(place)
                break
        else:
            groups.append([place])
            known.append(numbers)
    return groups


def relation(left: Real, right: Real, teacher: Teacher) -> Relation:
    """How two raw ends (K, M) compare, by the first of these that holds.

    ``same copy``: one labelled point. ``student order``: the same network, students exchanged.
    ``relabelled``: students and teachers exchanged, the latter as their Gram matrix allows.
    Otherwise ``different``.
    """
    from scipy.optimize import linear_sum_assignment  # heavy, and seldom needed

    close = RAW_LABELLED * teacher.mean_norm
    if np.max(np.abs(left - right)) <= close:
        return "same copy"
    cost = np.sum((left[:, None, :] - right[None, :, :]) ** 2, axis=2)
    rows, columns = linear_sum_assignment(cost)
    if np.max(np.abs(left[rows] - right[columns])) <= close:
        return "student order"
    C, other = coordinates(left, teacher), coordinates(right, teacher)
    # Entries become labels by their gaps: at too fine a tolerance one value has two labels, at too
    # coarse a one two values share one. Whatever is found is compared entry by entry.
    for tolerance in (POLISHED, RAW):
        if _relabelling(C, other, teacher, tolerance) is not None:
            return "relabelled"
    return "different"


def _relabelling(
    C: Real, other: Real, teacher: Teacher, tolerance: float
) -> tuple[list[int], list[int]] | None:
    """``symmetry.relabelling`` of coordinates, with a tolerance in units of the teacher."""
    T = None if teacher.is_orthonormal else teacher.gram
    return symmetry.relabelling(C, other, T, tolerance=tolerance * teacher.mean_norm)
