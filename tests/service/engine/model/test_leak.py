"""Units that leak: loss, gradient and Hessian against sampling and plain sums over pairs."""

from __future__ import annotations

import numpy as np
import pytest

from relu_landscape.engine.model import activation, kernel, population
from relu_landscape.engine.model.arrays import NUMPY
from relu_landscape.engine.model.stiff import ImplicitPart
from relu_landscape.engine.model.teacher import Teacher, make_teacher
from relu_landscape.errors import TeacherError
from tests.service.engine import leaky, oracles
from tests.service.engine.lanes.setups import KERNELS
from tests.service.engine.oracles import Real

LEAKS = (-1.0, -0.5, 0.1, 0.5, 0.9)
SHAPES = ((4, 3, 3), (2, 3, 5), (3, 1, 2))


def _network(shape: tuple[int, int, int], leak: float, gram: bool) -> tuple[Real, Teacher, Real]:
    """Students (K, p), the teacher and its rows (M, p)."""
    K, M, p = shape
    rng = np.random.default_rng([K, M, p])
    teacher = make_teacher(M, oracles.gram_matrix(M, rng) if gram else None, leak)
    V = np.zeros((M, p))
    V[:, :M] = teacher.V
    return rng.standard_normal((K, p)), teacher, V


@pytest.mark.parametrize("leak", LEAKS)
def test_the_loss_is_that_of_sampled_inputs(leak: float) -> None:
    W, teacher, V = _network((4, 3, 4), leak, gram=True)
    mean, error = leaky.sampled(W, V, leak, 400_000, seed=1)
    assert mean > 20.0 * error  # enough samples to see something
    found = float(population.loss(W, teacher)) * activation.height(leak)
    assert abs(found - mean) < 4.0 * error
    assert abs(float(leaky.loss(W, V, leak)) - mean) < 4.0 * error


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("gram", [False, True])
def test_loss_and_gradient_are_plain_sums_over_pairs(
    leak: float, shape: tuple[int, int, int], gram: bool
) -> None:
    W, teacher, V = _network(shape, leak, gram)
    height = activation.height(leak)
    size = float(np.sum(W * W) + np.sum(V * V)) * len(W)  # no term is larger
    found = float(population.loss(W, teacher)) * height
    assert found == pytest.approx(float(leaky.loss(W, V, leak)), abs=1e-14 * size)
    slope = np.asarray(population.gradient(W, teacher)) * height
    # arccosines of the plain sums keep half of the digits near parallel vectors; none are here
    np.testing.assert_allclose(slope, leaky.gradient(W, V, leak), rtol=0.0, atol=1e-14 * size)


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("gram", [False, True])
def test_the_hessian_is_that_of_the_plain_gradient(leak: float, gram: bool) -> None:
    """In the span, and beside it: in one dimension more, A stands in the last coordinates."""
    K, M = 4, 3
    W, teacher, V = _network((K, M, M), leak, gram)
    H, A = (block * activation.height(leak) for block in population.hessian(W, teacher))
    wider = np.hstack([W, np.zeros((K, 1))])
    whole = leaky.hessian(wider, np.hstack([V, np.zeros((M, 1))]), leak)
    blocks = whole.reshape(K, M + 1, K, M + 1)
    size = float(np.abs(H).max())
    span = blocks[:, :M, :, :M].reshape(K * M, K * M)
    np.testing.assert_allclose(H, span, rtol=0.0, atol=1e-8 * size)
    np.testing.assert_allclose(A, blocks[:, M, :, M], rtol=0.0, atol=1e-8 * size)


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("gram", [False, True])
def test_the_native_kernel_has_the_forces_of_arrays(
    leak: float, shape: tuple[int, int, int], gram: bool
) -> None:
    W, teacher, _ = _network(shape, leak, gram)
    wanted = -np.asarray(population.gradient(W, teacher))
    size = float(np.abs(W).max() * len(W)) * activation.stiffness(leak)
    for each in KERNELS:
        found = each.forces(teacher, W[None])[0]
        np.testing.assert_allclose(found, wanted, rtol=0.0, atol=4e-15 * size)
        rough = each.forces(teacher, W[None], single=True)[0]
        np.testing.assert_allclose(rough, wanted, rtol=0.0, atol=4e-7 * size)


@pytest.mark.parametrize("leak", LEAKS)
def test_the_stiff_part_is_solved_with_the_leak(leak: float) -> None:
    """(I + theta (level 1 1^T (x) I + u u^T / (2 pi))) x = b, written out."""
    W, _, _ = _network((4, 3, 3), leak, gram=False)
    K, p = W.shape
    theta = 0.7
    u = (W / np.linalg.norm(W, axis=1)[:, None]).ravel()
    A = activation.level(leak) * np.kron(np.ones((K, K)), np.eye(p)) + np.outer(u, u) / (2 * np.pi)
    b = np.random.default_rng(2).standard_normal((1, K, p))
    part = ImplicitPart(W[None], np.array([theta]), xp=NUMPY, level=activation.level(leak))
    wanted = np.linalg.solve(np.eye(K * p) + theta * A, b.ravel())
    np.testing.assert_allclose(np.asarray(part.solve(b)).ravel(), wanted, rtol=0.0, atol=1e-13)


def test_without_a_leak_all_is_that_of_relu_to_the_bit() -> None:
    """The weights of the split form are exactly those that ReLU has: ids and digests stay."""
    assert activation.level(0.0) == kernel.QUARTER == 0.25
    assert activation.tilt(0.0) == 0.0
    assert activation.height(0.0) == activation.lone(0.0) == activation.stiffness(0.0) == 1.0


@pytest.mark.parametrize("leak", LEAKS)
def test_level_and_tilt_belong_together(leak: float) -> None:
    tilt = activation.tilt(leak)
    assert activation.level(leak) - 0.25 == pytest.approx(tilt, rel=1e-14, abs=1e-15)
    assert activation.level(leak) >= 0.0  # whatever the sign of the leak
    assert activation.lone(leak) == pytest.approx(1.0 + 2.0 * activation.tilt(leak), rel=1e-14)


@pytest.mark.parametrize("leak", [-1.0001, 1.0, float("nan")])
def test_an_impossible_leak_is_refused(leak: float) -> None:
    with pytest.raises(TeacherError, match="leak"):
        make_teacher(3, None, leak)
