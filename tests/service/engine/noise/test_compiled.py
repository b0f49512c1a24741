"""The noise in C against the arrays', which the other tests here hold against Monte Carlo."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from relu_landscape.engine.lanes.native import Kernel
from relu_landscape.engine.lanes.sigma import sigma
from relu_landscape.engine.model.teacher import Teacher, make_teacher
from relu_landscape.engine.noise import compiled, orthants
from relu_landscape.engine.noise.sigma import noise
from tests.service.engine.lanes.setups import KERNELS, name
from tests.service.engine.noise.test_sigma import by_sampling, random_teacher
from tests.service.engine.oracles import Real

pytestmark = pytest.mark.parametrize("kernel", KERNELS, ids=name)

#: Students, teachers, coordinates: one unit, K less than, equal to and more than M, students in
#: the teacher's span and outside it, sets that fill rooms and such that do not.
SHAPES = [
    (1, 1, 1), (1, 5, 6), (2, 2, 2), (2, 2, 4), (3, 2, 5), (3, 3, 3), (2, 6, 8), (9, 2, 7),
    (8, 8, 16), (13, 9, 22), (17, 17, 34),
]  # fmt: skip
#: Of ``pinned``, whatever computes it. A change of any bit raises ``TrajectoryRequest.algorithm``.
DIGEST = "1ba27c7358a9acd04ee9b7f3471f0adb98cd8104ef46ec1626f9a33f1e166f6b"


def setting(K: int, M: int, p: int) -> tuple[Real, Teacher]:
    rng = np.random.default_rng([K, M, p])
    teacher = make_teacher(M) if (K + M) % 4 == 0 else random_teacher(rng, M)
    return rng.standard_normal((K, p)), teacher


def scale_of(W: Real, teacher: Teacher) -> float:
    """The largest squared length, in units of which the accuracy is told."""
    return float(max(np.sum(W * W, axis=1).max(), np.max(teacher.norms) ** 2))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_it_is_the_noise_of_the_arrays(kernel: Kernel, shape: tuple[int, int, int]) -> None:
    """To 1e-15 (K + M)^2 times the largest squared length: what ``sigma`` promises of both."""
    W, teacher = setting(*shape)
    for label_noise, batch in ((0.0, 1), (0.7, 3)):
        wanted = noise(W, teacher, label_noise=label_noise, batch_size=batch)
        found = compiled.noise(W, teacher, label_noise=label_noise, batch_size=batch, kernel=kernel)
        units = shape[0] + shape[1]
        assert np.abs(found - wanted).max() < 1e-15 * units**2 * scale_of(W, teacher)
        assert np.array_equal(found, found.T)
    assert np.array_equal(compiled.noise(W, teacher), noise(W, teacher))


def _parallel(W: Real, teacher: Teacher, rng: np.random.Generator) -> Real:
    return np.asarray(W[:1] * rng.uniform(0.3, 2.0, (len(W), 1)))


def _opposite(W: Real, teacher: Teacher, rng: np.random.Generator) -> Real:
    return np.vstack([W[:1], -0.7 * W[:1], W[2:]])


def _on_teachers(W: Real, teacher: Teacher, rng: np.random.Generator) -> Real:
    """Along teachers or against them, several students to one."""
    places = rng.integers(teacher.width, size=len(W))
    lengths = rng.uniform(0.2, 1.0, (len(W), 1)) * rng.choice([-1.0, 1.0], (len(W), 1))
    return np.pad(teacher.V[places] * lengths, ((0, 0), (0, W.shape[1] - teacher.width)))


def _in_a_plane(W: Real, teacher: Teacher, rng: np.random.Generator) -> Real:
    return np.asarray(W * (np.arange(W.shape[1]) < 2))


def _orthogonal(W: Real, teacher: Teacher, rng: np.random.Generator) -> Real:
    return np.eye(*W.shape)[:, ::-1].copy()


def _short_and_long(W: Real, teacher: Teacher, rng: np.random.Generator) -> Real:
    lengths = np.ones((len(W), 1))
    lengths[:3, 0] = 1e-8, 1e-60, 30.0
    return np.asarray(W * lengths)


@pytest.mark.parametrize("distance", [1e-2, 1e-4, 1e-6, 1e-8, 0.0])
@pytest.mark.parametrize(
    "place",
    [_parallel, _opposite, _on_teachers, _in_a_plane, _orthogonal, _short_and_long],
    ids=lambda place: place.__name__.strip("_"),
)
def test_limits(
    kernel: Kernel, place: Callable[[Real, Teacher, np.random.Generator], Real], distance: float
) -> None:
    """Near and at coincidence both have what ``sigma`` promises there, 1e-9; twice that between."""
    for K, M in ((4, 4), (5, 3), (3, 6), (7, 2)):
        rng = np.random.default_rng([K, M])
        teacher = make_teacher(M) if K == M else random_teacher(rng, M)
        W = place(rng.standard_normal((K, M + K)), teacher, rng)
        lengths = np.linalg.norm(W, axis=1, keepdims=True)
        W = W + distance * lengths * rng.standard_normal(W.shape)
        wanted, found = noise(W, teacher), compiled.noise(W, teacher, kernel=kernel)
        assert np.abs(found - wanted).max() < 2e-9 * scale_of(W, teacher)


@pytest.mark.parametrize(("students", "teachers", "dimension"), [(3, 2, 5), (4, 3, 7), (2, 4, 6)])
def test_monte_carlo(kernel: Kernel, students: int, teachers: int, dimension: int) -> None:
    """Against the definition itself, and not the other implementation of one formula."""
    rng = np.random.default_rng([students, teachers, dimension, 1])
    teacher = random_teacher(rng, teachers)
    W = rng.standard_normal((students, dimension))
    mean, error = by_sampling(W, teacher.V, label_noise=0.5, batch_size=2)
    found = compiled.noise(W, teacher, label_noise=0.5, batch_size=2, kernel=kernel)
    assert np.all(np.abs(found - mean) < 4.5 * error)


def pinned(kernel: Kernel) -> Real:
    """Sigma of starts that every machine computes to the same bits."""
    K, M, p = 6, 4, 10
    numbers = np.arange(K * p, dtype=np.int64)
    W = ((numbers * numbers * 7 + numbers * 3 + 1) % 1009 / 1009.0 - 0.5).reshape(K, p)
    V = np.eye(M) + np.tril(np.full((M, M), 0.125), -1)
    return sigma(kernel, compiled.rules(), W, V, label_noise=0.25, batch_size=2)


def test_the_bits_do_not_depend_on_the_instructions(kernel: Kernel) -> None:
    assert hashlib.sha256(pinned(kernel).astype("<f8").tobytes()).hexdigest() == DIGEST
    for shape in SHAPES:
        W, teacher = setting(*shape)
        found = compiled.noise(W, teacher, kernel=kernel)
        assert np.array_equal(found, compiled.noise(W, teacher, kernel=KERNELS[0]))


def test_a_student_of_norm_zero_gives_no_number(kernel: Kernel) -> None:
    """And ends: nothing waits for a comparison with it."""
    W, teacher = setting(3, 3, 3)
    W[1] = 0.0
    assert np.isnan(compiled.noise(W, teacher, kernel=kernel)[1]).all()


def test_nodes_are_those_of_gauss_and_legendre(kernel: Kernel) -> None:
    """Polynomials of less than twice their degree are exact; and NumPy has the same nodes."""
    del kernel
    for nodes, grading in (orthants.EASY_PATH, orthants.STEEP_PATH):
        path = compiled.path(nodes, grading)
        places, weights = orthants._nodes(nodes)
        left = (1.0 - places) ** grading
        assert path[:, 0] == pytest.approx(1.0 - left, abs=1e-15)
        # 1 - s has the rounding of s.
        assert path[:, 1] == pytest.approx(left, abs=1e-15)
        own = weights * grading * (1.0 - places) ** (grading - 1)
        # NumPy's outermost weight of 48 is right to 1e-12 of itself.
        assert path[:, 2] == pytest.approx(own, rel=2e-12, abs=1e-15)
        for power in range(2 * nodes // grading):
            # rounding of some tens of terms, none larger than their sum
            assert path[:, 2] @ path[:, 0] ** power == pytest.approx(1.0 / (power + 1), rel=1e-14)


def test_arrays_that_do_not_fit_are_refused(kernel: Kernel) -> None:
    rules, W, V = compiled.rules(), np.ones((2, 4)), np.eye(3)
    assert sigma(kernel, rules, W, V).shape == (2, 2)
    for students, teachers in ((np.ones((2, 2)), V), (np.ones(4), V), (np.ones((0, 4)), V)):
        with pytest.raises(ValueError, match="there must be a student"):
            sigma(kernel, rules, students, teachers)
    with pytest.raises(ValueError, match="V has shape"):
        sigma(kernel, rules, W, np.ones((3, 2)))
    with pytest.raises(ValueError, match="layers has shape"):
        sigma(kernel, rules, W, V, layers=np.ones(3))
    wrong: list[dict[str, Any]] = [{"easy": np.ones((16, 2))}, {"steep": np.ones((48, 4))}]
    for change in wrong:
        with pytest.raises(ValueError, match=next(iter(change))):
            sigma(kernel, replace(rules, **change), W, V)
