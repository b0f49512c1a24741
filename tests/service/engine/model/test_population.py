"""The door of the population loss: what it refuses, and Hessians against differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from relu_landscape.engine.model import population
from relu_landscape.engine.model.teacher import Teacher, make_teacher
from relu_landscape.errors import InputError, TeacherError
from tests.service.engine import oracles
from tests.service.engine.conftest import Backend
from tests.service.engine.oracles import Real

SHAPES = [(1, 1), (3, 1), (1, 4), (2, 5), (4, 4), (5, 3), (7, 2)]


def _teacher(width: int, orthonormal: bool) -> Teacher:
    rng = np.random.default_rng([11, width])
    return make_teacher(width, None if orthonormal else oracles.gram_matrix(width, rng))


@pytest.mark.parametrize("lead", [(), (1,), (0,), (2, 3)])
def test_any_leading_axes(backend: Backend, lead: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    numbers = rng.standard_normal((*lead, 3, 5))
    W = backend.asarray(numbers)
    losses, gradients = population.loss(W, 4), population.gradient(W, 4)
    backend.check_kind(losses, W)
    backend.check_kind(gradients, W)
    assert losses.shape == lead
    assert gradients.shape == (*lead, 3, 5)
    V = np.pad(np.eye(4), ((0, 0), (0, 1)))
    for place in np.ndindex(lead):
        wanted = oracles.loss_by_loop(numbers[place], V)
        assert float(losses[place]) == pytest.approx(wanted, abs=1e-14)


@pytest.mark.parametrize("function", [population.loss, population.gradient])
def test_impossible_weights_are_refused(backend: Backend, function: Any) -> None:
    def refuse(numbers: Any, words: str) -> None:
        with pytest.raises(InputError, match=words):
            function(backend.asarray(numbers), 3)

    refuse(np.ones(3), "shape")
    refuse(np.ones((2, 2)), r"shape \(2, 2\); expected .* teacher width, 3")
    refuse(np.ones((4, 0, 3)), "K at least 1")
    refuse([[1.0, 2.0, np.nan]], "not finite")
    refuse([[1.0, 2.0, np.inf]], "not finite")
    refuse([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]], "norm zero")


@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_other_kinds_of_numbers_are_refused(backend: Backend, dtype: str) -> None:
    """Whole numbers used to end in a casting error of NumPy's, single precision in a mixture."""
    xp = backend.xp
    W = xp.astype(backend.asarray(np.eye(3)), getattr(xp, dtype))
    with pytest.raises(InputError, match=f"Weights are .*{dtype}.*; .* in float64"):
        population.loss(W, 3)


def test_impossible_teachers_are_refused_at_the_door() -> None:
    for teacher in (0, [[1.0, 1.0], [1.0, 1.0]], np.ones((2, 3))):
        with pytest.raises(TeacherError):
            population.loss(np.eye(3), teacher)


def test_hessian_refuses_what_it_cannot_use() -> None:
    with pytest.raises(InputError, match=r"expected \(K, 3\)"):
        population.hessian(np.ones((2, 4)), 3)
    with pytest.raises(InputError, match=r"expected \(K, 3\)"):
        population.hessian(np.ones((1, 2, 3)), 3)
    with pytest.raises(InputError, match="norm zero"):
        population.hessian(np.zeros((2, 3)), 3)
    with pytest.raises(InputError, match="not finite"):
        population.hessian(np.full((2, 3), np.nan), 3)


def _differences(W: Real, teacher: Teacher, perpendicular: int, h: float) -> Real:
    """Hessian (K p, K p) in p = M + ``perpendicular`` coordinates, from gradients."""
    wide = np.pad(W, ((0, 0), (0, perpendicular)))
    columns = []
    for place in range(wide.size):
        move = np.zeros_like(wide)
        move.flat[place] = h
        sides = [population.gradient(wide + s * move, teacher) for s in (1.0, -1.0)]
        columns.append((sides[0] - sides[1]).ravel() / (2 * h))
    return np.array(columns).T


