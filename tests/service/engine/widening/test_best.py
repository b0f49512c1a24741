"""The best student: against random search, closed forms and the loss in 40 digits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.widening.adding import Error, guaranteed
from relu_landscape.engine.widening.best import best_student, minimum
from tests.service.engine import known
from tests.service.engine.oracles import Real, gram_matrix, precise_gradient, precise_loss

SPURIOUS = [point for point in known.WELL_SPECIFIED + known.ONE_MORE if point["loss"] > 0.0]


def _random_search(error: Error, p: int, rng: np.random.Generator, tries: int) -> Real:
    """Ends (tries, p) of SciPy's descent of D from random directions."""

    def value(x: Real) -> float:
        return float(error.value((x / np.linalg.norm(x))[None])[0])

    def slope(x: Real) -> Real:
        n = np.linalg.norm(x)
        return np.asarray((error.gradient((x / n)[None])[0] - value(x) * x / n) / n)

    ends = []
    for _ in range(tries):
        found = minimize(
            value,
            rng.standard_normal(p),
            jac=slope,
            method="L-BFGS-B",
            options={"ftol": 1e-16, "gtol": 1e-9},
        ).x
        ends.append(found / np.linalg.norm(found))
    return np.stack(ends)


@pytest.mark.parametrize("seed", range(12))
def test_random_search_finds_nothing_lower(seed: int) -> None:
    rng = np.random.default_rng(seed)
    M, K = int(rng.integers(2, 6)), int(rng.integers(1, 7))
    gram = gram_matrix(M, rng) if seed % 2 else None
    W, teacher = rng.standard_normal((K, M)) * rng.choice([0.3, 1.0]), make_teacher(M, gram)
    error = Error.of(W, teacher)
    lowest = float(error.value(minimum(error)[None])[0])
    ends = _random_search(error, M, rng, tries=60)
    # SciPy stops a little above the minimum that it is in.
    assert float(error.value(ends).min()) == pytest.approx(lowest, abs=1e-7)
    assert float(error.value(ends).min()) >= lowest - error.accuracy


@pytest.mark.parametrize("point", SPURIOUS, ids=known.name)
def test_the_loss_falls_by_exactly_the_gain(point: dict[str, float]) -> None:
    W = known.locate(point)
    M = W.shape[1]
    teacher = make_teacher(M)
    best = best_student(W, teacher)
    assert best is not None
    assert best.gain >= guaranteed(point["loss"], teacher)
    wider = np.vstack([W, best.weights])
    fall = float(precise_loss(W, np.eye(M)) - precise_loss(wider, np.eye(M)))
    assert fall == pytest.approx(best.gain, rel=1e-11)
    assert np.linalg.norm(best.weights) == pytest.approx(-2.0 * best.value)
    # D is at rest there: with this length the new student has no force of its own.
    assert np.abs(precise_gradient(wider, np.eye(M))[-1]).max() < 1e-13


def test_of_eight_near_the_single_teacher() -> None:
    W = known.locate({"width": 8, "anti_aligned": 1})
    best = best_student(W, make_teacher(8))
    assert best is not None
    assert best.value == pytest.approx(-0.03393, abs=5e-6)
    assert best.direction[0] > 0.98
    assert best.direction[1:] == pytest.approx(np.full(7, best.direction[1]), abs=1e-10)


def test_the_order_of_units_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    W = known.locate({"width": 10, "anti_aligned": 2})
    best = best_student(W, make_teacher(10))
    assert best is not None
    for _ in range(3):
        rows, columns = rng.permutation(10), rng.permutation(10)
        again = best_student(W[np.ix_(rows, columns)], make_teacher(10))
        assert again is not None
        assert again.value == pytest.approx(best.value, abs=1e-15)
        # The direction goes with the teachers, up to the point's own symmetry.
        assert np.sort(again.direction) == pytest.approx(np.sort(best.direction), abs=1e-9)


def test_nothing_helps_a_global_minimum() -> None:
    rng = np.random.default_rng(4)
    for gram in (None, gram_matrix(4, rng)):
        teacher = make_teacher(4, gram)
        assert best_student(teacher.V, teacher) is None
        split = np.vstack([0.3 * teacher.V[:1], 0.7 * teacher.V[:1], teacher.V[1:]])
        assert best_student(split, teacher) is None


def test_students_beside_the_teachers_span_are_seen() -> None:
    """A student outside may be taken back by a new one there: p dimensions, not M."""
    teacher = make_teacher(2)
    W = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.2, 0.0, 0.3], [-0.2, 0.0, -0.3]])
    best = best_student(W, teacher)
    assert best is None  # ReLU(w x) + ReLU(-w x) is nowhere negative
    best = best_student(np.vstack([W[:3], [0.4, 0.1, -0.2]]) * 0.5, teacher)
    assert best is not None
    assert abs(best.direction[2]) > 1e-3


@pytest.mark.parametrize("seed", range(8))
def test_minima_with_a_part_beside_gain_nothing(seed: int) -> None:
    """The theorem of the module, on networks at random: SciPy's ends in one dimension more."""
    rng = np.random.default_rng(100 + seed)
    M, K = int(rng.integers(1, 5)), int(rng.integers(1, 7))
    inside, teacher = rng.standard_normal((K, M)), make_teacher(M)
    W = np.concatenate([inside, np.zeros((K, 1))], axis=1)
    error = Error.of(W, teacher)
    ends = _random_search(error, M + 1, rng, tries=40)
    out = np.abs(ends[:, -1]) > 1e-3
    assert np.all(error.value(ends[out]) > -1e-7)
    best = best_student(inside, teacher)
    lowest = min(0.0, float(error.value(ends).min()))
    assert lowest == pytest.approx(0.0 if best is None else best.value, abs=1e-7)
