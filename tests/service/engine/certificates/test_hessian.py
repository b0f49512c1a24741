"""Angles, loss, gradient and both Hessians against loops, finite differences and mpmath."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from relu_landscape.engine.certificates import geometry
from relu_landscape.engine.certificates.balls import exact_number, norm, precision, to_doubles
from relu_landscape.engine.certificates.geometry import (
    gradient,
    loss,
    measure,
    perpendicular_block,
)
from relu_landscape.engine.certificates.hessian import BallHessian, in_balls, in_doubles
from tests.service.engine.certificates import points
from tests.service.engine.certificates.points import Doubles

SHAPES = [(1, 1), (1, 3), (2, 1), (2, 2), (3, 2), (5, 4)]


def _random(K: int, M: int) -> Doubles:
    return np.random.default_rng([K, M]).normal(size=(K, M))


def _nearly(angle: float, flip: int = 1) -> Doubles:
    """Two students at this angle (or at pi minus it), one of them short, and a third."""
    first = np.array([1.0, 0.2, 0.1])
    second = 0.05 * flip * (first + angle * np.array([0.2, -1.0, 0.0]))
    return np.stack([first, second, np.array([0.3, -0.8, 0.4])])


@pytest.mark.parametrize(("K", "M"), SHAPES)
@pytest.mark.parametrize("strict", [False, True])
def test_hessian_is_that_of_a_loop_over_pairs(K: int, M: int, strict: bool) -> None:
    W = _random(K, M)
    with precision(128):
        point = measure(W)
        found = to_doubles(in_balls(point).matrix) if strict else in_doubles(point).matrix
    # arccos keeps 13 digits of these angles
    np.testing.assert_allclose(found, points.hessian(W, M), atol=1e-12)
    assert (found == found.T).all()


def test_oracle_is_the_derivative_of_the_gradient() -> None:
    """The loop itself, against central differences (error about h^2 = 1e-10)."""
    W, h = _random(4, 3), 1e-5
    columns = []
    for k in range(W.size):
        step = np.zeros(W.size)
        step[k] = h
        moved = [points.gradient(W + sign * step.reshape(W.shape), 3) for sign in (1, -1)]
        columns.append(((moved[0] - moved[1]) / (2 * h)).ravel())
    np.testing.assert_allclose(points.hessian(W, 3), np.array(columns), atol=1e-8)


@pytest.mark.parametrize(("K", "M"), SHAPES)
def test_loss_gradient_and_perpendicular_block(K: int, M: int) -> None:
    W = _random(K, M)
    with precision(128):
        point = measure(W)
        A = perpendicular_block(point)
        value, slope = loss(point), float(norm(gradient(point, A).entries()))
        block = to_doubles(A)
    assert slope == pytest.approx(float(np.linalg.norm(points.gradient(W, M))), rel=1e-12)
    with precision(128):
        assert value.overlaps(exact_number(_loss_by_mpmath(W)))
    # in one dimension everything is parallel, where the square root halves the digits
    assert float(value.rad()) < (1e-18 if M == 1 else 1e-34)
    # one dimension outside the teacher's span: the Hessian there is A
    outside = points.hessian(np.hstack([W, np.zeros((K, 1))]), M).reshape(K, M + 1, K, M + 1)
    np.testing.assert_allclose(block, outside[:, M, :, M], atol=1e-12)


def _loss_by_mpmath(W: Doubles) -> str:
    with mp.workdps(60):
        rows = [mp.matrix(row.tolist()) for row in W]
        axes = [mp.matrix(row.tolist()) for row in np.eye(W.shape[1])]

        def kernel(a: mp.matrix, b: mp.matrix) -> mp.mpf:
            size = mp.norm(a) * mp.norm(b)
            cosine = max(mp.mpf(-1), min(mp.mpf(1), (a.T * b)[0] / size))
            t = mp.acos(cosine)
            return size * (mp.sin(t) + (mp.pi - t) * cosine) / (2 * mp.pi)

        total = (
            sum(kernel(a, b) for a in rows for b in rows) / 2
            - sum(kernel(a, b) for a in rows for b in axes)
            + sum(kernel(a, b) for a in axes for b in axes) / 2
        )
        return str(mp.nstr(total, 50))


@pytest.mark.parametrize("flip", [1, -1])
@pytest.mark.parametrize("angle", [1e-1, 1e-5, 1e-9, 1e-11, 1e-12, 1e-14, 0.0])
def test_error_bound_holds_where_students_are_nearly_parallel(angle: float, flip: int) -> None:
    """Doubles against balls at 300 bits, across the point where terms are left out (2^-40)."""
    W = _nearly(angle, flip)
    with precision(300):
        point = measure(W)
        rounded, balls = in_doubles(point), in_balls(point)
        exact = to_doubles(balls.matrix)
        width = max(float(x.rad()) for x in balls.matrix.entries())
    difference = float(np.linalg.norm(rounded.matrix - exact, 2))
    assert difference <= rounded.error + 9 * width + 1e-15  # exact is itself rounded to doubles
    assert rounded.error < 1e-10
    assert width < 1e-11


@pytest.mark.parametrize("flip", [1, -1])
def test_terms_left_out_are_added_to_the_error(flip: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Students and a teacher at 8e-13: the doubles leave out terms of 1e-13, far above rounding."""
    W = np.array([[1.0, 8e-13, 0.0], [flip, -1e-15, 0.5], [flip, 8e-13 - 1e-15, 0.5]])
    with precision(128):
        point = measure(W)
        assert point.pair(1, 2).parallel
        assert point.towards[0][0].parallel
        rounded, balls = in_doubles(point), in_balls(point)
    with precision(300), monkeypatch.context() as patch:
        patch.setattr(geometry, "PARALLEL_SINE", 0.0)
        exact = in_balls(measure(W)).matrix
    difference = float(np.linalg.norm(rounded.matrix - to_doubles(exact), 2))
    assert 5e-14 < difference <= rounded.error < 2e-12
    assert all(
        b.contains(x.mid()) for b, x in zip(balls.matrix.entries(), exact.entries(), strict=True)
    )


