"""Newton's method and the whole spectrum, at published points and where there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from relu_landscape.engine.model import population
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.points import classify
from relu_landscape.engine.points.classify import Point
from relu_landscape.errors import NumericalError
from tests.service.engine import known
from tests.service.engine.certificates import points
from tests.service.engine.oracles import Real, gram_matrix


def _beside(W: Real, distance: float, seed: int = 0) -> Real:
    move = np.random.default_rng(seed).standard_normal(W.shape)
    return np.asarray(W + distance * move / np.linalg.norm(move))


@pytest.mark.parametrize("published", known.WELL_SPECIFIED, ids=known.name)
def test_published_minima(published: dict[str, Any]) -> None:
    width = published["width"]
    W = known.locate(published)
    found = classify.classify(_beside(W, 1e-4), make_teacher(width))
    assert found.loss == pytest.approx(published["loss"], abs=1e-12)  # 13 digits are printed
    assert found.span[0] == pytest.approx(published["min_eigenvalue"], abs=1e-8)
    assert found.index(width) == 0
    assert found.nullity(width) == 0
    assert found.gradient_norm <= classify.gradient_tolerance(width)
    assert found.moved == pytest.approx(1e-4, rel=1e-6)
    np.testing.assert_allclose(found.W, W, atol=1e-9)
    # Every eigenvalue, against the Hessian written as a loop over pairs.
    wanted = np.linalg.eigvalsh(points.hessian(W, width))
    np.testing.assert_allclose(found.span, wanted, rtol=0, atol=1e-8)


@pytest.mark.parametrize("published", known.ONE_MORE, ids=known.name)
def test_published_points_with_one_more_student(published: dict[str, Any]) -> None:
    width = published["teacher_width"]
    found = classify.classify(_beside(known.locate(published), 1e-6), make_teacher(width))
    assert found.loss == pytest.approx(published["loss"], abs=1e-12)
    assert found.span[0] == pytest.approx(published["min_eigenvalue"], abs=6e-8)
    perpendicular = published["perpendicular_min_eigenvalue"]
    assert found.perpendicular[0] == pytest.approx(perpendicular, abs=6e-8)
    assert found.index_span == published["negative_eigenvalues"]
    assert found.index(1000) == published["negative_eigenvalues"]


def test_perpendicular_eigenvalues_count_once_per_dimension() -> None:
    point = Point(
        W=np.ones((3, 4)), loss=0.0, gradient_norm=0.0, moved=0.0,
        span=np.array([-1.0, -1e-10, 1e-10, 1.0]), perpendicular=np.array([-0.5, 0.0, 2.0]),
    )  # fmt: skip
    assert (point.index_span, point.index_perpendicular) == (1, 1)
    assert (point.index(4), point.nullity(4)) == (1, 2)
    assert (point.index(10), point.nullity(10)) == (1 + 6, 2 + 6)


@pytest.mark.parametrize("shape", [(6, 6), (7, 5), (3, 8)])
def test_no_point_is_invented_beside_random_weights(shape: tuple[int, int]) -> None:
    """Newton's method may wander far from a random start; what it returns is a critical point of
    the textbook gradient, or nothing."""
    teacher = make_teacher(shape[1])
    refused = 0
    for seed in range(8):
        W = np.random.default_rng([*shape, seed]).standard_normal(shape)
        try:
            found = classify.classify(W, teacher)
        except NumericalError as error:
            refused += 1
            assert "Newton's method stopped at gradient norm" in str(error)  # noqa: PT017
        else:
            assert np.linalg.norm(points.gradient(found.W, shape[1])) < 1e-12
    assert refused >= 6


def test_a_general_teacher() -> None:
    T = gram_matrix(5, np.random.default_rng(2))
    teacher = make_teacher(5, T)
    found = classify.classify(_beside(teacher.V, 1e-3), teacher)
    np.testing.assert_allclose(found.W, teacher.V, atol=1e-13)
    assert found.loss == pytest.approx(0.0, abs=1e-15)
    assert found.index(50) == 0
    np.testing.assert_allclose(classify.overlaps(found.W, teacher), T, atol=1e-13)


def test_a_flat_set_is_not_walked_along() -> None:
    """K > M: a split teacher unit may be dealt out in any proportion; Newton leaves it so."""
    W = np.vstack([np.eye(4), np.eye(4)[:1]])
    W[[0, 4]] *= [[0.3], [0.7]]
    found = classify.classify(_beside(W, 1e-7), make_teacher(4))
    assert found.loss == pytest.approx(0.0, abs=1e-15)
    assert found.moved < 1e-6


def test_unstable_directions_go_down() -> None:
    """The saddle that gradient descent had taken for a minimum."""
    teacher = make_teacher(17)
    saddle = classify.classify(known.locate(known.ONE_MORE[2]), teacher)
    inner, perpendicular = classify.unstable_directions(saddle, teacher)
    assert inner.shape == (1, 18, 17)
    assert perpendicular.shape == (0, 18)
    assert np.linalg.norm(inner[0]) == pytest.approx(1.0)
    h = 1e-3
    for sign in (1.0, -1.0):
        drop = float(population.loss(saddle.W + sign * h * inner[0], teacher)) - saddle.loss
        # Half the eigenvalue times h^2, up to the third order.
        assert drop == pytest.approx(saddle.span[0] * h**2 / 2, rel=0.05)
