"""Which ends are one point, up to relabelling of what has equal second-layer weights.

Where all weights are 1, the teacher is orthonormal and the point lies in its span,
``points.identity`` decides. Otherwise the relabelling that ``points.symmetry`` suggests keeps
second-layer weights, and what teachers see of each other, as they are, and has to carry R and Q
over entry by entry; where the part outside the span makes that suggestion ambiguous, two copies may
be listed as two ends, never two points as one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descents.layers import Layers
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.points import identity, symmetry

Real = NDArray[np.float64]

#: Weights that differ by less than this, over the largest, are equal.
SAME_WEIGHT = 1e-12


def groups(weights: Sequence[Real], losses: Sequence[float], layers: Layers) -> list[list[int]]:
    """Places of the copies of each polished point ``weights`` (K, M + r), by their first places."""
    M = len(layers.b)
    if layers.is_plain and all(W.shape[1] == M for W in weights):
        return identity.copies(weights, losses, make_teacher(M))
    found: list[list[int]] = []
    known: list[Real] = []
    for place, (W, loss) in enumerate(zip(weights, losses, strict=True)):
        numbers = _invariants(W, loss, layers)
        for group, candidate in zip(found, known, strict=True):
            if float(np.abs(candidate - numbers).max()) <= identity.POLISHED and are_copies(
                weights[group[0]], W, layers
            ):
                group.append(place)
                break
        else:
            found.append([place])
            known.append(numbers)
    return found


def are_copies(W: Real, other: Real, layers: Layers) -> bool:
    """Whether a relabelling within equal second-layer weights carries one onto the other."""
    return relabelling(W, other, layers) is not None


def relabelling(W: Real, other: Real, layers: Layers) -> tuple[list[int], list[int]] | None:
    """Students and teachers of ``other`` (K, M + r) in the places of those of ``W``, exchanged
    within equal second-layer weights; None where there are none."""
    M = len(layers.b)
    mine, theirs = _coloured(W, layers), _coloured(other, layers)
    # Off the diagonal what teachers see of each other, on it which second-layer weight each has.
    colours = np.zeros((M + 1, M + 1))
    colours[:M, :M] = layers.angles_of_teachers
    np.fill_diagonal(colours, np.append(_ranks(layers.b), M + 1.0) + 1.0)
    found = symmetry.relabelling(mine, theirs, colours, tolerance=identity.POLISHED)
    if found is None:
        return None
    students = found[0]
    moved = (other @ other.T)[np.ix_(students, students)]
    if float(np.abs(moved - W @ W.T).max()) > 4.0 * identity.POLISHED:
        return None
    return students, found[1][:M]


def _coloured(W: Real, layers: Layers) -> Real:
    """Overlaps, and a column that says which second-layer weight a student has."""
    return np.concatenate([layers.seen(W), _ranks(layers.a)[:, None]], axis=1)


def _ranks(weights: Real) -> Real:
    """0, 1, 2, ... by value; lengths of teachers in them are equal but for rounding."""
    same = SAME_WEIGHT * float(np.abs(weights).max())
    return symmetry.labels_of(weights, same).astype(np.float64)


def _invariants(W: Real, loss: float, layers: Layers) -> Real:
    """Numbers that relabelling leaves alone."""
    return np.concatenate([
        [loss / layers.unit],
        np.sort((layers.a[:, None] * layers.seen(W) * layers.b).ravel()),
        np.sort((W @ W.T).ravel()),
    ])  # fmt: skip