@pytest.mark.parametrize("seed", range(6))
def test_error_bound_holds_at_random_points_and_is_not_wasteful(seed: int) -> None:
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(6, 5)) * rng.uniform(0.01, 2.0, size=(6, 1))
    with precision(128):
        point = measure(W)
        rounded, balls = in_doubles(point), in_balls(point)
        exact = to_doubles(balls.matrix)
    assert np.linalg.norm(rounded.matrix - exact, 2) <= rounded.error
    assert rounded.error < 1e-9


def test_balls_contain_the_hessian_at_more_digits() -> None:
    W = _random(3, 3)
    with precision(60):
        coarse = in_balls(measure(W)).matrix
    with precision(250):
        fine = in_balls(measure(W)).matrix
    assert all(c.contains(f.mid()) for c, f in zip(coarse.entries(), fine.entries(), strict=True))


@pytest.mark.parametrize("strict", [False, True])
def test_curvatures_bound_the_diagonal_blocks(strict: bool) -> None:
    W = _random(5, 4) * np.array([[1.0], [0.1], [2.0], [1.0], [1.0]])
    H = points.hessian(np.hstack([W, np.zeros((5, 1))]), 4).reshape(5, 5, 5, 5)
    with precision(128):
        point = measure(W)
        found: BallHessian = in_balls(point)
        bounds = found.curvatures if strict else in_doubles(point).curvatures
    for i, bound in enumerate(bounds):
        # across w_i, in the teacher's span and beyond; along w_i the block is I/2
        true = float(np.abs(np.linalg.eigvalsh(H[i, :, i, :] - np.eye(5) / 2)).max())
        assert true * (1 - 1e-9) <= float(bound) <= true * 1.15


def test_read_only_weights_stay_untouched() -> None:
    W = _random(3, 3)
    W.flags.writeable = False
    with precision(128):
        in_doubles(measure(W))
    np.testing.assert_array_equal(W, _random(3, 3))
