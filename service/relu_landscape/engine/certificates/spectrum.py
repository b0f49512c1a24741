r"""Proofs about the eigenvalues of one symmetric matrix: how many are negative, and how far from 0.

Floating-point eigenvalues are no bounds; they only suggest numbers, which are then proven:

- *definite*: if the Cholesky factorisation of ``H - s I`` in doubles runs to its end, then
  ``lambda_min(H) >= s - 4 (N + 3) u trace(H)`` (Rump 2006 after Demmel; the classical constant is
  ``N + 2``, the rest covers the rounding of the shift, the trace and the diagonal); or, in balls,
  ``lambda_min(H) >= s - |H - s I - R R^T|_F`` whatever R is.
- *indefinite*: with X the eigenvectors in doubles, ``C = X^T H X``, ``D = diag C``,
  ``delta = |C - D|_F`` and ``pi = |X^T X - I|_F``: if ``min |D| > delta`` the index is the number
  of negative ``D`` (Sylvester and Weyl) and no eigenvalue of H lies within
  ``(min |D| - delta) / (1 + pi)`` of zero (Ostrowski).
- *pivots* (``negative_pivots``): the signs of an interval L D L^T factorisation, for small matrices
  whose entries span many orders of magnitude.

A matrix with an eigenvalue too near zero has no spectrum here: ``None``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from flint import arb, arb_mat
from scipy.linalg import cho_solve, cholesky, eigh

from relu_landscape.engine.certificates.balls import (
    Doubles,
    above,
    from_doubles,
    norm,
    to_doubles,
)
from relu_landscape.engine.certificates.hessian import UNIT

#: How far below the floating-point eigenvalue the proven bound is sought, relative and absolute:
#: wide enough that another machine's rounding proves the same bound, too small to matter.
RELATIVE_MARGIN = 1e-6
ABSOLUTE_MARGIN = 1e-9
#: If that fails (eigenvalues known to few digits), weaker bounds are tried, then none.
FALLBACKS = (1.0, 0.999, 0.9, 0.5)


@dataclass(frozen=True)
class Spectrum:
    """``index`` negative eigenvalues, none within ``gap`` of zero, none below ``lowest``."""

    index: int
    gap: float
    lowest: float


class Matrix(Protocol):
    """A symmetric matrix about which bounds can be proven."""

    @property
    def doubles(self) -> Doubles:
        """Approximation in doubles, (N, N)."""
        ...

    def is_definite(self, bound: float) -> bool:
        """Whether ``lambda_min >= bound > 0`` was proven."""
        ...

    def inertia(self) -> Spectrum | None:
        """Proven index and gap of an indefinite matrix, ``None`` if an eigenvalue is too near 0."""
        ...


def _slack(matrix: Doubles, error: float) -> float:
    """What the Cholesky factorisation of a matrix in doubles cannot see."""
    return 4.0 * (len(matrix) + 3) * UNIT * float(np.trace(matrix)) + error


def _factor(matrix: Doubles, shift: float) -> Doubles | None:
    """Lower Cholesky factor of ``matrix - shift I`` in doubles, ``None`` if it breaks down."""
    shifted = matrix.copy()
    np.fill_diagonal(shifted, shifted.diagonal() - shift)
    try:
        factor: Doubles = np.asarray(np.linalg.cholesky(shifted), dtype=np.float64)
    except np.linalg.LinAlgError:
        return None
    return factor if bool(np.isfinite(factor).all()) else None


@dataclass(frozen=True)
class RoundedMatrix:
    """A matrix known as doubles, (N, N), with a spectral ``error`` (the fast mode)."""

    doubles: Doubles
    error: float

    def is_definite(self, bound: float) -> bool:
        """Rump's criterion."""
        shift = bound + _slack(self.doubles, self.error)
        return bound > 0 and _factor(self.doubles, shift) is not None

    def inertia(self) -> Spectrum | None:
        """Sylvester, Weyl and Ostrowski, with the rounding of both products bounded.

        A product of N x N matrices errs by at most ``1.01 N u`` times the product of the absolute
        values, whose Frobenius norm is at most the product of the Frobenius norms.
        """
        H = self.doubles
        N = len(H)
        _, X = np.linalg.eigh(H)
        C = X.T @ (H @ X)
        P = X.T @ X
        size = float(np.linalg.norm(X)) ** 2
        rounding = 1.01 * N * UNIT * size
        D = C.diagonal()
        pi = float(np.linalg.norm(P - np.eye(N))) + rounding
        delta = float(np.linalg.norm(C - np.diag(D)))
        delta += 2.1 * rounding * float(np.linalg.norm(H)) + self.error * (1 + pi)
        # 1e-9: rounding of the norms themselves, at most N^2 u relative
        return _inertia(D, delta * (1 + 1e-9), pi * (1 + 1e-9))


