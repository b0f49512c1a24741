"""The teacher: its Gram matrix, checked once, and its rows in orthonormal coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from relu_landscape.engine.model import activation
from relu_landscape.errors import TeacherError

#: Below this ratio of extreme eigenvalues, overlaps R no longer fix the weights to the twelve
#: digits that identity of fixed points rests on (float64 has sixteen).
SMALLEST_CONDITION = 1e-4


@dataclass(frozen=True)
class Teacher:
    """A teacher of ``M`` units: rows ``V`` (M, M) in orthonormal coordinates of their span.

    ``V`` is the lower Cholesky factor of the Gram matrix, so ``V V^T = T``; for an orthonormal
    teacher it is the identity, and the kernels take their fast path. ``leak``: slope below zero of
    the activation, which students have as well (``activation``).
    """

    V: NDArray[np.float64]
    norms: NDArray[np.float64]
    is_orthonormal: bool
    leak: float = 0.0

    @property
    def level(self) -> float:
        """``activation.level``."""
        return activation.level(self.leak)

    @property
    def width(self) -> int:
        """Number of teacher units M."""
        return int(self.V.shape[0])

    @property
    def mean_norm(self) -> float:
        """Mean length of the units: the unit of length wherever a tolerance needs one."""
        return float(np.mean(self.norms))

    @property
    def gram(self) -> NDArray[np.float64]:
        """T = V V^T (M, M)."""
        return self.V @ self.V.T


def orthonormal_teacher(width: int, leak: float = 0.0) -> Teacher:
    """The teacher with T = I."""
    return Teacher(V=np.eye(width), norms=np.ones(width), is_orthonormal=True, leak=leak)


def as_matrix(gram: ArrayLike) -> NDArray[np.float64]:
    """The Gram matrix as an array of doubles. Raises ``TeacherError`` where it is none."""
    try:
        return np.asarray(gram, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TeacherError("teacher_gram must be a matrix of real numbers.") from error


def make_teacher(width: int, gram: ArrayLike | None = None, leak: float = 0.0) -> Teacher:
    """Check a Gram matrix and factor it.

    Parameters: ``width`` M; ``gram`` (M, M), or None for an orthonormal teacher; ``leak`` of the
    activation, -1 <= c < 1.
    Raises ``TeacherError`` where it is not a symmetric positive definite matrix of that size, or
    so near to singular that overlaps would not determine weights.
    """
    if width < 1:
        raise TeacherError(f"A teacher of {width} units computes nothing; it must have 1 at least.")
    if not -1.0 <= leak < 1.0:
        raise TeacherError(f"A leak is -1 or more and below 1, not {leak}.")
    if gram is None:
        return orthonormal_teacher(width, leak)
    T = as_matrix(gram)
    if T.shape != (width, width):
        raise TeacherError(f"teacher_gram has shape {T.shape}; it must be ({width}, {width}).")
    if not np.all(np.isfinite(T)):
        raise TeacherError("teacher_gram holds a number that is not finite.")
    if not np.allclose(T, T.T, rtol=0.0, atol=1e-12 * float(np.abs(T).max())):
        raise TeacherError("teacher_gram is not symmetric: T[i][j] must equal T[j][i].")
    T = (T + T.T) / 2
    if np.array_equal(T, np.eye(width)):
        return orthonormal_teacher(width, leak)
    eigenvalues = np.linalg.eigvalsh(T)
    if eigenvalues[0] <= SMALLEST_CONDITION * eigenvalues[-1]:
        raise TeacherError(
            "teacher_gram is singular or not positive definite: its smallest eigenvalue "
            f"{eigenvalues[0]:.3g} must exceed {SMALLEST_CONDITION:g} times its largest, "
            f"{eigenvalues[-1]:.3g}. Teacher units must be linearly independent."
        )
    V = np.asarray(np.linalg.cholesky(T), dtype=np.float64)
    return Teacher(V=V, norms=np.sqrt(np.diagonal(T)).copy(), is_orthonormal=False, leak=leak)
