"""The closed-form family of orthonormal students, against the full Hessian and the loss."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

from relu_landscape.engine.certificates.balls import precision
from relu_landscape.engine.descents import ending, uniform
from relu_landscape.engine.descents.layers import Layers
from relu_landscape.engine.descents.rules import Orthonormalised

#: (M, k): those that are proved, and others on both sides of the threshold.
PROVED = [(6, 6), (8, 8), (12, 12), (17, 8), (17, 17), (7, 6), (8, 6)]
OTHERS = [(5, 5), (9, 3), (5, 4)]


@pytest.mark.parametrize(("teachers", "k"), [*PROVED, *OTHERS])
def test_its_blocks_are_the_whole_spectrum(teachers: int, k: int) -> None:
    rule = Orthonormalised(Layers.plain(teachers, teachers))
    end = ending.spectrum_at(rule, uniform.point(teachers, k), 1000)
    with precision(uniform.BITS):
        found = [
            np.sort([
                value
                for block in blocks
                for value in block.eigenvalues
                for _ in range(block.multiplicity)
            ])
            for blocks in uniform.blocks(teachers, k)
        ]  # fmt: skip
    assert len(end.span) == teachers * (teachers - 1) // 2
    assert found[0] == pytest.approx(end.span, abs=1e-14)
    assert found[1] == pytest.approx(end.beside, abs=1e-14)
    assert end.gradient_norm < 1e-15
    assert end.loss == pytest.approx(uniform.loss(k), abs=1e-14)


@pytest.mark.parametrize(("teachers", "k"), PROVED)
def test_it_is_a_strict_minimum_by_proof(teachers: int, k: int) -> None:
    assert uniform.is_proved_minimum(teachers, k, has_beside=True)
    assert uniform.is_proved_minimum(teachers, k, has_beside=False)


@pytest.mark.parametrize(("teachers", "k"), OTHERS)
def test_what_is_no_minimum_is_not_proved_to_be_one(teachers: int, k: int) -> None:
    assert not uniform.is_proved_minimum(teachers, k, has_beside=True)
    rule = Orthonormalised(Layers.plain(teachers, teachers))
    end = ending.spectrum_at(rule, uniform.point(teachers, k), 1000)
    assert end.span[0] == pytest.approx(uniform.deciding_eigenvalue(k), abs=1e-14)
    assert end.span[0] < 0.0


def test_the_sign_changes_at_one_width() -> None:
    threshold = brentq(uniform.deciding_eigenvalue, 5.0, 7.0, xtol=1e-12)
    assert threshold == pytest.approx(5.7721215178, abs=1e-9)
    widths = np.linspace(5.78, 2000.0, 4000)
    assert min(uniform.deciding_eigenvalue(k) for k in widths) > 0.0


def test_losses_are_the_known_ones_and_their_limit() -> None:
    assert [uniform.loss(k) for k in (6, 8, 17)] == pytest.approx(
        [0.0558779, 0.0679918, 0.0965146], abs=5e-8
    )
    assert uniform.loss(2) == pytest.approx(0.0, abs=1e-15)
    # From below, by a multiple of k^(-1/2): rounding is 1e-16 k, the next term 1 / k.
    near, nearer = (0.5 - 1.0 / np.pi - uniform.loss(k) for k in (10**6, 10**8))
    assert 0.0 < nearer < 1e-3
    assert near / nearer == pytest.approx(10.0, rel=1e-2)


@pytest.mark.parametrize(("teachers", "k"), [*PROVED, *OTHERS])
def test_it_is_recognised_however_it_is_labelled(teachers: int, k: int) -> None:
    rng = np.random.default_rng(k)
    rows, columns = rng.permutation(teachers), rng.permutation(teachers)
    R = uniform.point(teachers, k)[np.ix_(rows, columns)]
    assert uniform.recognised(R) == k
    assert uniform.recognised(R + 1e-4 * rng.normal(size=R.shape)) is None


def test_what_is_not_of_the_family_is_not_recognised() -> None:
    assert uniform.recognised(np.eye(6)) is None
    assert uniform.recognised(np.eye(5, 6)) is None
    two = np.eye(12)
    two[:6, :6] = two[6:, 6:] = uniform.point(6, 6)
    assert uniform.recognised(two) is None
    with pytest.raises(ValueError, match="k is 2"):
        uniform.blocks(6, 2)
