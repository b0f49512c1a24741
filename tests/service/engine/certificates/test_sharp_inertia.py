"""The claim about an indefinite matrix is sharp: matrices that meet it with equality exist."""

from __future__ import annotations

import numpy as np
import pytest
from flint import arb_mat
from scipy.sparse.linalg import ArpackError

from relu_landscape.engine.certificates import spectrum
from relu_landscape.engine.certificates.spectrum import (
    BallMatrix,
    RoundedMatrix,
    Spectrum,
    holds,
    prove,
)

#: Eigenvalues of the diagonal D; the nearest to zero is 1, the lowest -3.
D = np.array([-3.0, -1.0, 2.0, 5.0])


@pytest.mark.parametrize("delta", [0.0, 0.25, 0.999])
@pytest.mark.parametrize("pi", [0.0, 0.1, 0.499])
def test_no_larger_gap_and_no_higher_lowest_eigenvalue_could_be_claimed(
    delta: float, pi: float
) -> None:
    """X^T H X = D + E with |X^T X - I| = pi, |E| = delta: take X and E multiples of I.

    X = sqrt(1 + pi) I and an E that moves the eigenvalue nearest to zero towards it put one at
    the stated gap; X = sqrt(1 - pi) I and an E that moves the lowest one down put it at the stated
    lowest. Whatever is claimed beyond is false of one of the two.
    """
    claim = spectrum._inertia(D, delta, pi)
    assert claim is not None
    towards_zero = (D + delta * np.array([0, 1, 0, 0])) / (1 + pi)
    downwards = (D - delta * np.array([1, 0, 0, 0])) / (1 - pi)
    assert claim.index == 2
    # 1e-12 is given away for rounding, no more.
    assert claim.gap <= np.abs(towards_zero).min() == pytest.approx(claim.gap, rel=2e-12)
    assert claim.lowest <= downwards.min() == pytest.approx(claim.lowest, rel=2e-12)


@pytest.mark.parametrize(("delta", "pi"), [(1.0, 0.0), (1.5, 0.0), (0.0, 0.5), (0.0, 0.7)])
def test_nothing_is_claimed_where_a_sign_is_unknown(delta: float, pi: float) -> None:
    """With |E| = 1 the eigenvalue -1 may be 0; with |X^T X - I| = 1/2 the bounds are no use."""
    assert spectrum._inertia(D, delta, pi) is None


def _matrix(values: list[float], seed: int = 3) -> np.ndarray:
    frame = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values),) * 2))[0]
    matrix = (frame * np.array(values)) @ frame.T
    return np.asarray((matrix + matrix.T) / 2)


@pytest.mark.parametrize("values", [[-2.0, -0.5, 1.0, 4.0], [0.5, 1.0, 2.0, 4.0]])
def test_an_error_of_the_matrix_may_have_gone_the_wrong_way(values: list[float]) -> None:
    """Known to 0.1 only, every eigenvalue may be 0.1 elsewhere: so much less is claimed."""
    H = _matrix(values)
    claim = prove(RoundedMatrix(H, 0.1))
    exact = prove(RoundedMatrix(H, 0.0))
    assert claim is not None
    assert exact is not None
    # Of a definite matrix twice the error is given away, once to find and once to prove the bound.
    twice = 2 if exact.index == 0 else 1
    assert claim.gap == pytest.approx(0.5 - twice * 0.1, abs=2e-6)
    assert exact.gap == pytest.approx(0.5, abs=2e-6)
    # Both true matrices that differ from H by 0.1 I obey it.
    for shift in (0.1, -0.1):
        eigenvalues = np.linalg.eigvalsh(H + shift * np.eye(4))
        assert int(np.sum(eigenvalues < 0)) == claim.index
        assert np.abs(eigenvalues).min() >= claim.gap
        assert eigenvalues[0] >= claim.lowest


@pytest.mark.parametrize("strict", [False, True])
def test_a_claim_holds_exactly_where_it_is_weaker_than_what_is_proven(strict: bool) -> None:
    """Of another index, of a wider gap, of a higher lowest eigenvalue: refused, one by one."""
    H = _matrix([-2.0, -0.5, 1.0, 4.0])
    matrix = BallMatrix(arb_mat(H.tolist())) if strict else RoundedMatrix(H, 0.0)
    assert holds(matrix, Spectrum(2, 0.49, -2.01))
    assert not holds(matrix, Spectrum(1, 0.49, -2.01))
    assert not holds(matrix, Spectrum(3, 0.49, -2.01))
    assert not holds(matrix, Spectrum(2, 0.51, -2.01))
    assert not holds(matrix, Spectrum(2, 0.49, -1.99))
    for nothing in (0.0, -0.1):
        assert not holds(matrix, Spectrum(2, nothing, -2.01))
    H = _matrix([0.5, 1.0, 2.0, 4.0])
    matrix = BallMatrix(arb_mat(H.tolist())) if strict else RoundedMatrix(H, 0.0)
    assert holds(matrix, Spectrum(0, 0.49, 0.49))
    assert holds(matrix, Spectrum(0, 0.49, 0.2))
    assert not holds(matrix, Spectrum(0, 0.51, 0.49))
    assert not holds(matrix, Spectrum(0, 0.4, 0.49))  # the lowest cannot be above the gap
    for nothing in (0.0, -0.1):
        assert not holds(matrix, Spectrum(0, 0.49, nothing))
    assert not holds(matrix, Spectrum(1, 0.49, -0.1))


def test_what_is_proven_holds_as_it_was_proven() -> None:
    """A claim need not be weaker than the proof: on the same machine the two are equal."""
    matrix = RoundedMatrix(_matrix([-2.0, -0.5, 1.0, 4.0]), 0.0)
    proven = matrix.inertia()
    assert proven is not None
    assert holds(matrix, proven)


@pytest.mark.parametrize(("bound", "definite"), [(0.39, True), (0.41, False), (0.0, False)])
def test_a_definite_matrix_is_one_after_its_error_is_taken_off(
    bound: float, definite: bool
) -> None:
    """Eigenvalues from 0.5, known to 0.1: no bound above 0.4 is proven, and zero is no bound."""
    assert RoundedMatrix(_matrix([0.5, 1.0, 2.0, 4.0]), 0.1).is_definite(bound) == definite


def test_where_the_iteration_fails_the_whole_decomposition_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ArpackError(-9)

    monkeypatch.setattr("scipy.sparse.linalg.eigsh", fails)
    found = spectrum.smallest_eigenvalue(_matrix(np.linspace(0.25, 3.0, 70).tolist()))
    assert found == pytest.approx(0.25, rel=1e-12)
