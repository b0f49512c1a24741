"""Distances up to relabelling, against all relabellings where they can be counted."""

from __future__ import annotations

import itertools

import numpy as np

from relu_landscape.engine.families.points import embed
from relu_landscape.engine.families.search import search
from relu_landscape.engine.families.structures import parse
from relu_landscape.engine.locating.nearness import distances
from relu_landscape.engine.model.teacher import make_teacher


def test_no_relabelled_copy_is_nearer_than_the_distance_says_and_one_is_as_near() -> None:
    rng = np.random.default_rng(4)
    W, F = rng.standard_normal((6, 4, 5)), rng.standard_normal((3, 4, 4))
    found = distances(W, F, make_teacher(4))
    orders = [list(each) for each in itertools.permutations(range(4))]
    for row, column in np.ndindex(*found.shape):
        beside = np.sum(W[row, :, 4] ** 2)
        squares = [
            np.sum((W[row, :, :4] - F[column][np.ix_(s, t)]) ** 2) for s in orders for t in orders
        ]
        ways = np.sqrt(np.array(squares) + beside)
        assert found[row, column] >= ways.min() - 1e-12
        assert np.abs(ways - found[row, column]).min() < 1e-12


def test_students_alone_are_exchanged_where_the_teacher_is_not_orthonormal() -> None:
    rng = np.random.default_rng(5)
    teacher = make_teacher(3, [[1.0, 0.2, 0.0], [0.2, 1.5, 0.1], [0.0, 0.1, 0.7]])
    W, F = rng.standard_normal((1, 3, 3)), rng.standard_normal((1, 3, 3))
    best = min(
        float(np.linalg.norm(W[0] - F[0][list(order)]))
        for order in itertools.permutations(range(3))
    )
    assert abs(distances(W, F, teacher)[0, 0] - best) < 1e-12


def test_a_relabelled_copy_off_by_a_little_is_that_far() -> None:
    """The case it is for: the nearest copy of a symmetric fixed point is found."""
    rng = np.random.default_rng(6)
    points = [embed(each.point) for name in ("1+7", "3+5") for each in search(parse(name)).minima]
    F = np.array(points)
    for number, point in enumerate(F):
        noise = rng.standard_normal((8, 8)) * 1e-3
        W = point[rng.permutation(8)][:, rng.permutation(8)] + noise
        found = distances(W[None], F, make_teacher(8))[0]
        assert found[number] <= np.linalg.norm(noise) + 1e-12
        assert found[number] <= found.min() + 1e-12  # some are points of both structures
