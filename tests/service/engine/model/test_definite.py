"""Positive definite or not, against eigenvalues."""

from __future__ import annotations

import numpy as np
import pytest

from relu_landscape.engine.model.definite import is_positive_definite


@pytest.mark.parametrize("size", [1, 2, 9, 40])
def test_it_is_what_the_smallest_eigenvalue_says(size: int) -> None:
    rng = np.random.default_rng(size)
    for smallest in (1e-12, 1e-3, 1.0, -1e-12, -1e-3, -1.0):
        turn, _ = np.linalg.qr(rng.standard_normal((size, size)))
        values = np.concatenate([[smallest], rng.uniform(0.5, 2.0, size - 1)])
        matrix = (turn * values) @ turn.T
        matrix = (matrix + matrix.T) / 2.0
        assert is_positive_definite(matrix) is bool(np.linalg.eigvalsh(matrix)[0] > 0.0)


def test_what_is_no_number_is_not_positive_and_nothing_is() -> None:
    for place in ((0, 0), (2, 2), (2, 0)):
        matrix = np.eye(3)
        matrix[place] = np.nan
        assert not is_positive_definite(matrix)
    assert not is_positive_definite(np.diag([1.0, 0.0]))
    assert is_positive_definite(np.empty((0, 0)))