@dataclass(frozen=True)
class BallMatrix:
    """A matrix known as balls, (N, N) (the strict mode)."""

    balls: arb_mat

    @cached_property
    def doubles(self) -> Doubles:
        """The midpoints."""
        return to_doubles(self.balls)

    def is_definite(self, bound: float) -> bool:
        """``lambda_min(H) >= s - |H - s I - R R^T|_F``, evaluated in balls."""
        doubles = self.doubles
        shift = bound + _slack(doubles, 0.0)
        factor = _factor(doubles, shift) if bound > 0 else None
        if factor is None:
            return False
        exact = from_doubles(factor)
        remainder = self.balls - exact * exact.transpose()
        for k in range(remainder.nrows()):
            remainder[k, k] = remainder[k, k] - arb(shift)
        return bool(arb(shift) - norm(remainder.entries()) > arb(bound))

    def inertia(self) -> Spectrum | None:
        """Sylvester, Weyl and Ostrowski in balls."""
        _, vectors = np.linalg.eigh(self.doubles)
        X = from_doubles(vectors)
        C = X.transpose() * self.balls * X
        P = X.transpose() * X
        diagonal = [C[k, k] for k in range(C.nrows())]
        D = np.array([float(x.mid()) for x in diagonal])
        for k, value in enumerate(D):
            C[k, k] = C[k, k] - arb(float(value))
            P[k, k] = P[k, k] - 1
        return _inertia(D, above(norm(C.entries())), above(norm(P.entries())))


def _inertia(D: Doubles, delta: float, pi: float) -> Spectrum | None:
    """Index and gap of H from ``X^T H X = diag D + E``, ``|E|_2 <= delta``."""
    nearest = float(np.abs(D).min())
    if not (nearest > delta and pi < 0.5):
        return None
    exact = 1 - 1e-12  # the roundings of the next two lines
    gap = exact * (nearest - delta) / (1 + pi)
    low = float(D.min()) - delta
    lowest = low / (1 - pi) / exact if low < 0 else gap
    return Spectrum(int((D < 0).sum()), gap, lowest)


def smallest_eigenvalue(matrix: Doubles) -> float | None:
    """Floating-point smallest eigenvalue of a definite matrix, ``None`` if it is not definite."""
    from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh  # heavy, and seldom needed

    size = len(matrix)
    try:
        factor = cholesky(matrix, lower=True, check_finite=True)
    except (np.linalg.LinAlgError, ValueError):
        return None
    if size <= 64:  # below this a full decomposition costs less than setting up the iteration
        return float(eigh(matrix, eigvals_only=True)[0])
    inverse = LinearOperator(
        (size, size),
        matvec=lambda v: cho_solve((factor, True), v, check_finite=False),
        dtype=np.float64,
    )
    start = np.random.default_rng(0).normal(size=size)
    try:
        largest = eigsh(inverse, k=1, v0=start, return_eigenvectors=False, tol=1e-9)
    except ArpackError:
        return float(eigh(matrix, eigvals_only=True, subset_by_index=[0, 0])[0])
    return float(1.0 / largest[0])


def prove(matrix: Matrix) -> Spectrum | None:
    """Index, gap and lowest eigenvalue with proof; ``None`` if an eigenvalue is too near zero."""
    doubles = matrix.doubles
    if not np.isfinite(doubles).all():
        return None
    smallest = smallest_eigenvalue(doubles)
    if smallest is None:
        found = matrix.inertia()
        if found is None or found.index == 0:
            return None
        gap = found.gap * (1 - RELATIVE_MARGIN) - ABSOLUTE_MARGIN
        lowest = found.lowest * (1 + RELATIVE_MARGIN) - ABSOLUTE_MARGIN
        return Spectrum(found.index, gap, lowest) if gap > 0 else None
    error = matrix.error if isinstance(matrix, RoundedMatrix) else 0.0
    for fallback in FALLBACKS:
        bound = fallback * smallest * (1 - RELATIVE_MARGIN) - ABSOLUTE_MARGIN
        bound -= 2 * _slack(doubles, error)
        if matrix.is_definite(bound):
            return Spectrum(0, bound, bound)
    return None


def holds(matrix: Matrix, claim: Spectrum) -> bool:
    """Whether the claim can be proven here and now."""
    if claim.index == 0:
        return 0 < claim.lowest <= claim.gap and matrix.is_definite(claim.gap)
    found = matrix.inertia()
    return (
        found is not None
        and found.index == claim.index
        and 0 < claim.gap <= found.gap
        and claim.lowest <= found.lowest
    )


def negative_pivots(matrix: list[list[arb]], shift: arb) -> int | None:
    """Number of eigenvalues below ``shift``, from the signs of the pivots of L D L^T.

    ``matrix``: N rows of balls, symmetric. ``None`` if a pivot's sign is unknown, both in the given
    order and with the largest diagonal entries first (an indefinite matrix may have a small pivot
    by accident).
    """
    size = len(matrix)
    largest_first = sorted(range(size), key=lambda k: -abs(float((matrix[k][k] - shift).mid())))
    for order in (range(size), largest_first):
        found = _pivots([[matrix[i][j] for j in order] for i in order], shift)
        if found is not None:
            return found
    return None


def _pivots(rows: list[list[arb]], shift: arb) -> int | None:
    """The same in the given order; overwrites the lower triangle of ``rows``."""
    size = len(rows)
    for k in range(size):
        rows[k][k] = rows[k][k] - shift
    negative = 0
    for k in range(size):
        pivot = rows[k][k]
        if pivot < 0:
            negative += 1
        elif not pivot > 0:
            return None
        for i in range(k + 1, size):
            factor = rows[i][k] / pivot
            for j in range(k + 1, i + 1):
                rows[i][j] = rows[i][j] - factor * rows[j][k]
    return negative
