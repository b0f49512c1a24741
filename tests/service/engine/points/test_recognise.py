"""Symmetry by a graph's canonical labelling, against colour refinement (``recognise``)."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest

from relu_landscape.engine.families.points import Point, embed
from relu_landscape.engine.families.search import search
from relu_landscape.engine.families.structures import parse
from relu_landscape.engine.points import symmetry
from tests.service.engine.families.shapes import KINDS, random_point
from tests.service.engine.points.recognise import orbit_sizes, recognise


def _shuffled(W: np.ndarray, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return W[generator.permutation(W.shape[0])][:, generator.permutation(W.shape[1])]


def _analyse(W: np.ndarray) -> symmetry.Symmetry:
    return symmetry.analyse(W, np.linalg.norm(W, axis=1), np.ones(W.shape[1]))


def _check(W: np.ndarray, oracle: Point) -> None:
    """Group, blocks and copies of ``W`` are those of the point that the oracle found in it."""
    found = _analyse(W)
    K, M = W.shape
    labelled = orbit_sizes(oracle)["labelled"]
    assert found.automorphisms * labelled == math.factorial(K) * math.factorial(M)
    if found.is_product:
        sizes = sorted(len(orbit) for orbit in found.teacher_orbits)
        assert sizes == sorted(oracle.structure.sizes)
    # The oracle's own matrix is a relabelled copy, and has the same canonical form.
    Z = embed(oracle)
    copy = symmetry.relabelling(W, Z)
    assert copy is not None
    np.testing.assert_allclose(Z[np.ix_(*copy)], W, atol=1e-8)
    other = _analyse(Z)
    np.testing.assert_allclose(
        Z[np.ix_(other.students, other.teachers)],
        W[np.ix_(found.students, found.teachers)],
        atol=1e-8,
    )


@pytest.mark.parametrize("name", [*KINDS, "30+34", "1+6+13", "1+16 extra 1"])
@pytest.mark.parametrize("noise", [0.0, 1e-9])
def test_symmetry_of_random_points_of_every_structure(name: str, noise: float) -> None:
    W = _shuffled(embed(random_point(name)), 1)
    W = W + noise * np.random.default_rng(2).uniform(-1, 1, W.shape)
    oracle = recognise(W)
    assert oracle is not None
    assert oracle.structure == parse(name).canonical()
    _check(W, oracle)


@pytest.mark.parametrize("name", ["7", "1+6", "1+2+4", "3+4", "1+6 extra 1"])
def test_symmetry_of_critical_points(name: str) -> None:
    for found in search(parse(name)).points:
        W = _shuffled(embed(found.point), 4)
        oracle = recognise(W)
        assert oracle is not None
        assert len(oracle.structure.sizes) <= len(found.point.structure.sizes)
        _check(W, oracle)


def test_a_matrix_without_symmetry_has_single_blocks() -> None:
    W = np.random.default_rng(0).normal(size=(5, 4))
    oracle = recognise(W)
    assert oracle is not None
    assert oracle.structure.name == "1+1+1+1 extra 1"
    _check(W, oracle)
    assert recognise(np.random.default_rng(0).normal(size=(20, 20))) is None


def test_entries_that_cannot_be_told_apart_cleanly_are_not_forced_into_blocks() -> None:
    """A chain of entries, each within the tolerance of the next, but not of all."""
    W = 0.4e-8 * np.arange(36.0).reshape(6, 6)
    np.fill_diagonal(W, 1.0)
    assert recognise(W, 1e-8) is None


def _orbit(W: np.ndarray) -> tuple[int, int, int]:
    """Different matrices under all permutations, by going through them."""
    K, M = W.shape
    keys, unordered = set(), set()
    for columns in permutations(range(M)):
        moved = np.round(W[:, columns], 6) + 0.0
        unordered.add(tuple(sorted(map(tuple, moved.tolist()))))
        for rows in permutations(range(K)):
            keys.add(moved[list(rows)].tobytes())
    orders = {np.round(W[list(rows)], 6).tobytes() for rows in permutations(range(K))}
    return len(keys), len(unordered), len(orders)


def _wreath() -> np.ndarray:
    """Two blocks of two that can be exchanged as a whole."""
    W = np.full((4, 4), -0.3)
    W[:2, :2] = W[2:, 2:] = [[1.0, 0.2], [0.2, 1.0]]
    return W


@pytest.mark.parametrize(
    "W",
    [
        np.eye(4),
        embed(random_point("1+3")),
        embed(random_point("2+2")),
        embed(random_point("1+1+2")),
        embed(random_point("2+2x0 extra 1")),
        embed(random_point("3 extra 1")),
        np.vstack([np.eye(3), np.eye(3)[:1]]),
        _wreath(),
        np.array([np.roll([1.0, 0.2, 0.3, 0.4], shift) for shift in range(4)]),
    ],
    ids=["identity", "1+3", "2+2", "1+1+2", "teacher-only", "unit", "split", "wreath", "cycle"],
)
def test_copies_are_counted_like_by_going_through_all_permutations(W: np.ndarray) -> None:
    found = recognise(W)
    assert found is not None
    sizes = orbit_sizes(found)
    _check(W, found)
    labelled, unordered, orders = _orbit(W)
    assert sizes == {
        "labelled": labelled,
        "up_to_student_order": unordered,
        "student_orders": orders,
    }


def test_copies_at_width_64_are_exact_integers() -> None:
    sizes = orbit_sizes(random_point("30+34"))
    assert sizes["up_to_student_order"] == math.comb(64, 30)
    assert sizes["labelled"] == math.comb(64, 30) * math.factorial(64)
