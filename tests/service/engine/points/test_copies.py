"""Which points of a list are copies of each other, and the quick way to a relabelling."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from relu_landscape.engine.families.points import embed
from relu_landscape.engine.families.search import search
from relu_landscape.engine.families.structures import default_structures
from relu_landscape.engine.model import population
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.points import identity, symmetry
from tests.service.engine import known
from tests.service.engine.oracles import Real, gram_matrix


def _shuffled(W: Real, rng: np.random.Generator) -> Real:
    return W[rng.permutation(W.shape[0])][:, rng.permutation(W.shape[1])]


def _are_copies(R: Real, other: Real) -> bool:
    """By going through all relabellings."""
    return any(
        np.array_equal(other[np.ix_(rows, columns)], R)
        for columns in itertools.permutations(range(R.shape[1]))
        for rows in itertools.permutations(range(R.shape[0]))
    )


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 3), (4, 3), (3, 4), (4, 4)])
def test_the_quick_way_finds_relabellings_alone(shape: tuple[int, int]) -> None:
    """It may miss some; what it returns is one, by brute force as well."""
    rng = np.random.default_rng([3, *shape])
    outcomes = set()
    for seed in range(40):
        R = rng.integers(0, 2 + seed % 3, shape) / 4.0
        other = _shuffled(R, rng) if seed % 2 else rng.permutation(R.ravel()).reshape(shape)
        found = symmetry.relabelled_by_looks(R, other + 1e-9 * rng.standard_normal(shape))
        outcomes.add((found is not None, _are_copies(R, other)))
        if found is not None:
            assert np.array_equal(other[np.ix_(*found)], R)
    assert (True, False) not in outcomes
    assert (True, True) in outcomes


def test_the_quick_way_does_for_points_of_structures() -> None:
    """Whatever blocks they have, so that a search's copies need no graph."""
    rng = np.random.default_rng(5)
    for structure in default_structures(9, 8):
        for point in search(structure, most_starts=256).points:
            W = embed(point.point)
            found = symmetry.relabelled_by_looks(W, _shuffled(W, rng))
            assert found is not None, structure.name


def test_copies_are_grouped_by_the_first_of_them() -> None:
    rng = np.random.default_rng(2)
    orthonormal = make_teacher(3)
    points = [rng.standard_normal((4, 3)) for _ in range(3)]
    listed = [points[0], points[1], _shuffled(points[0], rng), points[2], _shuffled(points[1], rng)]
    losses = [float(population.loss(W, orthonormal)) for W in listed]
    assert identity.copies(listed, losses, orthonormal) == [[0, 2], [1, 4], [3]]
    assert identity.copies([], [], orthonormal) == []


def test_a_general_teacher_allows_fewer_copies() -> None:
    rng = np.random.default_rng(2)
    teacher = make_teacher(3, gram_matrix(3, rng))
    W = rng.standard_normal((4, 3))
    listed = [W, W[[3, 1, 0, 2]], W[:, [1, 0, 2]]]
    losses = [float(population.loss(each, teacher)) for each in listed]
    assert identity.copies(listed, losses, teacher) == [[0, 1], [2]]


@pytest.mark.parametrize("scale", [1.0, 1e-3, 250.0])
def test_near_points_stay_two(scale: float) -> None:
    """Three times the tolerance apart in two entries whose sum, norm and loss stay as they were."""
    rng = np.random.default_rng(4)
    teacher = make_teacher(6, scale**2 * np.eye(6))
    W = scale * (np.eye(6) + 0.1 * rng.standard_normal((6, 6)))
    near = W.copy()
    step = 3.0 * identity.POLISHED * scale
    near[0, 1] += step
    near[2, 3] -= step
    loss = float(population.loss(W, teacher))
    assert identity.copies([W, near, _shuffled(near, rng)], [loss] * 3, teacher) == [[0], [1, 2]]
    # And one point seen twice with the error that a polished one has stays one.
    again = _shuffled(W, rng) + 1e-9 * scale * rng.standard_normal(W.shape)
    assert identity.copies([W, again], [loss] * 2, teacher) == [[0, 1]]


def test_a_minimum_and_the_saddle_beside_it_stay_two() -> None:
    """K = 18, M = 17: 8e-12 apart in loss, 1e-3 in weights."""
    teacher = make_teacher(17)
    W = known.near_degenerate()
    H = np.asarray(population.hessian(W, teacher)[0])
    slow = np.linalg.eigh(H)[1][:, 0].reshape(W.shape)
    rng = np.random.default_rng(1)
    # No critical point, but as near and as little different in loss as the saddle is.
    beside = W + 1e-3 * slow
    losses = [float(population.loss(each, teacher)) for each in (W, beside)]
    assert 0.0 < losses[1] - losses[0] < identity.POLISHED_LOSS
    listed = [W, beside, _shuffled(W, rng), _shuffled(beside, rng)]
    assert identity.copies(listed, losses * 2, teacher) == [[0, 2], [1, 3]]


def test_the_same_numbers_are_not_the_same_point() -> None:
    """A six-cycle and two triangles: all invariants agree, no relabelling does."""
    ring, pairs = np.zeros((6, 6)), np.zeros((6, 6))
    for i in range(6):
        ring[i, [i, (i + 1) % 6]] = 1.0
        pairs[i, [i, 3 * (i // 3) + (i + 1) % 3]] = 1.0
    teacher = make_teacher(6)
    listed = [ring, pairs, ring[::-1], pairs[:, ::-1]]
    assert identity.copies(listed, [0.1] * 4, teacher) == [[0, 2], [1, 3]]
