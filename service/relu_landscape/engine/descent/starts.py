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


class _Streams:
    """The streams of one seed, one after the other: ``generator``, for a fifth of its price."""

    def __init__(self, seed: int, stream: int) -> None:
        self._bits = np.random.Philox(key=[seed, stream])
        self._generator = np.random.Generator(self._bits)
        self._state = self._bits.state

    def at(self, start: int) -> np.random.Generator:
        """The stream of this start, from its beginning; it ends the one before."""
        self._state["state"]["counter"][:] = (0, 0, 0, start)
        self._bits.state = self._state
        return self._generator


def draw(
    indices: Sequence[int],
    *,
    seed: int,
    students: int,
    teacher: Teacher,
    dimension: int,
    scale: float = 1.0,
    stream: int = 0,
) -> NDArray[np.float64]:
    """Starts (B, K, p) with the given indices.

    Parameters: ``indices`` B start numbers; ``dimension`` d >= M; ``scale`` the typical norm of a
    student; ``stream`` other than 0 for what is drawn alike but is no start. The first M
    coordinates are orthonormal coordinates of the teacher's span.
    """
    M = teacher.width
    perpendicular = min(students, dimension - M)
    is_root = 0 < students <= dimension - M  # of a Wishart matrix
    # Degrees of freedom d - M - i of its diagonal, i = 0 .. K-1; all are positive.
    shape = (dimension - M - np.arange(students)) / 2.0
    normals = np.empty((len(indices), students * (M + perpendicular)))
    gammas = np.empty((len(indices), students))
    streams = _Streams(seed, stream)
    for row, index in enumerate(indices):
        rng = streams.at(index)
        rng.standard_normal(out=normals[row])
        if is_root:
            rng.standard_gamma(shape, out=gammas[row])
    W = np.empty((len(indices), students, M + perpendicular))
    in_span, beside = np.split(normals, [students * M], axis=1)
    W[..., :M] = in_span.reshape(len(indices), students, M)
    W[..., M:] = beside.reshape(len(indices), students, perpendicular)
    if is_root:
        diagonal = np.arange(students)
        W[..., M:] = np.tril(W[..., M:], -1)
        W[:, diagonal, M + diagonal] = np.sqrt(2.0 * gammas)
    W *= scale / math.sqrt(dimension)
    return W
