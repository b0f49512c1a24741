"""Split students: against Hessians in 40 digits and textbook loops."""

from __future__ import annotations

import numpy as np
import pytest

from relu_landscape.engine.model.population import gradient, hessian
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.points import classify
from relu_landscape.engine.widening.adding import Error
from relu_landscape.engine.widening.splitting import splitting
from tests.service.engine import known
from tests.service.engine.oracles import Real, gram_matrix, loss_by_loop, precise_hessian

SPURIOUS = [point for point in known.WELL_SPECIFIED + known.ONE_MORE if point["loss"] > 0.0]


def _bisector() -> Real:
    """The minimum of one student and two teachers."""
    c = np.sqrt(0.5)
    phi = (c + 0.75 * np.pi * c) / (2.0 * np.pi)
    return np.full((1, 2), 4.0 * phi * c)


def _split(W: Real, i: int, mu: float) -> Real:
    return np.vstack([W[:i], mu * W[i], (1.0 - mu) * W[i], W[i + 1 :]])


@pytest.mark.parametrize("point", SPURIOUS[:6], ids=known.name)
def test_is_the_own_block_of_the_hessian_less_a_half(point: dict[str, float]) -> None:
    W = known.locate(point)
    K, M = W.shape
    H, A = hessian(W, M)
    found = splitting(W, make_teacher(M))
    for i in range(K):
        block = H[i * M : (i + 1) * M, i * M : (i + 1) * M] - np.eye(M) / 2.0
        whole = np.sort(np.append(found.span[i], 0.0))
        assert np.linalg.eigvalsh(block) == pytest.approx(whole, abs=1e-13)
        assert block @ found.directions[i] == pytest.approx(
            found.span[i, 0] * found.directions[i], abs=1e-13
        )
        # Along the student lies the line itself; across it they add up to M times D_i.
        assert found.directions[i] @ W[i] == pytest.approx(0.0, abs=1e-14)
        assert found.span[i].sum() == pytest.approx(M * found.beside[i], abs=1e-13)
    assert found.beside == pytest.approx(np.diagonal(A) - 0.5, abs=1e-14)


@pytest.mark.parametrize("mu", [0.5, 0.2, 0.9])
def test_the_split_bisector_is_a_line_of_saddles(mu: float) -> None:
    W = _bisector()
    found = splitting(W, make_teacher(2))
    V, split = np.eye(2), _split(W, 0, mu)
    assert loss_by_loop(split, V) == pytest.approx(0.0885119366, abs=5e-11)
    eigenvalues = np.linalg.eigvalsh(precise_hessian(split, V))
    if mu == 0.5:
        assert eigenvalues == pytest.approx([-0.5959, 0.0, 0.4041, 1.0], abs=5e-5)
        assert eigenvalues[0] == pytest.approx(2.0 * found.span[0, 0], abs=1e-10)
    assert (eigenvalues < -1e-9).sum() == 1
    assert found.index([2], 1e-9) == (1, 1)


@pytest.mark.parametrize("mu", [0.5, 0.3, 0.05])
@pytest.mark.parametrize("beside", [0, 1])
def test_index_of_a_split_point_is_that_of_its_whole_hessian(mu: float, beside: int) -> None:
    """At every point of the line, minima and saddles, also where inputs have more dimensions."""
    for W, gram in _points_of_three():
        teacher = make_teacher(W.shape[1], gram)
        point = classify.classify(W, teacher)
        found = splitting(point.W, teacher)
        for i in range(len(W)):
            parts = [2 if i == j else 1 for j in range(len(W))]
            span, perpendicular = found.index(parts, 1e-9)
            expected = point.index_span + span
            expected += beside * (point.index_perpendicular + perpendicular)
            pad = [(0, 0), (0, beside)]
            split, V = np.pad(_split(point.W, i, mu), pad), np.pad(teacher.V, pad)
            eigenvalues = np.linalg.eigvalsh(precise_hessian(split, V))
            assert (eigenvalues < -1e-9).sum() == expected
            # The line is flat, and nothing else is.
            assert (np.abs(eigenvalues) < 1e-9).sum() == 1


def _points_of_three() -> list[tuple[Real, Real | None]]:
    """Critical points of two students and three teachers, orthonormal and not, beside which."""
    copied = np.array([[1.0, 0.0, 0.0], [0.0, 0.8, 0.8]])
    saddle = np.array([[0.3, 0.9, 0.9], [0.3, 0.9, 0.9]]) * [[1.0, 1.2, 0.2], [1.0, 0.2, 1.2]]
    rng = np.random.default_rng(5)
    found: list[tuple[Real, Real | None]] = []
    for start, gram in ((copied, None), (saddle, None), (copied, gram_matrix(3, rng))):
        teacher = make_teacher(3, gram)
        W = start if gram is None else start @ teacher.V
        found.append((_at_rest(W, gram), gram))
    return found


def _at_rest(W: Real, gram: Real | None) -> Real:
    """Where plain gradient descent goes; a start of much symmetry keeps it."""
    teacher = make_teacher(W.shape[1], gram)
    for _ in range(3000):
        W = W - 0.5 * gradient(W, teacher)
    return W


def test_a_student_sees_the_error_curve_as_it_splits() -> None:
    """|w_i| B_i is the Hessian of D on the sphere at w_i / |w_i|, by second differences of D."""
    W = known.locate({"width": 7, "anti_aligned": 1})
    error, found, step = Error.of(W, make_teacher(7)), splitting(W, make_teacher(7)), 1e-3

    def at(u: Real) -> float:
        return float(error.value((u / np.linalg.norm(u))[None])[0])

    for i in range(7):
        u, across, n = error.units[i], found.directions[i], error.lengths[i]
        assert at(u) == pytest.approx(0.0, abs=1e-14)
        curve = (at(u + step * across) + at(u - step * across)) / step**2
        # Beside a student D has a term of third order in the angle.
        assert curve == pytest.approx(n * found.span[i, 0], abs=step)


@pytest.mark.parametrize("point", SPURIOUS, ids=known.name)
def test_every_student_of_a_spurious_point_is_worth_splitting(point: dict[str, float]) -> None:
    W = known.locate(point)
    assert np.all(splitting(W, make_teacher(W.shape[1])).span[:, 0] < -1e-3)


def test_one_dimension_has_no_direction_to_part_in() -> None:
    found = splitting(np.array([[0.4], [-0.1]]), make_teacher(1))
    assert found.span.shape == (2, 0)
    assert np.all(found.directions == 0.0)
    assert found.index([2, 2], 1e-9)[0] == 0
