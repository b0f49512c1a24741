"""Structures recognised in dense matrices, and the number of relabelled copies."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest

from relu_landscape.engine.families.points import embed
from relu_landscape.engine.families.recognise import isotropy_name, orbit_sizes, recognise
from relu_landscape.engine.families.search import search
from relu_landscape.engine.families.structures import parse
from relu_landscape.errors import InputError, NumericalError

from .shapes import KINDS, random_point


def _shuffled(W: np.ndarray, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return W[generator.permutation(W.shape[0])][:, generator.permutation(W.shape[1])]


@pytest.mark.parametrize("name", [*KINDS, "30+34", "1+6+13", "1+16 extra 1"])
@pytest.mark.parametrize("noise", [0.0, 1e-9])
def test_random_points_are_recognised_after_shuffling(name: str, noise: float) -> None:
    W = _shuffled(embed(random_point(name)), 1)
    W = W + noise * np.random.default_rng(2).uniform(-1, 1, W.shape)
    found = recognise(W)
    assert found is not None
    structure, point, rows, columns = found
    assert structure == parse(name).canonical()
    assert sorted(rows) == list(range(W.shape[0]))
    assert sorted(columns) == list(range(W.shape[1]))
    np.testing.assert_allclose(W[np.ix_(rows, columns)], embed(point), atol=max(1e-14, 2 * noise))


@pytest.mark.parametrize("name", ["7", "1+6", "1+2+4", "3+4", "1+6 extra 1"])
def test_critical_points_are_recognised_with_the_coarsest_structure(name: str) -> None:
    for found in search(parse(name)).points:
        seen = recognise(_shuffled(embed(found.point), 4))
        assert seen is not None
        assert len(seen[0].sizes) <= len(found.point.structure.sizes)
        assert embed(seen[1]).shape == embed(found.point).shape


def test_the_same_point_shuffled_differently_gives_the_same_canonical_point() -> None:
    W = embed(search(parse("1+2+4")).points[-1].point)
    seen = [recognise(_shuffled(W, seed)) for seed in range(5)]
    first = seen[0]
    assert first is not None
    for other in seen:
        assert other is not None
        np.testing.assert_allclose(embed(other[1]), embed(first[1]), atol=1e-12)


def test_a_matrix_without_symmetry_has_single_blocks() -> None:
    W = np.random.default_rng(0).normal(size=(5, 4))
    found = recognise(W)
    assert found is not None
    assert found[0].name == "1+1+1+1 extra 1"
    assert recognise(np.random.default_rng(0).normal(size=(20, 20))) is None


def test_entries_that_cannot_be_told_apart_cleanly_are_not_forced_into_blocks() -> None:
    """A chain of entries, each within the tolerance of the next, but not of all."""
    W = 0.4e-8 * np.arange(36.0).reshape(6, 6)
    np.fill_diagonal(W, 1.0)
    assert recognise(W, 1e-8) is None


@pytest.mark.parametrize("W", [np.full((2, 2), np.nan), np.zeros(3), np.zeros((0, 2))])
def test_only_finite_matrices_are_looked_at(W: np.ndarray) -> None:
    with pytest.raises(InputError):
        recognise(W)


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
    sizes = orbit_sizes(found[1])
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


def test_isotropy_is_named_by_its_symmetric_groups() -> None:
    assert isotropy_name(parse("1+16 extra 1")) == "S1 x S16"


def test_what_cannot_be_counted_is_refused() -> None:
    with pytest.raises(InputError):
        orbit_sizes(random_point("1+2.5"))
    table = random_point("+".join(["1x0"] * 9) + "+2")
    flat = type(table)(table.structure, table.signs, table.deviations * 0)
    with pytest.raises(NumericalError, match="equal blocks"):
        orbit_sizes(flat)
