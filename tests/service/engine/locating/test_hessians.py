"""Batched Hessians beyond the span, against the engine's own in it and differences outside."""

from __future__ import annotations

import numpy as np
import pytest

from relu_landscape.engine.locating.hessians import hessians, spectra
from relu_landscape.engine.model import population
from relu_landscape.engine.model.teacher import make_teacher

GRAM = [[1.0, 0.2, 0.0], [0.2, 1.5, 0.1], [0.0, 0.1, 0.7]]


@pytest.mark.parametrize("gram", [None, GRAM])
def test_in_the_span_they_are_those_of_one_point_at_a_time(gram: object) -> None:
    teacher = make_teacher(3, gram)  # type: ignore[arg-type]
    W = np.random.default_rng(1).standard_normal((5, 4, 3))
    W[1, 1], W[2, 1] = 2.0 * W[1, 0], -W[2, 0]  # parallel and opposite students
    W[3, 0] = teacher.V[0]
    H, A = hessians(W, teacher)
    for row, here in enumerate(W):
        one, block = population.hessian(here, teacher)
        assert np.abs(H[row] - one).max() < 1e-13
        assert np.abs(A[row] - block).max() < 1e-14


def test_beyond_the_span_they_are_differences_of_the_gradient() -> None:
    teacher = make_teacher(2, [[1.0, 0.3], [0.3, 1.2]])
    W = np.random.default_rng(2).standard_normal((1, 3, 5))
    H, _ = hessians(W, teacher)
    step, size = 1e-6, W[0].size
    columns = []
    for place in range(size):
        move = np.zeros(size)
        move[place] = step
        ahead, behind = (
            population.gradient(W[0] + sign * move.reshape(3, 5), teacher) for sign in (1, -1)
        )
        columns.append(((ahead - behind) / (2 * step)).ravel())
    # Central differences: 1e-12 of the third derivative, 1e-16 / 1e-6 of rounding.
    assert np.abs(H[0] - np.array(columns)).max() < 1e-8


def test_the_block_is_that_of_every_further_dimension() -> None:
    """A point padded by two dimensions has two more copies of the block's spectrum."""
    teacher = make_teacher(2)
    W = np.random.default_rng(3).standard_normal((2, 3, 5))
    span, beside = spectra(W, teacher)
    padded, same = spectra(np.pad(W, ((0, 0), (0, 0), (0, 2))), teacher)
    whole = np.sort(np.concatenate([span, beside, beside], axis=1), axis=1)
    assert np.abs(padded - whole).max() < 1e-13
    assert np.abs(same - beside).max() < 1e-14