@pytest.mark.parametrize("orthonormal", [True, False], ids=["T=I", "T"])
@pytest.mark.parametrize("shape", SHAPES)
def test_hessian_is_the_slope_of_the_gradient(shape: tuple[int, int], orthonormal: bool) -> None:
    """In M + 2 coordinates: H in the span, A once per perpendicular axis, nothing between."""
    K, M = shape
    teacher = _teacher(M, orthonormal)
    rng = np.random.default_rng([K, M])
    # No entry near zero: derivatives grow with the inverse length of a student.
    W = rng.choice([-1.0, 1.0], (K, M)) * rng.uniform(0.5, 1.5, (K, M))
    H, A = population.hessian(W, teacher)
    assert H.shape == (K * M, K * M)
    assert A.shape == (K, K)
    assert np.array_equal(H, H.T)
    assert np.array_equal(A, A.T)
    # Step 1e-5: rounding 1e-16 / 1e-5, truncation 1e-10 times derivatives of order one to ten.
    # With one teacher all vectors are parallel or opposed: a kink, and differences off by the step.
    atol = 2e-8 if M > 1 else 5e-5
    found = _differences(W, teacher, 2, 1e-5).reshape(K, M + 2, K, M + 2)
    np.testing.assert_allclose(found[:, :M, :, :M].reshape(H.shape), H, rtol=0, atol=atol)
    for axis in (M, M + 1):
        np.testing.assert_allclose(found[:, axis, :, axis], A, rtol=0, atol=atol)
    np.testing.assert_allclose(found[:, :M, :, M:], 0.0, atol=atol)
    np.testing.assert_allclose(found[:, M, :, M + 1], 0.0, atol=atol)


@pytest.mark.parametrize("orthonormal", [True, False], ids=["T=I", "T"])
def test_hessian_to_machine_precision(orthonormal: bool) -> None:
    teacher = _teacher(4, orthonormal)
    W = np.random.default_rng(6).standard_normal((4, 4))
    H, _ = population.hessian(W, teacher)
    # A few units in the last place of entries of order one.
    np.testing.assert_allclose(H, oracles.precise_hessian(W, teacher.V), rtol=0, atol=4e-15)


@pytest.mark.parametrize(
    ("kind", "angle", "tolerance"),
    [
        ("teacher", 1e-3, 4e-15),
        ("teacher", 1e-8, 4e-15),
        ("students", 1e-3, 1e-12),
        ("students", 1e-5, 2e-10),
        ("students", 1e-7, 2e-10),
        ("students", 1e-8, 2e-10),
        # The term that is dropped below an angle of 1e-9 is as long as the angle, over 2 pi.
        ("teacher", 5e-10, 2e-10),
        ("students", 5e-10, 4e-10),
    ],
)
def test_hessian_beside_parallel_vectors(kind: str, angle: float, tolerance: float) -> None:
    rng = np.random.default_rng(13)
    W = rng.standard_normal((3, 3))
    base = np.eye(3)[0] if kind == "teacher" else W[0] / np.linalg.norm(W[0])
    across = rng.standard_normal(3)
    across -= (across @ base) * base
    W[1] = 0.8 * (base + angle * across / np.linalg.norm(across))
    H, _ = population.hessian(W, 3)
    wanted = oracles.precise_hessian(W, np.eye(3), step="1e-18")
    np.testing.assert_allclose(H, wanted, rtol=0, atol=tolerance)


def test_hessian_at_parallel_and_antiparallel_students() -> None:
    """The limits: I/2 between parallel students, zero between antiparallel ones."""
    w = np.array([0.3, -0.4, 1.2])
    W = np.stack([w, 2.0 * w, -0.5 * w])
    H, A = population.hessian(W, 3)
    blocks = H.reshape(3, 3, 3, 3)
    np.testing.assert_allclose(blocks[0, :, 1], np.eye(3) / 2, atol=1e-15)
    np.testing.assert_allclose(blocks[0, :, 2], 0.0, atol=1e-15)
    np.testing.assert_allclose(blocks[1, :, 2], 0.0, atol=1e-15)
    np.testing.assert_allclose(A[0, 1:], [0.5, 0.0], atol=1e-15)
    # The second derivative is continuous but has a kink here: differences are off by their step.
    found = _differences(W, make_teacher(3), 1, 1e-5).reshape(3, 4, 3, 4)
    np.testing.assert_allclose(found[:, :3, :, :3].reshape(9, 9), H, rtol=0, atol=5e-5)
    np.testing.assert_allclose(found[:, 3, :, 3], A, rtol=0, atol=5e-5)


def test_hessian_at_the_teacher_itself() -> None:
    """K = M at the global minimum: smallest eigenvalue 1/4 - 1/(2 pi), whatever the width
    (Safran and Shamir 2018 print 0.09084506 for every width)."""
    for M in (2, 6, 15):
        H, _ = population.hessian(np.eye(M), M)
        smallest = np.linalg.eigvalsh(H)[0]
        assert smallest == pytest.approx(0.25 - 1.0 / (2.0 * np.pi), abs=1e-14)
