"""The verifier's own search for symmetry, against trying every relabelling."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest

from relu_landscape.engine.certificates import automorphisms as module
from relu_landscape.engine.certificates.automorphisms import automorphisms, labelled


def test_the_order_is_that_of_all_relabellings_tried() -> None:
    rng = np.random.default_rng(0)
    for _ in range(150):
        K, M = rng.integers(1, 5, 2).tolist()
        labels = rng.integers(0, rng.integers(1, 4), (K, M))
        wanted = [
            (rows, columns)
            for rows in permutations(range(K))
            for columns in permutations(range(M))
            if np.array_equal(labels[np.ix_(rows, columns)], labels)
        ]
        found = automorphisms(labels)
        assert found is not None
        assert found.order == len(wanted)
        for orbits, place in ((found.rows, 0), (found.columns, 1)):
            for vertex, orbit in enumerate(orbits):
                reached = {each[place][vertex] for each in wanted}
                assert {v for v, other in enumerate(orbits) if other == orbit} == reached


@pytest.mark.parametrize("width", [6, 20, 64])
def test_groups_of_the_usual_structures_are_exact_integers(width: int) -> None:
    identity = np.eye(width, dtype=np.int64)
    one_apart = 2 * identity
    one_apart[0] += 3
    one_apart[:, 0] += 7
    halves = np.kron(np.eye(2, dtype=np.int64), np.eye(width // 2, dtype=np.int64) + 1)
    circle = np.arange(width)[None, :] - np.arange(width)[:, None]
    shuffled = np.random.default_rng(1).permutation(width)
    for labels, order in (
        (identity, math.factorial(width)),
        (one_apart, math.factorial(width - 1)),
        (halves, 2 * math.factorial(width // 2) ** 2),
        (circle % width, width),
        (np.arange(width * width).reshape(width, width), 1),
    ):
        found = automorphisms(labels[shuffled])
        assert found is not None
        assert found.order == order


def test_a_search_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_REFINEMENTS", 3)
    assert automorphisms(np.eye(6, dtype=np.int64)) is None


def test_entries_are_told_apart_by_the_gaps_between_them() -> None:
    labels, spread = labelled(np.array([[1.0, 2.0], [1.0 + 1e-9, 2.5]]), 1e-6)
    assert labels.tolist() == [[0, 1], [0, 2]]
    assert spread == pytest.approx(1e-9, rel=1e-6)
