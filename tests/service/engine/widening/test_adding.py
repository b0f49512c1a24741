"""D, its derivatives and the identity at critical points, against sampling and 40 digits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from relu_landscape.engine.model.teacher import Teacher, make_teacher
from relu_landscape.engine.widening.adding import Error, guaranteed, residual, teachers_seen
from relu_landscape.errors import InputError
from tests.service.engine import known
from tests.service.engine.oracles import (
    Real,
    gram_matrix,
    loss_by_sampling,
    precise_gradient,
    precise_loss,
)


def _network(K: int, p: int, M: int, seed: int) -> tuple[Real, Teacher, Real]:
    """Random students in p dimensions, and a teacher of M units: with and without their rows."""
    rng = np.random.default_rng(seed)
    teacher = make_teacher(M, gram_matrix(M, rng))
    V = np.zeros((M, p))
    V[:, :M] = teacher.V
    return rng.standard_normal((K, p)), teacher, V


def _directions(p: int, seed: int, count: int = 5) -> Real:
    u = np.random.default_rng(seed).standard_normal((count, p))
    return np.asarray(u / np.linalg.norm(u, axis=1)[:, None])


@pytest.mark.parametrize(("K", "p", "M"), [(2, 2, 2), (3, 5, 3), (1, 4, 4), (6, 3, 2)])
def test_a_student_changes_the_loss_by_what_it_sees_of_the_error(K: int, p: int, M: int) -> None:
    W, teacher, V = _network(K, p, M, seed=K)
    before = precise_loss(W, V)
    for u in _directions(p, seed=p):
        value = float(Error.of(W, teacher).value(u[None])[0])
        for rho in (0.3, -2.0 * value if value < 0.0 else 2.0):
            change = float(precise_loss(np.vstack([W, rho * u]), V) - before)
            assert change == pytest.approx(rho * value + rho**2 / 4.0, abs=1e-14)
            if rho == -2.0 * value:
                assert change == pytest.approx(-(value**2), abs=1e-14)


def test_sampled_inputs_see_the_same() -> None:
    W, teacher, V = _network(3, 4, 3, seed=5)
    u = _directions(4, seed=6, count=1)
    rng = np.random.default_rng(7)
    x = rng.standard_normal((1_000_000, 4))
    error = np.maximum(x @ W.T, 0.0).sum(axis=1) - np.maximum(x @ V.T, 0.0).sum(axis=1)
    product = error * np.maximum(x @ u[0], 0.0)
    mistake = float(product.std() / math.sqrt(len(product)))
    assert float(Error.of(W, teacher).value(u)[0]) == pytest.approx(product.mean(), abs=4 * mistake)
    assert loss_by_sampling(W, V, 1000, rng)[0] > 0.1  # an error worth seeing


@pytest.mark.parametrize(("K", "p", "M"), [(2, 2, 2), (3, 5, 3), (4, 3, 2)])
def test_gradient_is_that_of_a_short_student(K: int, p: int, M: int) -> None:
    """The gradient of the loss at a new student rho u is grad phi(u) + rho u / 2, at any rho."""
    W, teacher, V = _network(K, p, M, seed=10 + K)
    error = Error.of(W, teacher)
    for u in _directions(p, seed=p):
        rho = 0.25
        exact = precise_gradient(np.vstack([W, rho * u]), V)[-1] - rho * u / 2.0
        found = error.gradient(u[None])[0]
        assert found == pytest.approx(exact, abs=1e-14)
        assert found @ u == pytest.approx(float(error.value(u[None])[0]), abs=1e-14)


@pytest.mark.parametrize(("K", "p", "M"), [(2, 2, 2), (3, 5, 3), (4, 3, 2)])
def test_hessian_is_the_slope_of_the_gradient(K: int, p: int, M: int) -> None:
    W, teacher, _V = _network(K, p, M, seed=20 + K)
    error = Error.of(W, teacher)
    step = 1e-5

    def gradient(x: Real) -> Real:
        return np.asarray(error.gradient((x / np.linalg.norm(x))[None])[0])

    for u in [*_directions(p, seed=p), error.units[0], -error.units[-1]]:
        differences = np.stack(
            [
                (gradient(u + step * axis) - gradient(u - step * axis)) / (2.0 * step)
                for axis in np.eye(p)
            ]
        )
        # Beside a unit the Hessian changes like the angle: central differences see half a step.
        found, _ = error.hessian(u)
        assert found == pytest.approx(differences, abs=20.0 * step)
        assert found @ u == pytest.approx(np.zeros(p), abs=1e-14)


@pytest.mark.parametrize("point", known.WELL_SPECIFIED + known.ONE_MORE, ids=known.name)
def test_the_loss_of_a_critical_point_is_what_its_teachers_see(point: dict[str, float]) -> None:
    W = known.locate(point)
    teacher = make_teacher(W.shape[1])
    assert abs(residual(W, teacher)) < 1e-14 * len(W)
    assert 2.0 * point["loss"] == pytest.approx(-teachers_seen(W, teacher).sum(), abs=1e-11)
    assert guaranteed(point["loss"], teacher) == pytest.approx((2 * point["loss"] / len(W[0])) ** 2)


def test_away_from_critical_points_the_residual_is_the_gradient_along_the_weights() -> None:
    W, teacher, V = _network(3, 4, 3, seed=30)
    along = float(np.sum(W * precise_gradient(W, V)))
    assert abs(along) > 0.1
    assert residual(W, teacher) == pytest.approx(along, abs=1e-13)


def test_one_student_in_closed_form() -> None:
    """K = 1 among M orthonormal teachers: along their sum, with norm 2 M phi(1/sqrt(M))."""
    for M in (1, 2, 3, 7):
        c = 1.0 / math.sqrt(M)
        phi = (math.sqrt(1.0 - c * c) + (math.pi - math.acos(c)) * c) / (2.0 * math.pi)
        loss = M / 4.0 + M * (M - 1) / (4.0 * math.pi) - (M * phi) ** 2
        W = np.full((1, M), 2.0 * M * phi * c)
        teacher = make_teacher(M)
        seen = teachers_seen(W, teacher)
        assert seen == pytest.approx(np.full(M, -2.0 * loss / M), abs=1e-15 * M)
        assert residual(W, teacher) == pytest.approx(0.0, abs=1e-15 * M)


def test_what_is_no_network_is_refused() -> None:
    for W in (np.zeros((1, 3)), np.ones((2, 2)), np.full((2, 3), np.nan), np.ones(3)):
        with pytest.raises(InputError):
            Error.of(W, make_teacher(3))
