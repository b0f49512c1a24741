"""The kernel's quasi-Newton against the arrays': the same points, for about the same work."""

from __future__ import annotations

import numpy as np
import pytest

from relu_landscape.engine.descent import batch, crediting, quasi_newton
from relu_landscape.engine.descent.lanes import minimiser
from relu_landscape.engine.lanes.native import Cancel, Kernel, PolishRules
from relu_landscape.engine.model.arrays import NUMPY
from relu_landscape.engine.model.loss import Loss
from relu_landscape.engine.model.teacher import Teacher
from relu_landscape.errors import Cancelled
from tests.service.engine.lanes.setups import (
    KERNELS,
    a_teacher,
    name,
    paths_from,
    rules,
    some_starts,
)
from tests.service.engine.oracles import Real

pytestmark = pytest.mark.parametrize("kernel", KERNELS, ids=name)

RULES = PolishRules(
    crediting.POLISHED_GRADIENT,
    batch.POLISH_ITERATIONS,
    crediting.LONGEST_POLISH,
    quasi_newton.BASE_CURVATURE,
)


def path_ends(kernel: Kernel, teacher: Teacher, K: int, d: int, count: int) -> Real:
    """Where paths are when their gradient is small, which is where a polish begins."""
    paths = paths_from(kernel, teacher, some_starts(K, teacher, d, count))
    kernel.flow(teacher, rules(kernel, teacher, K), paths)
    return paths.W


@pytest.mark.parametrize("is_orthonormal", [True, False], ids=["T=I", "T"])
@pytest.mark.parametrize("shape", [(4, 4, 4), (8, 8, 8), (5, 7, 20), (13, 13, 1000)])
def test_it_ends_where_the_arrays_do(
    kernel: Kernel, shape: tuple[int, int, int], is_orthonormal: bool
) -> None:
    K, M, d = shape
    teacher = a_teacher(M, is_orthonormal)
    W = path_ends(kernel, teacher, K, d, 19)
    loss = Loss.of(teacher, NUMPY)
    options = {"tolerance": 1e-11, "iterations": 80, "reach": 0.4}
    theirs = quasi_newton.minimise(loss, W, **options)  # type: ignore[arg-type]
    mine = minimiser(kernel, teacher)(loss, W, **options)
    arrived = np.asarray(theirs.gradient_norm) <= 1e-11
    assert arrived.sum() >= 15
    assert np.array_equal(np.asarray(mine.gradient_norm) <= 1e-11, arrived)
    # Twice the gradient 1e-11 over the smallest eigenvalue, which is above 1e-3 at these points.
    np.testing.assert_allclose(
        np.asarray(mine.W)[arrived], np.asarray(theirs.W)[arrived], rtol=0, atol=2e-8
    )
    gradients = np.asarray(loss.gradient(mine.W))[arrived]
    assert np.linalg.norm(gradients, axis=(1, 2)).max() <= 1.1e-11


def test_evaluations_of_a_polish(kernel: Kernel) -> None:
    """Counted: 12 on average at this width, as with arrays."""
    teacher = a_teacher(8)
    W = path_ends(kernel, teacher, 8, 8, 64)
    _, norm, evaluations = kernel.polish(teacher, RULES, W, kernel.forces(teacher, W))
    assert norm.max() <= 1e-11
    assert evaluations / 64 <= 12.5


def test_a_point_in_any_company_has_the_same_bits(kernel: Kernel) -> None:
    """Also in lanes whose last guest has left pairs, some of them not finite."""
    teacher = a_teacher(6)
    W = path_ends(kernel, teacher, 6, 9, 30)
    W[4, 1] = np.nan
    force = kernel.forces(teacher, W)
    together, norms, _ = kernel.polish(teacher, RULES, W, force)
    order = np.random.default_rng(3).permutation(30)
    for who in KERNELS:
        for members in (order, order[:7], order[-1:], np.arange(3, 30)):
            found, norm, _ = who.polish(teacher, RULES, W[members], force[members])
            assert found.tobytes() == together[members].tobytes()
            assert norm.tobytes() == norms[members].tobytes()


def test_it_stays_within_reach_and_leaves_the_finished_alone(kernel: Kernel) -> None:
    teacher = a_teacher(5)
    done, _, _ = kernel.polish(
        teacher, RULES, *with_force(kernel, teacher, path_ends(kernel, teacher, 5, 5, 1))
    )
    beside = np.repeat(done, 3, axis=0)
    beside[1:] += 1e-2 * np.random.default_rng(3).standard_normal((2, 5, 5))
    near = PolishRules(1e-11, 50, 1e-3, quasi_newton.BASE_CURVATURE)
    found, norm, _ = kernel.polish(teacher, near, *with_force(kernel, teacher, beside))
    assert np.array_equal(found[0], done[0])
    assert np.linalg.norm(found - beside, axis=(1, 2)).max() <= 1e-3
    assert norm[1:].min() > 1e-11
    one = PolishRules(1e-11, 1, 1.0, quasi_newton.BASE_CURVATURE)
    _, _, evaluations = kernel.polish(teacher, one, *with_force(kernel, teacher, beside))
    assert evaluations == 2


def with_force(kernel: Kernel, teacher: Teacher, W: Real) -> tuple[Real, Real]:
    return W, kernel.forces(teacher, W)


def test_what_it_is_given_is_not_changed(kernel: Kernel) -> None:
    teacher = a_teacher(4)
    W, force = with_force(kernel, teacher, path_ends(kernel, teacher, 4, 4, 3))
    before = W.copy(), force.copy()
    kernel.polish(teacher, RULES, W, force)
    assert np.array_equal(W, before[0])
    assert np.array_equal(force, before[1])


def test_nothing_to_do(kernel: Kernel) -> None:
    found, norm, evaluations = kernel.polish(a_teacher(3), RULES, *(np.empty((2, 0, 3, 3))))
    assert (found.shape, norm.shape, evaluations) == ((0, 3, 3), (0,), 0)


def test_it_can_be_cancelled(kernel: Kernel) -> None:
    teacher = a_teacher(4)
    cancel = Cancel()
    cancel.raise_()
    with pytest.raises(Cancelled):
        kernel.polish(
            teacher, RULES, *with_force(kernel, teacher, some_starts(4, teacher, 4, 3)),
            cancel=cancel,
        )  # fmt: skip
