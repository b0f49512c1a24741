"""Random starts in any input dimension, drawn in the reduced coordinates.

A student in dimension d starts with weights N(0, scale^2/d), so its norm is about ``scale``. The
loss and its flow depend on the part perpendicular to the teacher only through its Gram matrix, a
Wishart matrix with d - M degrees of freedom. Bartlett's decomposition (Bartlett 1933) draws its
lower triangular root directly: standard normals below the diagonal, chi_{d-M-i} on it. So
``p = M + min(K, d - M)`` coordinates carry any d exactly.

Start n of seed s comes from the Philox stream with key s and counter n in its highest word:
2^192 numbers apart, so the start depends on (s, n) alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.model.teacher import Teacher


def reduced_dimension(students: int, teachers: int, dimension: int) -> int:
    """p = M + min(K, d - M), the coordinates that carry input dimension d exactly."""
    return teachers + min(students, dimension - teachers)


def generator(seed: int, start: int) -> np.random.Generator:
    """The stream of one start: a function of (seed, start) alone."""
    return np.random.Generator(np.random.Philox(key=[seed, 0], counter=[0, 0, 0, start]))


def draw(
    indices: Sequence[int],
    *,
    seed: int,
    students: int,
    teacher: Teacher,
    dimension: int,
    scale: float = 1.0,
) -> NDArray[np.float64]:
    """Starts (B, K, p) with the given indices.

    Parameters: ``indices`` B start numbers; ``dimension`` d >= M; ``scale`` the typical norm of a
    student. The first M coordinates are orthonormal coordinates of the teacher's span.
    """
    M = teacher.width
    perpendicular = min(students, dimension - M)
    W = np.zeros((len(indices), students, M + perpendicular))
    for row, index in enumerate(indices):
        rng = generator(seed, index)
        W[row, :, :M] = rng.standard_normal((students, M))
        if dimension - M >= students:
            # Degrees of freedom d - M - i of the diagonal, i = 0 .. K-1; all are positive here.
            freedom = dimension - M - np.arange(students)
            W[row, :, M:] = np.tril(rng.standard_normal((students, students)), -1)
            W[row, np.arange(students), M + np.arange(students)] = np.sqrt(
                2.0 * rng.standard_gamma(freedom / 2.0)
            )
        else:
            W[row, :, M:] = rng.standard_normal((students, perpendicular))
    W *= scale / math.sqrt(dimension)
    return W
