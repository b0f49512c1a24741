"""The kernel's force against the arrays' gradient and against 40 digits."""

from __future__ import annotations

import numpy as np
import pytest

from relu_landscape.engine.lanes.native import Kernel
from relu_landscape.engine.model.arrays import NUMPY
from relu_landscape.engine.model.loss import Loss
from relu_landscape.engine.model.teacher import Teacher
from tests.service.engine import oracles
from tests.service.engine.lanes.setups import KERNELS, SHAPES, a_teacher, name, some_starts
from tests.service.engine.oracles import Real

pytestmark = pytest.mark.parametrize("kernel", KERNELS, ids=name)

ORTHONORMAL = pytest.mark.parametrize("is_orthonormal", [True, False], ids=["T=I", "T"])


def rounding(W: Real, teacher: Teacher) -> float:
    """What an entry of the force may be off: half a unit in the last place of each of its terms,
    one for each student and teacher, which are as long as the longest of them at most."""
    longest = max(np.linalg.norm(W, axis=-1).max(), teacher.norms.max())
    return float(np.finfo(float).eps / 2 * longest * (W.shape[1] + teacher.width))


@ORTHONORMAL
@pytest.mark.parametrize("shape", [*SHAPES, (17, 17, 1000), (40, 40, 1000)])
@pytest.mark.parametrize("count", [1, 3, 17])
def test_it_is_the_gradient_of_the_arrays(
    kernel: Kernel, shape: tuple[int, int, int], count: int, is_orthonormal: bool
) -> None:
    K, M, d = shape
    teacher = a_teacher(M, is_orthonormal)
    W = some_starts(K, teacher, d, count)
    wanted = -np.asarray(Loss.of(teacher, NUMPY).gradient(W))
    found = kernel.forces(teacher, W)
    assert found.shape == W.shape
    np.testing.assert_allclose(found, wanted, rtol=0, atol=rounding(W, teacher))


@ORTHONORMAL
@pytest.mark.parametrize("shape", [*SHAPES, (17, 17, 17)])
def test_it_is_the_gradient_in_40_digits(
    kernel: Kernel, shape: tuple[int, int, int], is_orthonormal: bool
) -> None:
    K, M, d = shape
    teacher = a_teacher(M, is_orthonormal)
    W = some_starts(K, teacher, d, 2)
    V = np.pad(teacher.V, ((0, 0), (0, W.shape[-1] - M)))
    for found, point in zip(kernel.forces(teacher, W), W, strict=True):
        wanted = -oracles.precise_gradient(point, V)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=rounding(W, teacher))


@ORTHONORMAL
@pytest.mark.parametrize("angle", [0.0, 1e-14, 1e-8, 1e-4, 1e-2, np.pi - 1e-8, np.pi])
def test_it_is_accurate_beside_parallel_vectors(
    kernel: Kernel, angle: float, is_orthonormal: bool
) -> None:
    """An angle t known to 1e-16/t costs 1e-16: its error meets a vector of length t."""
    teacher = a_teacher(5, is_orthonormal)
    W = some_starts(4, teacher, 6, 1)
    p = W.shape[-1]
    V = np.pad(teacher.V, ((0, 0), (0, p - 5)))
    across = np.zeros(p)
    across[5] = 1.0
    unit = V[2] / np.linalg.norm(V[2])
    W[0, 0] = 0.7 * (np.cos(angle) * unit + np.sin(angle) * across)  # beside a teacher
    W[0, 1] = 1.3 * (np.cos(angle) * W[0, 0] + np.sin(angle) * 0.7 * W[0, 2])  # beside a student
    found = kernel.forces(teacher, W)[0]
    wanted = -oracles.precise_gradient(W[0], V)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=rounding(W, teacher))


def test_no_starts(kernel: Kernel) -> None:
    assert kernel.forces(a_teacher(3), np.empty((0, 2, 3))).shape == (0, 2, 3)


def test_a_student_of_norm_zero_has_no_force_and_its_neighbours_have_theirs(kernel: Kernel) -> None:
    teacher = a_teacher(3)
    W = some_starts(2, teacher, 3, 5)
    wanted = kernel.forces(teacher, W)
    W[1, 0] = 0.0
    found = kernel.forces(teacher, W)
    assert np.isnan(found[1]).all()
    others = [0, 2, 3, 4]
    assert np.array_equal(found[others], wanted[others])


def test_numbers_that_are_not_finite_stay_so(kernel: Kernel) -> None:
    teacher = a_teacher(3)
    W = some_starts(2, teacher, 3, 4)
    W[0, 0, 1] = np.nan
    W[1, 0] = 1e200  # its square is infinite
    found = kernel.forces(teacher, W)
    assert not np.isfinite(found[:2]).all(axis=(1, 2)).any()
    assert np.isfinite(found[2:]).all()


def test_the_widest_that_can_be_asked(kernel: Kernel) -> None:
    """512 units: against 40 digits in a few entries would take minutes; against the arrays, all."""
    teacher = a_teacher(512)
    W = some_starts(512, teacher, 512, 1)
    wanted = -np.asarray(Loss.of(teacher, NUMPY).gradient(W))
    bound = rounding(W, teacher)
    np.testing.assert_allclose(kernel.forces(teacher, W), wanted, rtol=0, atol=bound)
