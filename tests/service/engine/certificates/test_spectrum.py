"""Proven spectra of matrices whose eigenvalues are known by construction."""

from __future__ import annotations

import numpy as np
import pytest
from flint import arb, arb_mat

from relu_landscape.engine.certificates.balls import from_doubles, precision, symmetric
from relu_landscape.engine.certificates.spectrum import (
    BallMatrix,
    Matrix,
    RoundedMatrix,
    Spectrum,
    holds,
    negative_pivots,
    prove,
    smallest_eigenvalue,
)
from tests.service.engine.certificates.points import Doubles

SIZES = [1, 2, 3, 8, 30, 70]


def _with(eigenvalues: list[float]) -> Doubles:
    """A dense matrix with these eigenvalues up to 1e-15, conjugated by Householder reflections."""
    size = len(eigenvalues)
    rng = np.random.default_rng(size)
    H = np.diag(eigenvalues)
    for _ in range(3):
        v = rng.normal(size=size)
        reflection = np.eye(size) - 2 * np.outer(v, v) / (v @ v)
        H = reflection @ H @ reflection
    return (H + H.T) / 2


def _matrix(H: Doubles, strict: bool, error: float = 0.0) -> Matrix:
    return BallMatrix(from_doubles(H)) if strict else RoundedMatrix(H, error)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_definite_matrix(size: int, strict: bool) -> None:
    H = _with([0.003 + 0.1 * k for k in range(size)])
    with precision(128):
        found = prove(_matrix(H, strict))
        assert found is not None
        assert found.index == 0
        assert 0.003 * (1 - 3e-6) < found.gap == found.lowest <= 0.003 + 1e-14
        assert holds(_matrix(H, strict), found)
        assert not holds(_matrix(H, strict), Spectrum(0, 0.003 + 1e-9, 0.003 + 1e-9))
        assert not holds(_matrix(H, strict), Spectrum(1, 0.002, -0.1))


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_indefinite_matrix(size: int, strict: bool) -> None:
    negative = (size + 2) // 3
    values = [-0.02 - 0.1 * k if k < negative else 0.05 + 0.1 * k for k in range(size)]
    H = _with(values)
    with precision(128):
        found = prove(_matrix(H, strict))
        assert found is not None
        assert found.index == negative
        assert 0.02 * (1 - 1e-5) < found.gap <= 0.02 + 1e-14
        assert min(values) * (1 + 1e-5) < found.lowest <= min(values) + 1e-14
        assert holds(_matrix(H, strict), found)
        for wrong in (
            Spectrum(found.index + 1, found.gap, found.lowest),
            Spectrum(found.index - 1, found.gap, found.lowest),
            Spectrum(found.index, 0.021, found.lowest),
            Spectrum(found.index, found.gap, min(values) + 1e-6),
        ):
            assert not holds(_matrix(H, strict), wrong)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("smallest", [0.0, 1e-17, -1e-17, 1e-13])
def test_an_eigenvalue_near_zero_is_refused(smallest: float, strict: bool) -> None:
    with precision(128):
        assert prove(_matrix(_with([smallest, 0.5, 1.0, 2.0]), strict)) is None
        assert prove(_matrix(_with([-1.0, smallest, 0.5, 2.0]), strict)) is None


def test_error_of_the_matrix_counts_against_the_claim() -> None:
    H = _with([0.01, 0.5, 1.0])
    found = prove(RoundedMatrix(H, 0.004))
    assert found is not None
    # the bound gives the error away twice: once to be safe, once to be provable
    assert 0 < found.gap <= 0.006
    assert prove(RoundedMatrix(H, 0.02)) is None
    assert prove(RoundedMatrix(_with([-0.01, 0.5, 1.0]), 0.02)) is None
    with precision(128):
        fuzzy = from_doubles(H) + arb_mat(3, 3, [symmetric(arb("0.01"))] * 9)
        assert prove(BallMatrix(fuzzy)) is None


def test_matrices_that_are_not_finite_are_refused() -> None:
    assert prove(RoundedMatrix(np.array([[np.nan]]), 0.0)) is None
    assert prove(RoundedMatrix(np.array([[1.0, np.inf], [np.inf, 1.0]]), 0.0)) is None


@pytest.mark.parametrize("size", [3, 64, 65, 120])
def test_smallest_eigenvalue_by_iteration(size: int) -> None:
    H = _with([0.003, 0.0030001, *(0.1 + 0.01 * k for k in range(size - 2))])
    assert smallest_eigenvalue(H) == pytest.approx(np.linalg.eigvalsh(H)[0], rel=1e-9)
    assert smallest_eigenvalue(H - np.eye(size)) is None


def _rows(H: Doubles) -> list[list[arb]]:
    return [[arb(x) for x in row] for row in H.tolist()]


@pytest.mark.parametrize("size", SIZES)
def test_pivots_count_eigenvalues_below_a_shift(size: int) -> None:
    values = [-1.0 + 0.13 * k for k in range(size)]
    H = _rows(_with(values))
    with precision(192):
        for shift in (-2.0, -0.9, 0.05, 100.0):
            assert negative_pivots(H, arb(shift)) == sum(v < shift for v in values)


def test_pivots_across_thirty_orders_of_magnitude() -> None:
    """Entries like those at width 10^12, where doubles carry no digit of the small eigenvalue."""
    with precision(256):
        big = arb(10) ** 30
        rows = [[big, big], [big, big + arb("1e-3")]]
        assert negative_pivots(rows, arb(0)) == 0
        assert negative_pivots(rows, arb("1e-2")) == 1


def test_an_accidental_zero_pivot_is_avoided() -> None:
    assert negative_pivots([[arb(0), arb(1)], [arb(1), arb(2)]], arb(0)) == 1


def test_a_pivot_of_unknown_sign_is_refused() -> None:
    assert negative_pivots([[arb(1), arb(1)], [arb(1), arb(1)]], arb(0)) is None
