"""The noise matrix against Monte Carlo, quadrature and identities."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.integrate import quad

from relu_landscape.engine.model import population
from relu_landscape.engine.model.teacher import Teacher, make_teacher
from relu_landscape.engine.noise.sigma import noise, squared_errors
from tests.service.engine.oracles import Real

#: Standard errors within which the largest of a few dozen entries lies, but for 1 in 10,000.
SIGMAS = 4.5


def random_teacher(rng: np.random.Generator, width: int) -> Teacher:
    G = rng.standard_normal((width, width + 2))
    return make_teacher(width, G @ G.T + 0.2 * np.eye(width))


def by_sampling(
    W: Real, V: Real, *, label_noise: float = 0.0, batch_size: int = 1, samples: int = 400_000
) -> tuple[Real, Real]:
    """Sigma from its definition, with the standard errors of its entries."""
    rng = np.random.default_rng(99)
    x = rng.standard_normal((samples, W.shape[1]))
    fields = x @ W.T
    e = np.maximum(fields, 0.0).sum(axis=1)
    e -= np.maximum(x[:, : V.shape[1]] @ V.T, 0.0).sum(axis=1)
    e -= label_noise * rng.standard_normal(samples)
    active = (fields > 0.0).astype(float)
    mean = (active * (e**2)[:, None]).T @ active / samples
    fourth = (active * (e**4)[:, None]).T @ active / samples
    return mean / batch_size, np.sqrt((fourth - mean**2) / samples) / batch_size


@pytest.mark.parametrize(
    ("students", "teachers", "dimension"),
    [(1, 1, 2), (2, 2, 2), (2, 2, 4), (3, 2, 5), (3, 3, 3), (4, 3, 7), (2, 4, 6)],
)
def test_monte_carlo(students: int, teachers: int, dimension: int) -> None:
    rng = np.random.default_rng([students, teachers, dimension])
    teacher = random_teacher(rng, teachers)
    W = rng.standard_normal((students, dimension))
    mean, error = by_sampling(W, teacher.V, label_noise=0.7, batch_size=3)
    found = noise(W, teacher, label_noise=0.7, batch_size=3)
    assert np.all(np.abs(found - mean) < SIGMAS * error)


@pytest.mark.parametrize("students", [1, 2, 3, 5])
def test_quadrature_over_the_angle(students: int) -> None:
    """With two inputs Sigma is an integral over the angle: E[r^2] = 2 times the mean of e^2 1 1."""
    rng = np.random.default_rng(students)
    teacher = random_teacher(rng, 2)
    W = rng.standard_normal((students, 2))
    rows = np.vstack([W, teacher.V])
    across = np.arctan2(rows[:, 1], rows[:, 0])[:, None] + [[0.5 * math.pi, -0.5 * math.pi]]
    kinks = np.sort(across.ravel() % (2.0 * math.pi))

    def error(phi: float) -> float:
        x = np.array([math.cos(phi), math.sin(phi)])
        fields = np.maximum(rows @ x, 0.0)
        return float(fields[:students].sum() - fields[students:].sum())

    expected = np.zeros((students, students))
    edges = np.r_[0.0, kinks, 2.0 * math.pi]
    for low, high in itertools.pairwise(edges):
        if high - low < 1e-14:
            continue
        middle = (low + high) / 2.0
        active = (W @ [math.cos(middle), math.sin(middle)] > 0.0).astype(float)
        piece = quad(lambda phi: error(phi) ** 2, low, high, epsabs=1e-14)[0] / math.pi
        expected += piece * np.outer(active, active)
    # Everything lies in one plane: coordinates of 1e-9 decide each limit, and enter squared.
    assert noise(W, teacher) == pytest.approx(expected, abs=1e-10 * float(expected.max()))


def test_active_and_inactive_make_the_loss() -> None:
    """Over both states of two probes (students too short to count), e^2 averages to 2 L."""
    rng = np.random.default_rng(2)
    for students, teachers, dimension in ((2, 2, 4), (3, 4, 6), (4, 2, 8)):
        teacher = random_teacher(rng, teachers)
        W = rng.standard_normal((students, dimension))
        a, b = 1e-12 * rng.standard_normal((2, dimension))
        twice = 2.0 * float(population.loss(W, teacher))
        total, single = 0.0, 0.0
        for first in (a, -a):
            single += float(squared_errors(np.vstack([W, first]), teacher)[-1])
            for second in (b, -b):
                total += float(noise(np.vstack([W, first, second]), teacher)[-2, -1])
        assert single == pytest.approx(twice, rel=1e-11)
        assert total == pytest.approx(twice, rel=1e-9)


def test_symmetries() -> None:
    rng = np.random.default_rng(4)
    teacher = random_teacher(rng, 3)
    W = rng.standard_normal((4, 6))
    found = noise(W, teacher)
    assert np.array_equal(found, found.T)
    assert np.linalg.eigvalsh(found).min() > 0.0
    order = rng.permutation(4)
    assert noise(W[order], teacher) == pytest.approx(found[np.ix_(order, order)], rel=1e-10)
    places = rng.permutation(3)
    T = teacher.gram[np.ix_(places, places)]
    other = make_teacher(3, T)
    overlaps = (W[:, :3] @ teacher.V.T)[:, places]
    moved = W.copy()
    moved[:, :3] = np.linalg.solve(other.V, overlaps.T).T
    assert noise(moved, other) == pytest.approx(found, rel=1e-10)
    # Lengths are homogeneous of degree two.
    longer = make_teacher(3, 9.0 * teacher.gram)
    assert noise(3.0 * W, longer) == pytest.approx(9.0 * found, rel=1e-12)
    # Only the Gram matrix of what lies outside the span counts.
    rotation = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    turned = np.hstack([W[:, :3], W[:, 3:] @ rotation])
    assert noise(turned, teacher) == pytest.approx(found, rel=1e-10)


def test_diagonal_is_the_elementary_one() -> None:
    rng = np.random.default_rng(6)
    teacher = random_teacher(rng, 3)
    W = rng.standard_normal((5, 8))
    assert np.diagonal(noise(W, teacher)) == pytest.approx(squared_errors(W, teacher), rel=1e-14)


def test_no_error_no_noise() -> None:
    """At zero loss only label noise is left: half of it for one, a quarter for orthogonal two."""
    teacher = make_teacher(4)
    assert np.abs(noise(np.eye(4), teacher)).max() < 1e-14
    expected = 0.25 + 0.25 * np.eye(4)
    assert noise(np.eye(4), teacher, label_noise=2.0, batch_size=8) == pytest.approx(
        expected / 2.0, abs=1e-14
    )


@pytest.mark.parametrize("distance", [1e-2, 1e-4, 1e-6, 0.0])
def test_beside_a_split_teacher(distance: float) -> None:
    """Three students parallel to one teacher: a global minimum, e = O(distance), Sigma its square.

    Every set of four has three units that nearly coincide: the hardest place there is.
    """
    teacher = make_teacher(3)
    rng = np.random.default_rng(8)
    W = np.vstack([np.eye(3), np.eye(3)[:1], np.eye(3)[:1]])
    W[[0, 3, 4]] *= np.array([[0.2], [0.3], [0.5]])
    W = W + distance * rng.standard_normal(W.shape)
    found = noise(W, teacher)
    assert np.diagonal(found) == pytest.approx(squared_errors(W, teacher), abs=1e-14)
    # |Sigma_ij| <= sqrt(Sigma_ii Sigma_jj); what the module's text promises beyond.
    bound = np.sqrt(np.outer(squared_errors(W, teacher), squared_errors(W, teacher)))
    assert np.all(np.abs(found) <= np.abs(bound) * (1 + 1e-9) + 5e-9)


def test_two_students_that_coincide_are_one() -> None:
    """e and the indicators are those of one student of both lengths."""
    rng = np.random.default_rng(9)
    teacher = random_teacher(rng, 3)
    W = rng.standard_normal((3, 6))
    split = np.vstack([W, 0.4 * W[:1]])
    split[0] *= 0.6
    found, whole = noise(split, teacher), noise(W, teacher)
    parent = [0, 1, 2, 0]
    assert found == pytest.approx(whole[np.ix_(parent, parent)], abs=3e-9 * whole.max())
